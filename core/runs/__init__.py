"""A run is a folder: its configuration, state, history, results, and the store of all runs."""
