"""What a training will change, told before it starts and without torch: stages, frozen blocks, parameters."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from core.training.config import TrainConfig
from core.wording import tell_number
from models.catalog import NetworkEntry, head_parameters

WORTHWHILE = 1.1  # bf16 must be this much faster to be chosen
TOLERANCE = 0.05  # largest mean relative error of what leaves a bf16 prefix


@dataclass(frozen=True)
class Stage:
    """A stretch of epochs with one freeze point (None: everything learns)."""

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
    """All stages; `trainable` counts what learns in the last one."""

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
    """What of a configuration decides how long a picture takes."""
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
        figures: what `calibration.measure` found.
        wanted: what the configuration says: a format, or auto.
    """
    if wanted != "auto":
        return wanted, "chosen in the configuration"
    if f"{part}_fp32" not in figures:
        return "fp32", "the head alone takes no time" if part == "step" else "nothing is frozen"
    fp32, bf16 = figures[f"{part}_fp32"], figures[f"{part}_bf16"]
    reason = f"measured on this machine: {tell_number(fp32, 2)} ms a picture in fp32, {tell_number(bf16, 2)} ms in bf16"
    if part == "prefix":
        reason += f", which differs by {figures['prefix_error']:.1%}"
        if figures["prefix_error"] > TOLERANCE:
            return "fp32", f"{reason}: more than the {TOLERANCE:.0%} that are allowed"
    return "bf16" if fp32 / bf16 >= WORTHWHILE else "fp32", reason
