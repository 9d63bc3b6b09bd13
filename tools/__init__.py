"""Programs that made files which the project ships; each was run once."""
