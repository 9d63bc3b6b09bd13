"""Why a network answers as it does: heat maps, a map of the pictures, what moved in training, first filters."""
