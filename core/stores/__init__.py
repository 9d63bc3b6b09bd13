"""Stores of what is computed once: decoded pixels, activations of frozen parts, measurements of this machine."""
