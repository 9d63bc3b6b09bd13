"""Faster copies of parts that are no longer trained: every BatchNorm is folded into the convolution before it.

In eval mode a BatchNorm is a scale and a shift of each channel, which the weights of the convolution can take over.
Less memory is read and written; results agree up to the rounding of float32.
"""

import copy
import hashlib
import logging

import torch
from torch import nn
from torch.fx.experimental.optimization import fuse

from models.network import Network

_remembered: dict[tuple[str, torch.device], nn.Module] = {}

log = logging.getLogger("tunemypets.folding")


def fold_prefix(network: Network) -> nn.Module:
    """The frozen prefix of a network as a module of its own, with the pooling if every block is frozen.

    The last one is kept: a run needs it three times.

    Returns:
        (B, 3, H, W) float -> what `Network.frozen_prefix` gives; a copy, unchanged by later training.
    """
    names = list(network.blocks)
    frozen = names.index(network.freeze_point) + 1 if network.freeze_point else 0
    key = prefix_hash(network), next(network.parameters()).device
    if key not in _remembered:
        _remembered.clear()
        parts: list[nn.Module] = [copy.deepcopy(network.blocks[name]) for name in names[:frozen]]
        _remembered[key] = _fold(parts + ([network.pool] if frozen == len(names) else []))
    return _remembered[key]


def prefix_hash(network: Network) -> str:
    """sha256, in hex, of all that decides a frozen prefix: the network's name, its freeze point and weights."""
    digest = hashlib.sha256(f"{network.name} {network.freeze_point}".encode())
    names = list(network.blocks)
    for name in names[: names.index(network.freeze_point) + 1 if network.freeze_point else 0]:
        for key, value in network.blocks[name].state_dict().items():
            digest.update(f"{name}.{key}".encode())
            digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def fold_network(network: Network) -> nn.Module:
    """A whole network in eval mode, for prediction only: (B, 3, H, W) float -> raw outputs.

    It may share memory with the network, which must not be trained further.
    """
    return _fold([*network.blocks.values(), network.pool, network.head])


def fold_blocks(network: Network) -> list[nn.Module]:
    """Its blocks in eval mode, each a module of its own; they may share memory with the network."""
    return [_fold([block]) for block in network.blocks.values()]


def _fold(parts: list[nn.Module]) -> nn.Module:
    whole = nn.Sequential(*parts).eval()
    if not any(isinstance(module, nn.BatchNorm2d) for module in whole.modules()):
        return whole
    try:
        # symbolic tracing finds out which convolution feeds which BatchNorm, and that nothing else reads it
        folded: nn.Module = fuse(whole)  # a copy
    except Exception:  # a network that cannot be traced is used unchanged
        log.exception("a network could not be folded")
        return whole
    return folded
