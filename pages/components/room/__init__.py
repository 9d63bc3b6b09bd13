"""Parts of the Room page."""
