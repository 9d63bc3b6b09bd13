"""Corrections of a dataset, and the revisions that hold them."""
