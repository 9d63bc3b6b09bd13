"""Multiply-adds of a network for one picture, counted on tensors without numbers: no weights are copied or computed."""

import torch
from torch.func import functional_call
from torch.utils.flop_counter import FlopCounterMode

from models.network import Network


@torch.inference_mode()
def count_multiply_adds(network: Network, side_px: int) -> tuple[int, int]:
    """Of the whole way forward, and of the part that is not frozen now; counted as torchvision counts them.

    Convolutions, matrix products and attention count; what costs next to nothing beside them (normalisation,
    activations, pooling) does not.

    Args:
        side_px: width and height of a picture as the network takes it.
    """
    state = {**dict(network.named_parameters()), **dict(network.named_buffers())}
    shapes = {name: torch.empty_like(value, device="meta") for name, value in state.items()}
    training = network.training
    network.eval()
    try:
        with FlopCounterMode(display=False) as counter:
            functional_call(network, shapes, (torch.empty(1, 3, side_px, side_px, device="meta"),))
    finally:
        network.train(training)
    by_module = counter.get_flop_counts()
    names = list(network.blocks)
    point = network.freeze_point
    frozen = names[: names.index(point) + 1] if point else []
    outer = type(network).__name__
    before = sum(sum(by_module.get(f"{outer}.blocks.{name}", {}).values()) for name in frozen)
    total = counter.get_total_flops()
    return total // 2, (total - before) // 2  # a multiply-add is two operations
