"""Adding a dataset."""
