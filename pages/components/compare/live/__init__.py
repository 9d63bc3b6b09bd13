"""A race while it is queued or trains."""
