"""Saved networks and paused trainings: weights without pickle, their sidecars, snapshots, and how they are verified."""
