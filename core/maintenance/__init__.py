"""Checking, repairing and moving a data root."""
