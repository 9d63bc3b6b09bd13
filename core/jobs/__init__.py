"""Processes of their own: training workers, imports, evaluations, benchmarks; and how they are started and watched."""
