"""A run is a folder; this package reads and writes it."""
