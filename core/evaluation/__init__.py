"""Numbers about predictions: metrics, intervals, paired comparison."""
