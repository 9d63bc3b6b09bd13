"""Decoding: formats, limits, colours and sizes of picture files."""
