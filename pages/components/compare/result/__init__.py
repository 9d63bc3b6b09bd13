"""The result of a race or of runs that a person chose."""
