"""Bringing pictures: what an import asks and how far it is, what an upload leaves in memory."""
