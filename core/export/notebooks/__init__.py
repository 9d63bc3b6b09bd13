"""What notebooks and scripts say about a run: its settings, its split, and its network in plain torch."""
