"""Keeping a data root whole: check, repair, and carry to another machine."""
