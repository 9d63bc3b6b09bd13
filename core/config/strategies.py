"""The strategies: which parts of a network are trained, and which stay frozen."""

from collections.abc import Mapping
from typing import Literal

Strategy = Literal["scratch", "head", "partial", "full", "gradual"]
STRATEGIES: Mapping[str, tuple[str, str]] = {
    "scratch": ("From scratch", "Random weights: the network learns everything from these pictures."),
    "head": ("Head only", "The pretrained backbone stays frozen; only the new output layer is trained. Quick."),
    "partial": (
        "Partial",
        "Frozen up to a block; the blocks after it are trained with a smaller learning rate than the head.",
    ),
    "full": (
        "Full fine-tuning",
        "Everything is trained, the pretrained backbone with a smaller learning rate than the head.",
    ),
    "gradual": (
        "Gradual",
        "Two stages: first the head is trained, then the backbone too, with a smaller learning rate.",
    ),
}  # title, explanation
