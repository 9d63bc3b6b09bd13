"""The run that an export comes from: its weights and test pictures, its description, and what is asked of a file."""
