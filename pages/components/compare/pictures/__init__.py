"""Pictures of the test split with the answers of the networks: grids, strips, one picture large."""
