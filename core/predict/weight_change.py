"""How far each block went in training: the best checkpoint against the start, built anew from seed or pretrained file.

What is frozen is not taken at its word: every bit is compared, BatchNorm's statistics included.
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from core.config.stages import plan_stages
from core.config.train_config import TrainConfig
from core.predict.explanations import Moved, Movement
from core.runs.run import Run
from core.training.build import build_network
from core.training.checkpoint import BEST, load_network, read_sidecar
from models.network import Network

Pairs = list[tuple[Tensor, Tensor]]


def build_start(config: TrainConfig, classes: int) -> Network:
    """The network as it was before the first step.

    Raises:
        WeightsError: the pretrained weights are not on this machine.
    """
    return build_network(config, config.entry(), classes)


def measure_movement(run: Run) -> Movement:
    """How far every block of a run's best checkpoint is from where it started.

    Raises:
        RunError: the run has no weights, or they are damaged.
        WeightsError: it started from pretrained weights that are not on this machine.
    """
    checkpoint = read_sidecar(run.checkpoints, BEST)
    config = checkpoint.config
    start = build_start(config, len(checkpoint.classes))  # first: it tells what is missing before the slow part
    trained, _ = load_network(run.checkpoints, BEST)
    titles = {block.name: block.title for block in config.entry().blocks}
    frozen = _always_frozen(config)
    found = [
        compare(name, titles[name], start.blocks[name], trained.blocks[name], frozen=name in frozen)
        for name in start.blocks
    ]
    found.append(compare("head", "Output layer", start.head, trained.head, frozen=False))
    return Movement(tuple(found), config.pretrained, checkpoint.epoch)


def compare(name: str, title: str, start: nn.Module, trained: nn.Module, *, frozen: bool) -> Moved:
    """One block before and after training."""
    weights = _pairs(start.named_parameters(), trained.named_parameters())
    statistics = _pairs(start.named_buffers(), trained.named_buffers())
    return Moved(
        name=name,
        title=title,
        numbers=sum(before.numel() for before, _ in weights),
        relative=relative_change(weights),
        largest=_largest(weights),
        same=all(same_bits(before, after) for before, after in weights),
        statistics=sum(before.numel() for before, _ in statistics),
        statistics_relative=relative_change([pair for pair in statistics if pair[0].is_floating_point()]),
        statistics_largest=_largest([pair for pair in statistics if pair[0].is_floating_point()]),
        statistics_same=all(same_bits(before, after) for before, after in statistics),
        frozen=frozen,
    )


def same_bits(before: Tensor, after: Tensor) -> bool:
    """Whether two tensors are the same to the last bit: 0 and -0 are not."""
    if before.shape != after.shape or before.dtype != after.dtype:
        return False
    flat_before, flat_after = before.detach().contiguous().view(-1), after.detach().contiguous().view(-1)
    return torch.equal(flat_before.view(torch.uint8), flat_after.view(torch.uint8))


def relative_change(pairs: Pairs) -> float | None:
    """Length of the change over the length at the start, all tensors taken together; None where that length is 0."""
    moved = sum(float((after.double() - before.double()).square().sum()) for before, after in pairs)
    length = sum(float(before.double().square().sum()) for before, _ in pairs)
    if length > 0:
        return float((moved / length) ** 0.5)
    return 0.0 if moved == 0 else None


def _largest(pairs: Pairs) -> float:
    return max((float((after.double() - before.double()).abs().max()) for before, after in pairs), default=0.0)


def _pairs(start: Iterable[tuple[str, Tensor]], trained: Iterable[tuple[str, Tensor]]) -> Pairs:
    # contiguous: a channels-last checkpoint lies otherwise in memory, with the same numbers
    after = dict(trained)
    return [(before.detach(), after[name].detach()) for name, before in start]


def _always_frozen(config: TrainConfig) -> set[str]:
    names = list(config.entry().freeze_points)
    counts = [
        names.index(stage.freeze_point) + 1 if stage.freeze_point else 0
        for stage in plan_stages(config, config.entry())
    ]
    return set(names[: min(counts)])
