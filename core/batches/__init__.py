"""Batch prediction: a folder or archive of any size, predicted by one run in a process of its own."""
