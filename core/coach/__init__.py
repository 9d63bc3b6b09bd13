"""What results mean: findings in runs, comparisons and datasets, their costs, and one thing to try next."""
