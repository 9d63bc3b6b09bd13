"""Predictions and what follows from them: metrics, intervals, paired tests, calibration. Knows no run."""
