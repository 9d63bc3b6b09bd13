"""Who does something, and what they may do."""
