"""Finding a learning rate for a network and its images: rates rise from step to step while the loss is watched.

Source: L. N. Smith, "Cyclical Learning Rates for Training Neural Networks" (2017), section 3.3: the range test.
"""

import copy
import math
from collections.abc import Generator, Iterator, Sequence

import numpy as np
import torch

from core.config.events import Progress, RateFound
from core.config.stages import SGD_FACTOR
from core.config.train_config import TrainConfig
from core.estimates.estimate import SEARCH_STEPS
from core.steps import StopSignal
from core.stores.hardware import Hardware
from core.stores.training_data import Indices, TrainingData
from core.training.feeds import Feed
from core.training.optimization import build_optimizer, class_weights, clip_gradients, loss_of
from models.network import Network

LOWEST, HIGHEST = 1e-5, 1.0
SMOOTHING = 0.9  # share of the earlier losses in the smoothed one
DIVERGED = 4.0  # times the best loss: the search ends
DESCENT = 0.75  # share of the loss's descent at which the rate is taken
BELOW_BEST = 3.0  # the rate of the lowest loss itself is at the edge already
TEXT = "Looking for a learning rate"


def find_rate(
    network: Network,
    feed: Feed,
    data: TrainingData,
    config: TrainConfig,
    hardware: Hardware,
    signal: StopSignal,
) -> Generator[Progress, None, RateFound]:
    """Train a copy with rising rates.

    Args:
        network: frozen at the point of the stage; neither it nor torch's random state is changed.
        feed: of that stage.
    Returns:
        The curve and the rate.
    """
    random_state = torch.get_rng_state()
    trial = copy.deepcopy(network)
    trial.train()
    factor = config.backbone_factor if config.pretrained else 1.0
    scaler = hardware.scaler()
    optimizer = build_optimizer(config, trial.parameter_groups(1.0, factor))
    shares = [float(group["lr"]) for group in optimizer.param_groups]
    scale = SGD_FACTOR if config.optimizer == "sgd" else 1.0
    rates = np.geomspace(LOWEST * scale, HIGHEST * scale, SEARCH_STEPS)
    weights = class_weights(config, data.train.labels, hardware.device)
    losses: list[float] = []
    smoothed = 0.0
    batches = _batches(data, feed, config)
    for step, rate in enumerate(rates):
        signal.check()
        for group, share in zip(optimizer.param_groups, shares, strict=True):
            group["lr"] = float(rate) * share
        places = next(batches)
        optimizer.zero_grad(set_to_none=True)
        labels = torch.from_numpy(data.train.labels[places]).to(hardware.device)
        loss = loss_of(config, feed.train_logits(trial, places), labels, weights=weights)
        value = float(loss.detach())
        smoothed = SMOOTHING * smoothed + (1 - SMOOTHING) * value
        corrected = smoothed / (1 - SMOOTHING ** (step + 1))
        if not math.isfinite(value) or (losses and corrected > DIVERGED * min(losses)):
            break
        losses.append(corrected)
        trainable = [p for p in trial.parameters() if p.requires_grad]
        scaler.scale(loss).backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        clip_gradients(optimizer, scaler, trainable, config.gradient_clip)
        scaler.step(optimizer)
        scaler.update()
        yield Progress("preparing", TEXT, step + 1, SEARCH_STEPS, None)
    torch.set_rng_state(random_state)
    tried = [float(rate) for rate in rates[: len(losses)]]
    return RateFound(tried, losses, pick_rate(tried, losses) if losses else LOWEST * scale)


def pick_rate(rates: Sequence[float], losses: Sequence[float]) -> float:
    """The rate at which the loss has made three quarters of its descent, rounded to two digits.

    Not a tenth of the rate of the lowest loss, as one often sees: on few images the loss falls up to the largest rate
    (docs/decisions/0011-learning-rates.md).
    """
    lowest = int(np.argmin(losses))
    level = losses[0] + DESCENT * (losses[lowest] - losses[0])
    there = next(place for place, loss in enumerate(losses) if loss <= level)
    return float(f"{max(rates[0], min(rates[there], rates[lowest] / BELOW_BEST)):.2g}")


def _batches(data: TrainingData, feed: Feed, config: TrainConfig) -> Iterator[Indices]:
    """Batches of random images without end; an epoch's views are those of the epoch before the first."""
    feed.start_epoch(0)
    rng = np.random.default_rng([config.seed, 0, 11])
    parts = math.ceil(len(data.train) / config.batch_size)
    while True:
        yield from np.array_split(rng.permutation(len(data.train)), parts)
