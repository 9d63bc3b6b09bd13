"""Who computes a training with several workers, and how much faster that makes which part of it. No torch."""

from dataclasses import dataclass

from core.config.train_config import TrainConfig
from core.settings import Settings


@dataclass(frozen=True)
class Team:
    """The processes of one training. One of them, the leader, does all but the steps alone.

    Attributes:
        threads: processor threads of each; None: all that a training has on this machine.
        pace: how many times as long as this machine the leader's machine takes.
        divide: by how much the time of the leader's own steps is divided.
        step_seconds: that a step takes longer, because weights and gradients travel.
        machines: that compute; 1 at home.
    """

    threads: int | None = None
    pace: float = 1.0
    divide: float = 1.0
    step_seconds: float = 0.0
    machines: int = 1


def share_at_home(settings: Settings, config: TrainConfig) -> Team:
    """The processes of this machine, which share the threads of one training: steps gain nothing, the rest loses."""
    if config.workers == 1:
        return Team()
    return Team(max(1, settings.threads // config.workers), divide=min(config.workers, settings.threads))
