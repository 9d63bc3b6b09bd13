"""How much training changed each block: the best checkpoint against the start, rebuilt from seed or pretrained file.

Frozen blocks are checked too: every bit is compared, BatchNorm's statistics included.
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from core.checkpoints.checkpoint import build_network, load_network, read_sidecar
from core.config.stages import plan_stages
from core.config.train_config import TrainConfig
from core.predict.explanations.explanation_answers import BlockChange, WeightChange
from core.runs.run import Run
from core.runs.run_files import BEST
from core.settings import Settings
from models.network import Network

Pairs = list[tuple[Tensor, Tensor]]


def build_start(settings: Settings, config: TrainConfig, classes: int) -> Network:
    """The network as it was before the first step.

    Raises:
        WeightsError: if the pretrained weights are not on this machine.
    """
    return build_network(settings, config, classes)


def measure_weight_change(settings: Settings, run: Run) -> WeightChange:
    """The change of every block, from the start of a run to its best checkpoint.

    Raises:
        RunError: if the run has no weights, or they are damaged.
        WeightsError: if it started from pretrained weights that are not on this machine.
    """
    checkpoint = read_sidecar(run.checkpoints, BEST)
    config = checkpoint.config
    start = build_start(settings, config, len(checkpoint.classes))  # first: it raises before the slow part
    trained, _ = load_network(run.checkpoints, BEST)
    titles = {block.name: block.title for block in config.entry().blocks}
    frozen = _always_frozen(config)
    found = [
        compare_block(name, titles[name], start.blocks[name], trained.blocks[name], frozen=name in frozen)
        for name in start.blocks
    ]
    start.scale_features(checkpoint.feature_scale)
    start.load_state_dict(start.folded_state())  # as the checkpoint's weights: its scale is in them
    found.append(compare_block("head", "Output layer", start.head, trained.head, frozen=False))
    return WeightChange(tuple(found), config.pretrained, checkpoint.epoch)


def compare_block(name: str, title: str, start: nn.Module, trained: nn.Module, *, frozen: bool) -> BlockChange:
    """The change of one block from before to after training."""
    weights = _pairs(start.named_parameters(), trained.named_parameters())
    statistics = _pairs(start.named_buffers(), trained.named_buffers())
    return BlockChange(
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
    """Norm of the change over the norm at the start, all tensors together; None if the latter is 0."""
    change = sum(float((after.double() - before.double()).square().sum()) for before, after in pairs)
    start = sum(float(before.double().square().sum()) for before, _ in pairs)
    if start > 0:
        return float((change / start) ** 0.5)
    return 0.0 if change == 0 else None


def _largest(pairs: Pairs) -> float:
    return max((float((after.double() - before.double()).abs().max()) for before, after in pairs), default=0.0)


def _pairs(start: Iterable[tuple[str, Tensor]], trained: Iterable[tuple[str, Tensor]]) -> Pairs:
    # a channels-last checkpoint has another memory layout: `same_bits` makes both contiguous
    after = dict(trained)
    return [(before.detach(), after[name].detach()) for name, before in start]


def _always_frozen(config: TrainConfig) -> set[str]:
    names = list(config.entry().freeze_points)
    counts = [
        names.index(stage.freeze_point) + 1 if stage.freeze_point else 0
        for stage in plan_stages(config, config.entry())
    ]
    return set(names[: min(counts)])
