"""Races and learning curves: several trainings that are one question, with one answer."""
