"""What a training will change, told before it starts and without torch: stages, frozen blocks, parameters."""

from dataclasses import dataclass

from core.training.config import TrainConfig
from models.catalog import NetworkEntry, head_parameters


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
        stages.append((f"{stage.name}: {stage.epochs} epochs", tuple(blocks)))
    return Plan(entry.backbone_parameters + head, trainable, tuple(stages))
