"""Ladders made up, block by block."""

import numpy as np

from core.probes.ladder import BlockProbe, Ladder, pack
from models.catalog import CATALOG


def make_ladder(right: list[int], untrained: list[int] | int = 50, val: int = 100, network: str = "petnet") -> Ladder:
    """A ladder with so many right pictures after each block: always the first ones."""
    others = [untrained] * len(right) if isinstance(untrained, int) else untrained
    blocks = tuple(
        BlockProbe(name, 8, pack(np.arange(val) < count), pack(np.arange(val) < other))
        for name, count, other in zip(CATALOG[network].freeze_points, right, others, strict=True)
    )
    return Ladder(1, network, 300, val, 2, val // 2, blocks, 0, 1.0, 2.0)
