"""Processes of their own: workers, imports, benchmarks, computations for everyone; how they are started and watched."""
