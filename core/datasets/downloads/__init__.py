"""Datasets from elsewhere: ready-made sets, the Hugging Face Hub, and the files that they consist of."""
