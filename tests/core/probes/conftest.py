"""Ladders made up, block by block."""

import numpy as np

from core.datasets.dataset import Dataset
from core.probes.ladder import BlockProbe, Ladder, ladder_path, pack, write_ladder
from core.settings import Settings
from models.catalog import CATALOG


def make_ladder(right: list[int], untrained: list[int] | int = 50, val: int = 100, network: str = "petnet") -> Ladder:
    """A ladder with so many right pictures after each block: always the first ones."""
    others = [untrained] * len(right) if isinstance(untrained, int) else untrained
    blocks = tuple(
        BlockProbe(name, 8, pack(np.arange(val) < count), pack(np.arange(val) < other))
        for name, count, other in zip(CATALOG[network].freeze_points, right, others, strict=True)
    )
    return Ladder(1, network, 300, val, 2, val // 2, blocks, 0, 1.0, 2.0)


def keep_ladder(settings: Settings, dataset: Dataset, ladder: Ladder | None = None) -> Ladder:
    """Probes of petnet that seem to have been measured."""
    found = ladder or make_ladder([50, 60, 75, 80, 82, 80])
    path = ladder_path(settings, dataset, "petnet")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_ladder(path, found)
    return found
