"""The writers: a module for each kind of file."""
