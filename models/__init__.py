"""Networks only: the catalog (no torch), the networks, their weights and freeze points."""
