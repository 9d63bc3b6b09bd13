"""Images with labels: sources, import, the decoder, Dataset, splits, the drawn sample."""
