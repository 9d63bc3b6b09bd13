"""Pretrained weights: petnet's lie here, a package has others, the rest are downloaded. No torch."""

from models.weights.files import (
    FIRST_CHOICES,
    MIRROR_VARIABLE,
    WITHOUT_DOWNLOAD,
    checkpoint_dir,
    default_network,
    fetch,
    find,
    missing,
)

__all__ = [
    "FIRST_CHOICES",
    "MIRROR_VARIABLE",
    "WITHOUT_DOWNLOAD",
    "checkpoint_dir",
    "default_network",
    "fetch",
    "find",
    "missing",
]
