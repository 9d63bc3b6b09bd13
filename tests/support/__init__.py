"""What several tests and benchmarks share; it imports neither."""
