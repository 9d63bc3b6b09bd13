"""Pictures of a dataset or a collection: in a grid, one of them large, in rows that grow."""
