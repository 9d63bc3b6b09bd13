"""Races and learning curves: several runs that answer one question."""
