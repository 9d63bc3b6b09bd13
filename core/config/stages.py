"""The stages of a training, worked out before it starts and without torch.

Which blocks and parameters each stage trains, the number format and the learning rate it takes, and its share of the
budget.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from core.config.train_config import TrainConfig
from core.formatting import format_duration, format_number, format_percent
from models.catalog import NetworkEntry, head_parameters

WORTHWHILE = 1.1  # a half format must be this much faster to be chosen
TOLERANCE = 0.05  # largest mean relative error of what leaves a prefix in a half format
MANY_CORES = 0.5  # that other programs used: figures that were taken meanwhile are doubtful
HALF_FORMATS = ("bf16", "fp16")


@dataclass(frozen=True)
class Stage:
    """A stretch of epochs with one freeze point (None: everything is trainable)."""

    name: str
    freeze_point: str | None
    epochs: int


@dataclass(frozen=True)
class PlannedBlock:
    """A block of the network in one stage."""

    name: str
    title: str
    parameters: int
    frozen: bool


@dataclass(frozen=True)
class Plan:
    """All stages; `trainable` counts the parameters that the last one trains."""

    total: int
    trainable: int
    stages: tuple[tuple[str, tuple[PlannedBlock, ...]], ...]

    @property
    def frozen_share(self) -> float:
        return 1 - self.trainable / self.total


def plan_stages(config: TrainConfig, entry: NetworkEntry) -> list[Stage]:
    """The stages of a strategy: one, or two for `gradual`."""
    everything = entry.blocks[-1].name
    if config.strategy in ("scratch", "full"):
        return [Stage(config.strategy, None, config.epochs)]
    if config.strategy == "head":
        return [Stage("head", everything, config.epochs)]
    if config.strategy == "partial":
        return [Stage("partial", config.freeze_point or entry.default_freeze, config.epochs)]
    first = config.head_epochs or max(1, config.epochs // 3)
    return [
        Stage("head first", everything, first),
        Stage("unfrozen", config.freeze_point, config.epochs - first),
    ]


def plan_training(config: TrainConfig, classes: int) -> Plan:
    """Blocks and parameters of every stage of a training."""
    entry = config.entry()
    head = head_parameters(entry, classes, config.head)
    stages = []
    trainable = 0
    for stage in plan_stages(config, entry):
        last_frozen = entry.freeze_points.index(stage.freeze_point) if stage.freeze_point else -1
        blocks = [
            PlannedBlock(block.name, block.title, block.parameters, place <= last_frozen)
            for place, block in enumerate(entry.blocks)
        ]
        blocks.append(PlannedBlock("head", "New output layer", head, False))
        trainable = sum(block.parameters for block in blocks if not block.frozen)
        most = "at most " if config.budgeted else ""
        stages.append((f"{stage.name}: {most}{stage.epochs} epochs", tuple(blocks)))
    return Plan(entry.backbone_parameters + head, trainable, tuple(stages))


def describe_network(config: TrainConfig, stages: list[Stage]) -> dict[str, Any]:
    """The settings that decide how long an image takes."""
    options = asdict(config.scratch_options()) if config.model == "scratch_cnn" else {}
    return {
        "model": config.model,
        # as JSON gives them back
        "options": {key: list(value) if isinstance(value, tuple) else value for key, value in options.items()},
        "freeze_points": [stage.freeze_point for stage in stages],
        "stored": config.views > 0,
        "colours": config.augment_colour,
    }


def choose_precision(figures: Mapping[str, float], part: str, wanted: str) -> tuple[str, str]:
    """The number format of a part of a network, `step` or `prefix`, and why.

    Args:
        figures: what `benchmark.measure` found.
        wanted: the configuration's format, or auto.
    """
    if wanted != "auto":
        return wanted, "chosen in the configuration"
    if f"{part}_unmeasured" in figures:
        return "fp32", "measuring the formats would have taken too long"
    if f"{part}_fp32" not in figures:
        return "fp32", "the head alone takes no time" if part == "step" else "nothing is frozen"
    name = next((name for name in HALF_FORMATS if f"{part}_{name}" in figures), None)
    if name is None:
        return "fp32", "this processor would have to emulate bf16"
    fp32, half = figures[f"{part}_fp32"], figures[f"{part}_{name}"]
    beside = ", beside other programs" if figures.get("others", 0.0) > MANY_CORES else ""
    times = f"{format_number(fp32, 2)} ms a picture in fp32, {format_number(half, 2)} ms in {name}"
    reason = f"measured on this machine{beside}: {times}"
    if part == "prefix":
        reason += f", which differs by {format_percent(figures['prefix_error'])}"
        if figures["prefix_error"] > TOLERANCE:
            return "fp32", f"{reason}: more than the {format_percent(TOLERANCE, 0)} that are allowed"
    return name if fp32 / half >= WORTHWHILE else "fp32", reason


SGD_FACTOR = 10.0  # without Adam's scaling good rates are larger


def fitted_rate(config: TrainConfig, steps: int, *, head_only: bool) -> float:
    """The learning rate where none was chosen.

    A head alone takes larger steps the fewer it has, as measured on seven sets of 80 to 1,200 photographs
    (docs/decisions/0011-learning-rates.md). What was pretrained, or has to grow from nothing, takes Adam's usual 0.001.

    Args:
        steps: of the stage.
    """
    rate = min(0.01, max(0.001, 0.01 * math.sqrt(100 / max(1, steps)))) if head_only else 0.001
    return rate * (SGD_FACTOR if config.optimizer == "sgd" else 1.0)


HEAD_STEP_MS = 1.2  # of a batch of stored activations


@dataclass(frozen=True)
class Allowance:
    """What one stage may use at most.

    Attributes:
        images: training images.
        of: training images of a whole epoch.
        batch: images of a step.
        seconds: on the training's clock, when the stage is over at the latest; None: no matter when.
    """

    images: int
    of: int
    batch: int
    seconds: float | None = None

    @property
    def epochs(self) -> int:
        """Epochs; the last one may be partial."""
        return math.ceil(self.images / self.of)

    def images_of(self, epoch: int) -> int:
        """Training images of an epoch of the stage, counted from 0."""
        return min(self.of, self.images - epoch * self.of)

    def steps_of(self, epoch: int) -> int:
        """Steps of an epoch of the stage, counted from 0."""
        return math.ceil(self.images_of(epoch) / self.batch)

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


def share_out(config: TrainConfig, stages: Sequence[Stage], images: int) -> list[Allowance]:
    """The allowance of each stage: images and seconds in the proportion of the stages' epochs.

    Args:
        images: of the training split.
    """
    epochs = sum(stage.epochs for stage in stages)
    most = epochs * images
    total = most if config.max_images is None else min(config.max_images, most)
    out: list[Allowance] = []
    before = used = 0
    for stage in stages:
        before += stage.epochs
        last = before == epochs
        # every stage sees an image at least
        until = total if last else min(max(round(total * before / epochs), used + 1), total - 1)
        seconds = None if config.max_seconds is None else config.max_seconds * before / epochs
        out.append(Allowance(until - used, images, config.batch_size, seconds))
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
            f"its last step and validation went {format_duration(over)} over them."
        )
    else:
        return ""
    return f"Ended after {epochs} epochs, before {unused}: give it more epochs to use all that was given."
