"""Explore › Check: what may be wrong with a dataset."""
