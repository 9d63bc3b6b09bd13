"""What a network's head reads, caught while the network predicts: no second pass over the pictures."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn

from core.novelty.distances import Features


class Seen:
    """The inputs of the linear layer of a head, batch after batch."""

    def __init__(self) -> None:
        self._parts: list[Features] = []

    def __call__(self, _: nn.Module, inputs: tuple[Any, ...]) -> None:
        self._parts.append(inputs[0].detach().float().cpu().numpy())

    def features(self) -> Features:
        """(N, F)."""
        return np.concatenate(self._parts)


@contextmanager
def tapped(network: nn.Module) -> Iterator[Seen]:
    """Catch what the head of a network reads within the block.

    Args:
        network: a `Network`, or one folded by `fold_network`: its last linear layer is the head's.
    """
    linear = [module for module in network.modules() if isinstance(module, torch.nn.Linear)][-1]
    seen = Seen()
    handle = linear.register_forward_pre_hook(seen)
    try:
        yield seen
    finally:
        handle.remove()
