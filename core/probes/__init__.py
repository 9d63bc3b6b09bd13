"""Linear probes: what a linear classifier reaches on the output of each block of a network, before any training."""
