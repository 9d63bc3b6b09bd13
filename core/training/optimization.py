"""Optimizers, schedules and the loss, from a TrainConfig."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.amp.grad_scaler import GradScaler
from torch.nn import functional
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from core.config.train_config import TrainConfig

ONE_CYCLE_WARM_UP = 0.3  # share of the steps while the rate rises
ONE_CYCLE_START = 1 / 25  # of the largest rate
ONE_CYCLE_END = 1e-4
CLOCK_STEPS = 10_000  # in which a schedule follows the clock
SGD_MOMENTUM = 0.9
SMALLEST_SCALE = 1.0  # gradients that are not finite without being enlarged never will be; also that of no scaler


def build_optimizer(config: TrainConfig, groups: Sequence[dict[str, Any]]) -> Optimizer:
    """The optimizer over the network's parameter groups, each with its own learning rate."""
    settings: dict[str, Any] = {"weight_decay": config.weight_decay}
    if config.optimizer == "adam":
        return torch.optim.Adam(list(groups), **settings)
    if config.optimizer == "adamw":
        return torch.optim.AdamW(list(groups), **settings)
    return torch.optim.SGD(list(groups), momentum=SGD_MOMENTUM, **settings)


def rate_factor(schedule: str, total_steps: int) -> Callable[[int], float]:
    """The factor on each group's learning rate at a step, from 0 to total_steps - 1.

    Source: cosine: Loshchilov & Hutter, SGDR (2017); one-cycle: Smith & Topin, Super-Convergence (2018).
    """
    last = max(1, total_steps - 1)
    if schedule == "constant":
        return lambda _: 1.0
    if schedule == "cosine":
        return lambda step: 0.5 * (1 + math.cos(math.pi * min(step / max(1, total_steps), 1.0)))
    peak = max(1, round(ONE_CYCLE_WARM_UP * last))

    def one_cycle(step: int) -> float:
        if step < peak:
            return _cosine_between(ONE_CYCLE_START, 1.0, step / peak)
        return _cosine_between(1.0, ONE_CYCLE_END, min(1.0, (step - peak) / max(1, last - peak)))

    return one_cycle


def _cosine_between(start: float, end: float, share: float) -> float:
    return end + (start - end) * 0.5 * (1 + math.cos(math.pi * share))


def build_schedule(
    config: TrainConfig, optimizer: Optimizer, total_steps: int, share: Callable[[], float] | None = None
) -> LambdaLR:
    """The learning-rate schedule; call its `step()` after every optimizer step.

    Args:
        share: how much of the training is over, from 0 to 1, where a clock may end it before its last step.
    """
    if share is None:
        return LambdaLR(optimizer, rate_factor(config.schedule, total_steps))
    factor = rate_factor(config.schedule, CLOCK_STEPS)
    return LambdaLR(optimizer, lambda step: factor(round(CLOCK_STEPS * max(step / total_steps, share()))))


def optimizer_tensors(optimizer: Optimizer) -> dict[str, Tensor]:
    """All that an optimizer remembers of its parameters, by `place.name`; its settings are not in it."""
    return {
        f"{place}.{name}": torch.as_tensor(value)
        for place, values in optimizer.state_dict()["state"].items()
        for name, value in values.items()
    }


def load_optimizer_tensors(optimizer: Optimizer, tensors: Mapping[str, Tensor]) -> None:
    """Give an optimizer over the same parameters back what `optimizer_tensors` took."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        place, _, name = key.partition(".")
        state.setdefault(int(place), {})[name] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def enlargement(scaler: GradScaler, device: torch.device) -> float:
    """By how much a loss is multiplied before its gradients are taken; 1 by a scaler that does nothing."""
    return float(scaler.scale(torch.ones((), device=device))) if scaler.is_enabled() else 1.0


def clip_gradients(optimizer: Optimizer, scaler: GradScaler, parameters: Sequence[Tensor], largest: float) -> Tensor:
    """Unscale and then clip the gradients of a scaled loss; call the scaler's `step` and `update` next.

    Args:
        largest: norm of all gradients together; 0: any.
    Returns:
        The norm before the clipping. It is not finite after an overflow in fp16: the scaler then leaves out the step.
    """
    scaler.unscale_(optimizer)
    return torch.nn.utils.clip_grad_norm_(parameters, largest or math.inf)


def scaler_tensors(scaler: GradScaler) -> dict[str, Tensor]:
    """What a gradient scaler has found; nothing of one that does nothing."""
    return {name: torch.tensor(value) for name, value in scaler.state_dict().items()}


def load_scaler_tensors(scaler: GradScaler, tensors: Mapping[str, Tensor]) -> None:
    """Give a scaler back what `scaler_tensors` took."""
    if tensors:
        scaler.load_state_dict({name: value.item() for name, value in tensors.items()})


def class_weights(config: TrainConfig, labels: npt.NDArray[np.int64], device: torch.device) -> Tensor | None:
    """How much a training picture of each class counts in the loss.

    Args:
        labels: (N,) of the training pictures.
    Returns:
        (C,) float32; None where all count the same.
    Source: `balanced` is N / (C * count), as in scikit-learn.
    """
    if config.class_weights == "none":
        return None
    if config.class_weights == "balanced":
        counts = np.bincount(labels)
        return torch.tensor(len(labels) / (len(counts) * counts), dtype=torch.float32, device=device)
    return torch.tensor([float(part) for part in config.class_weights.split(",")], device=device)


def loss_of(
    config: TrainConfig,
    logits: Tensor,
    labels: Tensor,
    reduction: str = "mean",
    smooth: bool = True,
    weights: Tensor | None = None,
) -> Tensor:
    """Cross-entropy, or binary cross-entropy for the one-neuron head.

    Args:
        logits: (B, C) float, or (B, 1) for the sigmoid head.
        labels: (B,) int64.
        smooth: apply the configured label smoothing (training); validation and test use none.
        weights: of `class_weights` (training); the mean is over them.
    """
    smoothing = config.label_smoothing if smooth else 0.0
    if config.head == "sigmoid":
        targets = labels.to(torch.float32) * (1 - smoothing) + 0.5 * smoothing
        if weights is None:
            return functional.binary_cross_entropy_with_logits(logits[:, 0].float(), targets, reduction=reduction)
        each = functional.binary_cross_entropy_with_logits(logits[:, 0].float(), targets, reduction="none")
        return (each * weights[labels]).sum() / weights[labels].sum()
    return functional.cross_entropy(logits.float(), labels, weights, reduction=reduction, label_smoothing=smoothing)
