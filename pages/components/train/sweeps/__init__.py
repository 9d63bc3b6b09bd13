"""Sweeps: their form, their page and its charts."""
