"""A run as a small HTTP service of this machine."""
