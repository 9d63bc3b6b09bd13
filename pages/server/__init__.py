"""The ASGI app around the pages: who may reach it, and what it lets through."""
