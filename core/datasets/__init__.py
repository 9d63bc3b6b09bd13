"""Pictures with labels: sources, importing, splits, the store of datasets."""
