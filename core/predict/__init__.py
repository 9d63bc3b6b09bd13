"""Using a trained network: the predictor process, and explanations of its answers."""
