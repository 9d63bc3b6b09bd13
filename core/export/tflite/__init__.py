"""From a network to a TensorFlow Lite file: one graph for all, converted, labelled, and rounded to 8 bits."""
