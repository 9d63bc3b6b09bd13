"""What a training may use: epochs, pictures or seconds, shared out among its stages. Imports no torch.

`epochs` is always the upper limit. `max_images` is met exactly; `max_seconds` is looked at before every step, so the
last step and the validation after it may go over it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from core.training.config import TrainConfig
from core.training.plan import Stage

HEAD_STEP_MS = 1.2  # of a batch of stored activations


@dataclass(frozen=True)
class Allowance:
    """What one stage may use at most.

    Attributes:
        images: training pictures.
        of: training pictures of a whole epoch.
        batch: pictures of a step.
        seconds: on the training's clock, when the stage is over at the latest; None: no matter when.
    """

    images: int
    of: int
    batch: int
    seconds: float | None = None

    @property
    def epochs(self) -> int:
        """Epochs, the last of which may be a part of one."""
        return math.ceil(self.images / self.of)

    def pictures_of(self, epoch: int) -> int:
        """Training pictures of an epoch of the stage, counted from 0."""
        return min(self.of, self.images - epoch * self.of)

    def steps_of(self, epoch: int) -> int:
        """Steps of an epoch of the stage, counted from 0."""
        return math.ceil(self.pictures_of(epoch) / self.batch)

    @property
    def steps(self) -> int:
        """Of the whole stage."""
        return (self.epochs - 1) * math.ceil(self.of / self.batch) + self.steps_of(self.epochs - 1)

    def likely_steps(self, began: float) -> int:
        """Steps for which a learning rate is fitted: all of them, or as many as a head may take in its time.

        Args:
            began: when the stage began, on the training's clock.
        """
        if self.seconds is None:
            return self.steps
        return min(self.steps, max(1, math.ceil(1000 * (self.seconds - began) / HEAD_STEP_MS)))


def share_out(config: TrainConfig, stages: Sequence[Stage], pictures: int) -> list[Allowance]:
    """The allowance of each stage: pictures and seconds in the proportion of the stages' epochs.

    Args:
        pictures: of the training split.
    """
    epochs = sum(stage.epochs for stage in stages)
    most = epochs * pictures
    total = most if config.max_images is None else min(config.max_images, most)
    out: list[Allowance] = []
    before = used = 0
    for stage in stages:
        before += stage.epochs
        last = before == epochs
        # every stage sees a picture at least
        until = total if last else min(max(round(total * before / epochs), used + 1), total - 1)
        seconds = None if config.max_seconds is None else config.max_seconds * before / epochs
        out.append(Allowance(until - used, pictures, config.batch_size, seconds))
        used = until
    return out


def describe_end(config: TrainConfig, images: int, epochs: int, seconds: float, charged: float) -> str:
    """One sentence on what ended a training, for people; empty where it was its epochs and nothing else was set.

    Args:
        images, epochs, seconds: what was used; `charged` of the seconds for frozen parts.
    """
    if config.max_images is not None and images < config.max_images:
        unused = f"all {config.max_images:,} pictures were seen"
    elif config.max_seconds is not None and seconds < config.max_seconds:
        unused = f"its {config.max_seconds:g} s were used"
    elif config.max_images is not None:
        return f"Ended in epoch {epochs}: all {images:,} pictures of the budget were seen."
    elif config.max_seconds is not None:
        over = seconds - max(config.max_seconds, charged)
        return (
            f"Ended in epoch {epochs}: the {config.max_seconds:g} s were used; "
            f"its last step and validation went {over:.1f} s over them."
        )
    else:
        return ""
    return f"Ended after {epochs} epochs, before {unused}: give it more epochs to use all that was given."
