"""Charts of trainings, and their values as tables."""
