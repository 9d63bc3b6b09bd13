"""The gradients of a training step: its pictures in parts, which one process or several compute.

A batch is cut into as many parts as the configuration has workers, each with the pictures that follow each other in
it. Whoever computes them, the sum over the parts is the gradient of the mean loss over the whole batch. What is random
in a part (dropout) depends on the step and the part only, and batch norm's statistics are averaged over the parts: the
number of processes, which may change from step to step, does not change a training.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from core.config.train_config import TrainConfig
from core.stores.training_data import Indices, TrainingData
from core.training.feeds import Feed
from core.training.optimization import class_weights, loss_of
from models.network import Network


@dataclass(frozen=True)
class Batch:
    """The pictures of one step.

    Attributes:
        stage: place of the stage, from 0.
        epoch: of the training, from 1.
        seen: training pictures before this step, in all epochs.
        places: (B,) in the training split.
        scale: by which the loss is multiplied before its gradients are taken.
    """

    stage: int
    epoch: int
    seen: int
    places: Indices
    scale: float = 1.0


@dataclass(frozen=True)
class Result:
    """Mean loss over a batch, and pictures predicted correctly; the gradients are at the parameters."""

    loss: float
    correct: int


class Compute(Protocol):
    """Computes the gradients of a batch."""

    def __call__(self, batch: Batch) -> Result: ...


class Gradients:
    """Computes parts of a batch, and adds them up: `start`, `add`, as often as needed, `finish`.

    Args:
        network: on its device, frozen at the stage's point, without gradients at `start`.
        feeds: one for each stage.
    """

    def __init__(
        self, network: Network, data: TrainingData, config: TrainConfig, feeds: Sequence[Feed], device: torch.device
    ) -> None:
        self.network, self.data, self.config, self.feeds, self.device = network, data, config, feeds, device
        self._weights = class_weights(config, data.train.labels, device)
        self._epoch = (-1, -1)  # stage and epoch whose views are drawn
        self._batch: Batch | None = None
        self._buffers: list[Tensor] = []

    def compute(self, batch: Batch) -> Result:
        """All parts of a batch."""
        self.start(batch)
        self.add(range(self.config.workers))
        return self.finish()

    def start(self, batch: Batch) -> None:
        """Take a batch; nothing of it is computed yet."""
        if (batch.stage, batch.epoch) != self._epoch:
            self.feeds[batch.stage].start_epoch(batch.epoch)
            self._epoch = batch.stage, batch.epoch
            self._buffers = self._running_statistics() if self.config.workers > 1 else []
        self._batch = batch
        self._parts = np.array_split(batch.places, self.config.workers)
        self._sums = torch.zeros(2, device=self.device)  # loss, correct answers
        self._before = [buffer.clone() for buffer in self._buffers]
        self._averages = [torch.zeros_like(buffer) for buffer in self._buffers if buffer.is_floating_point()]

    def add(self, parts: Sequence[int]) -> None:
        """Add the gradients of some parts."""
        assert self._batch is not None
        for number in parts:
            places = self._parts[number]
            if len(places):
                with self._draws_of(number):
                    self._add(places, self._batch)

    def finish(self) -> Result:
        """Give the network batch norm's statistics of all parts; what they have added up to."""
        floating = [buffer for buffer in self._buffers if buffer.is_floating_point()]
        for buffer, average in zip(floating, self._averages, strict=True):
            buffer.copy_(average)
        loss, correct = self._sums.tolist()
        return Result(loss, round(correct))

    def summands(self) -> list[Tensor]:
        """What all processes have to add up, each its own parts; a parameter without a gradient gets zeros."""
        for parameter in self.trainable():
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        gradients = [parameter.grad for parameter in self.trainable() if parameter.grad is not None]
        return [*gradients, *self._averages, self._sums]

    def trainable(self) -> list[Tensor]:
        """The parameters that are trained now."""
        return [parameter for parameter in self.network.parameters() if parameter.requires_grad]

    def _add(self, places: Indices, batch: Batch) -> None:
        for buffer, value in zip(self._buffers, self._before, strict=True):
            buffer.copy_(value)
        if len(places) == 1:
            _use_running_statistics(self.network)
        labels = torch.from_numpy(self.data.train.labels[places]).to(self.device)
        logits = self.feeds[batch.stage].train_logits(self.network, places)
        loss = loss_of(self.config, logits, labels, weights=self._weights)
        if len(places) < len(batch.places):
            loss = loss * (self._weight_of(places) / self._weight_of(batch.places))
        (loss * batch.scale if batch.scale != 1.0 else loss).backward()  # type: ignore[no-untyped-call]
        if len(places) == 1:
            self.network.train()
        with torch.no_grad():
            predicted = self.network.probabilities(logits.detach()).argmax(dim=1)
            self._sums += torch.stack([loss.detach(), (predicted == labels).sum()])
            floating = [buffer for buffer in self._buffers if buffer.is_floating_point()]
            for buffer, average in zip(floating, self._averages, strict=True):
                # a product, then a sum: the digits are those of several processes
                average += buffer * (len(places) / len(batch.places))

    def _weight_of(self, places: Indices) -> float:
        """How much some pictures count in the loss, together."""
        if self._weights is None:
            return float(len(places))
        return float(self._weights.cpu()[torch.from_numpy(self.data.train.labels[places])].double().sum())

    def _running_statistics(self) -> list[Tensor]:
        """Batch norm's, of what is trained."""
        state, buffers = trainable_state(self.network), dict(self.network.named_buffers())
        return [buffer for name, buffer in buffers.items() if name in state]

    @contextmanager
    def _draws_of(self, part: int) -> Iterator[None]:
        """Random numbers of a part: torch's own for the first one, as without others; they are as before afterwards."""
        if part == 0:
            yield
            return
        assert self._batch is not None
        seed = np.random.SeedSequence([self.config.seed, self._batch.seen, part]).generate_state(1, np.uint64)[0]
        devices = [self.device] if self.device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices):
            torch.manual_seed(int(seed))
            yield


def trainable_state(network: Network) -> dict[str, Tensor]:
    """The tensors of everything that is not frozen now: what is frozen never moved."""
    names = list(network.blocks)
    point = network.freeze_point
    frozen = tuple(f"blocks.{name}." for name in names[: names.index(point) + 1]) if point else ()
    return {key: value for key, value in network.state_dict().items() if not key.startswith(frozen)}


def _use_running_statistics(network: Network) -> None:
    """A batch of one image has no statistics of its own: batch norm would refuse it."""
    for module in network.modules():
        if isinstance(module, torch.nn.modules.batchnorm._BatchNorm):
            module.eval()
