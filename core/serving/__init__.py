"""The predictor process and its client."""
