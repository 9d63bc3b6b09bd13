"""The learning rate where nobody chose one. Imports no torch: pages tell it too."""

import math

from core.training.config import TrainConfig

SGD_FACTOR = 10.0  # without Adam's scaling good rates are larger


def fitted_rate(config: TrainConfig, steps: int, *, head_only: bool) -> float:
    """The learning rate where nobody chose one.

    A head alone takes larger steps the fewer it has, as measured on seven sets of 80 to 1,200 photographs
    (docs/decisions/0011-learning-rates.md). What was pretrained, or has to grow from nothing, takes Adam's usual 0.001.

    Args:
        steps: of the stage.
    """
    rate = min(0.01, max(0.001, 0.01 * math.sqrt(100 / max(1, steps)))) if head_only else 0.001
    return rate * (SGD_FACTOR if config.optimizer == "sgd" else 1.0)
