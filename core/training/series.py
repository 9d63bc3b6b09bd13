"""A learning curve: one configuration trained on more and more of the images, all sizes and seeds in one run.

Pixels, hardware and the activations of a frozen part are prepared once, on the whole training split. Every point then
takes a new head (or network) of its seed and its subset, and trains as a run of its own would. It is evaluated once on
the whole test split, in fp32, with the weights of its best epoch on the whole validation split. Points do not depend on
each other: a paused series resumes with the next one. Nothing is written here, not even weights.
"""

import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from core.checkpoints.checkpoint import build_network
from core.checkpoints.preprocessing import read_preprocessing
from core.config.events import BatchDone, Described, EpochDone, Event, Message, PhaseStarted, PointDone, Progress
from core.config.race_plan import RacePlan
from core.config.train_config import TrainConfig
from core.datasets.dataset import Dataset
from core.errors import DivergedError
from core.formatting import format_count
from core.runs.remaining import STEADY_SHARE
from core.settings import Settings
from core.steps import StopSignal, relay
from core.stores.activations import Activations
from core.stores.training_data import SplitData, TrainingData
from core.training.evaluation import SplitPredictor, exact_hardware
from core.training.feeds import ActivationFeed, Feed, PixelFeed
from core.training.inference import SplitPredictions
from core.training.preparation import Prepared, prepare
from core.training.rate_finder import find_rate
from core.training.subsets import (
    Places,
    Schedule,
    choose_subset,
    count_classes,
    is_stored,
    schedule,
    work_of,
)
from core.training.trainer import Trainer
from models.network import Network

TESTING = "Testing"
EVENT_SECONDS = 0.2  # between two reports of progress


def train_series(
    config: TrainConfig,
    dataset: Dataset,
    settings: Settings,
    plan: RacePlan,
    signal: StopSignal,
    *,
    done: Sequence[PointDone] = (),
    earlier: Described | None = None,
) -> Iterator[Event]:
    """Train every point of a plan that is not done yet; each ends with its `PointDone`.

    Args:
        done: points of an earlier attempt.
        earlier: what it was trained with: hardware and preprocessing stay.

    Raises:
        Stopped: `signal` was set; the point in progress is lost.
        ConfigError, WeightsError, DatasetError, DivergedError: each with a sentence for people.
    """
    spec = read_preprocessing(config, earlier.preprocessing) if earlier else None
    prepared = yield from prepare(config, dataset, settings, signal, earlier.hardware if earlier else None, spec)
    series = _Series(config, dataset, settings, prepared, signal)
    points = [series.plan_point(size, seed) for size, seed in plan.each_point]
    finished = {(point.pictures_per_class, point.seed) for point in done}
    yield PhaseStarted("training", "Training")
    if finished:
        yield Message("info", f"Resumed after {len(finished)} of {len(points)} points.")
    else:
        yield from series.explain(plan)
    work_left = sum(point.work for point in points if point.key not in finished)
    clock = _Clock(work_left, len(finished), len(points))
    for point in points:
        if point.key in finished:
            continue
        result = yield from relay(series.train(point), partial(clock.describe_if_due, point))
        clock.finish(point.work)
        yield result
        signal.check()
        yield clock.describe(None, 0.0)


@dataclass(frozen=True)
class _Point:
    size: int
    seed: int
    places: Places  # in the training split
    schedule: Schedule
    work: float

    @property
    def key(self) -> tuple[int, int]:
        return self.size, self.seed

    @property
    def text(self) -> str:
        return f"{format_count(self.size, 'picture')} per class, seed {self.seed}"


@dataclass
class _Clock:
    """How far a series is, and how long the rest takes."""

    work_left: float
    done: int
    total: int
    started: float = field(default_factory=time.perf_counter)
    worked: float = 0.0
    last: float = -EVENT_SECONDS

    def due(self) -> bool:
        return time.perf_counter() - self.last >= EVENT_SECONDS

    def finish(self, work: float) -> None:
        self.done += 1
        self.worked += work
        self.work_left -= work

    def describe_if_due(self, point: _Point, share: float | Progress) -> Progress | None:
        """Progress within a point: a share of it, or a progress of its own, which passes unchanged."""
        if isinstance(share, Progress):
            return share
        return self.describe(point, share) if self.due() else None

    def describe(self, point: _Point | None, share: float) -> Progress:
        """The progress of the series, in points, so much of a point included."""
        self.last = time.perf_counter()
        inside = point.work * share if point is not None else 0.0
        worked, left = self.worked + inside, max(0.0, self.work_left - inside)
        steady = worked and worked >= STEADY_SHARE * (worked + left)
        eta = (self.last - self.started) / worked * left if steady else None
        return Progress("training", point.text if point is not None else "Points", self.done, self.total, eta)


class _Series:
    """Trains the points of one configuration on one network, one after the other."""

    def __init__(
        self, config: TrainConfig, dataset: Dataset, settings: Settings, prepared: Prepared, signal: StopSignal
    ) -> None:
        self.config, self.dataset, self.settings, self.signal = config, dataset, settings, signal
        self.prepared = prepared
        self.split: Literal["test", "val"] = "test" if dataset.rows_of("test") else "val"
        self._rows = dataset.rows_of("train")
        self._labels = SplitData.of(dataset, self.split).labels
        self._network = prepared.network
        self._predictor = self._new_predictor()
        # the tensors that are trainable in some stage, as they were before any training
        self._fresh = _copy_trainable(prepared) if config.pretrained else {}

    def plan_point(self, size: int, seed: int) -> _Point:
        """Subset and steps of a point."""
        places = choose_subset(self._rows, size, seed)
        planned = schedule(len(places), len(self._rows), self.config)
        evaluated = len(self.prepared.data.val) * self.config.epochs + len(self._labels)
        work = work_of(self.config, len(places), planned, evaluated, stored=is_stored(self.config))
        return _Point(size, seed, places, planned, work)

    def explain(self, plan: RacePlan) -> Iterator[Message]:
        """What a reader of the curve should know."""
        epochs = format_count(self.config.epochs, "epoch")
        yield Message(
            "info",
            f"{plan.points} points of {epochs} each. Small subsets are repeated within an epoch. The best epoch of "
            f"each point is chosen on all {len(self.prepared.data.val)} validation pictures, which are not counted.",
        )
        small = {
            self.dataset.classes[label]: count
            for label, count in sorted(count_classes(self._rows).items())
            if count < max(plan.sizes)
        }
        if small:
            names = ", ".join(f"{name} ({count})" for name, count in small.items())
            yield Message("info", f"Fewer training pictures than the largest size: {names}. All of them are used.")
        if self.split == "val":
            yield Message(
                "warning",
                "This dataset has no test split: points are evaluated on the validation pictures that chose their best "
                "epochs, so all results are too good.",
            )

    def train(self, point: _Point) -> Generator[float | Progress, None, PointDone]:
        """Train and evaluate a point; its progress is its share from 0 to 1, or one of its own."""
        started = time.perf_counter()
        config = self.config.variant(seed=point.seed, batch_size=point.schedule.batch_size, workers=1)
        data = TrainingData(
            self.prepared.data.store,
            self.prepared.data.train.subset(point.places, point.schedule.passes),
            self.prepared.data.val,
            self.prepared.data.preprocessing,
        )
        self._renew(config)
        network, stages, hardware = self._network, self.prepared.stages, self.prepared.hardware
        places = np.tile(point.places, point.schedule.passes)
        feeds = [self._narrow(feed, places, data, config) for feed in self.prepared.feeds]
        torch.manual_seed(point.seed)
        rate: float | None = None
        if config.find_rate:
            network.freeze(stages[0].freeze_point)
            step = find_rate(network, feeds[0], data, config, hardware, self.signal)
            found = yield from relay(step, lambda _: 0.0)
            rate = found.chosen
        trainer = Trainer(network, data, config, stages, feeds, hardware, rate)
        best: dict[str, Tensor] = {}
        epoch, share = 0, 0.0
        try:
            for event in trainer.fit(self.signal):
                if isinstance(event, EpochDone) and event.best:
                    best = {key: value.detach().clone() for key, value in _trainable(network, self.prepared).items()}
                    epoch = event.epoch
                elif isinstance(event, BatchDone):
                    share = event.progress
                yield share
        except DivergedError as error:
            raise DivergedError(f"With {point.text}: {error}") from error
        self.signal.check()
        _restore(network, best)
        if not is_stored(config):
            self._predictor = self._new_predictor()  # its weights have changed
        testing: Generator[float | Progress, None, SplitPredictions]
        testing = relay(self._predictor.predict(self.split, TESTING), _share_of)
        result = yield from testing
        right = result.probabilities.argmax(axis=1) == self._labels
        correct = int(right.sum())
        return PointDone(
            pictures_per_class=point.size,
            pictures=len(point.places),
            seed=point.seed,
            correct=correct,
            images=len(right),
            accuracy=correct / len(right),
            seconds=time.perf_counter() - started,
            right=np.packbits(right).tobytes().hex(),
            split=self.split,
            epoch=epoch,
            steps=config.epochs * point.schedule.steps,
        )

    def _new_predictor(self) -> SplitPredictor:
        exact = exact_hardware(self.settings, self.prepared.hardware)
        return SplitPredictor(
            self.dataset,
            self.settings,
            self.config,
            self.prepared.data.preprocessing,
            self._network,
            self.prepared.data.store,
            exact,
            self.signal,
        )

    def _renew(self, config: TrainConfig) -> None:
        """Set the network to the weights with which a run of this configuration starts."""
        if config.pretrained:
            _restore(self._network, self._fresh)
            self._network.renew_head(config.seed)
        else:
            self._network = build_network(self.settings, config, len(self.dataset.classes))
            self.prepared.hardware.place(self._network)

    def _narrow(self, feed: Feed, places: Places, data: TrainingData, config: TrainConfig) -> Feed:
        """Narrow a feed of the whole training split to some of its images."""
        hardware = self.prepared.hardware
        if not isinstance(feed, ActivationFeed):
            fixed = [view.take(places) for view in feed.fixed] if isinstance(feed, PixelFeed) else []
            return PixelFeed(data, config, hardware, fixed)
        views = [Activations(view.values, view.positions[places]) for view in feed.train]
        return ActivationFeed(views, feed.val, config, hardware)


def _share_of(item: Progress) -> float | Progress:
    """A test is the end of its point; looking at images through the frozen part, for all points, is not."""
    return 1.0 if item.text == TESTING else item


def _trainable(network: Network, prepared: Prepared) -> dict[str, Tensor]:
    """The tensors that are trainable in some stage."""
    names = list(network.blocks)
    frozen = min(names.index(stage.freeze_point) + 1 if stage.freeze_point else 0 for stage in prepared.stages)
    still = tuple(f"blocks.{name}." for name in names[:frozen])
    return {key: value for key, value in network.state_dict().items() if not key.startswith(still)}


def _copy_trainable(prepared: Prepared) -> dict[str, Tensor]:
    return {key: value.detach().clone() for key, value in _trainable(prepared.network, prepared).items()}


@torch.no_grad()
def _restore(network: Network, tensors: dict[str, Tensor]) -> None:
    own = network.state_dict()
    for key, value in tensors.items():
        own[key].copy_(value)
