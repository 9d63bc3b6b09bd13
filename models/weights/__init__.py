"""Pretrained weights: the small ones that come with the program lie here, the others are downloaded. No torch."""

from models.weights.files import MIRROR_VARIABLE, checkpoint_dir, default_network, fetch, find

__all__ = ["MIRROR_VARIABLE", "checkpoint_dir", "default_network", "fetch", "find"]
