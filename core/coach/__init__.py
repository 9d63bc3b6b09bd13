"""What results mean: readings of runs, races and datasets, their costs, and one thing to try next."""
