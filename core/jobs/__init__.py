"""Processes: the scheduler and its dispatcher, training workers, imports, benchmarks."""
