"""One file for each figure that the README states; each prints a ratio against a peer or a limit of the same run."""
