"""Faster copies of parts that do not change any more: every BatchNorm is folded into the convolution before it.

In eval mode a BatchNorm is a scale and a shift of each channel, which the weights of the convolution can take over.
Less memory is read and written; results agree up to the rounding of float32.
"""

import logging

from torch import nn
from torch.fx.experimental.optimization import fuse

from models.network import Network

log = logging.getLogger("tunemypets.folding")


def fold_prefix(network: Network) -> nn.Module:
    """The frozen prefix of a network as a module of its own, with the pooling if every block is frozen.

    Returns:
        (B, 3, H, W) float -> what `Network.frozen_prefix` gives; it may share memory with the network.
    """
    names = list(network.blocks)
    frozen = names.index(network.freeze_point) + 1 if network.freeze_point else 0
    parts: list[nn.Module] = [network.blocks[name] for name in names[:frozen]]
    return _fold(parts + ([network.pool] if frozen == len(names) else []))


def fold_network(network: Network) -> nn.Module:
    """A whole network as it answers in eval mode, for good: (B, 3, H, W) float -> raw outputs.

    It may share memory with the network, which must not be trained further.
    """
    return _fold([*network.blocks.values(), network.pool, network.head])


def _fold(parts: list[nn.Module]) -> nn.Module:
    whole = nn.Sequential(*parts).eval()
    if not any(isinstance(module, nn.BatchNorm2d) for module in whole.modules()):
        return whole
    try:
        # symbolic tracing finds out which convolution feeds which BatchNorm, and that nothing else reads it
        folded: nn.Module = fuse(whole)  # a copy
    except Exception:  # what cannot be traced is used as it is
        log.exception("a network could not be folded")
        return whole
    return folded
