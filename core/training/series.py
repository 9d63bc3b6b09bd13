"""A learning curve: one configuration trained on more and more of the pictures, all sizes and seeds in one run.

Pixels, hardware and the activations of a frozen part are prepared once, on the whole training split; every point then
takes a fresh head (or network) of its seed and its subset, trains as a run of its own would, and is judged once on the
whole test split, with the weights of its best epoch on the whole validation split, in fp32. Points do not depend on
each other, so that a series that was put aside goes on with the next one. Nothing is written here, weights neither.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from core.config.events import BatchDone, EpochDone, Event, Message, PhaseStarted, PointDone, Progress, RateFound
from core.config.race_plan import RacePlan
from core.config.train_config import TrainConfig
from core.datasets.dataset import Dataset
from core.errors import DivergedError
from core.formatting import format_count
from core.settings import Settings
from core.stores.activations import Activations
from core.stores.training_data import SplitData, TrainingData
from core.training.build import build_network
from core.training.evaluation import Judging, exact_hardware
from core.training.feeds import ActivationFeed, Feed, PixelFeed
from core.training.preparation import Prepared, prepare
from core.training.rate_finder import find_rate
from core.training.subsets import (
    Places,
    Schedule,
    choose_subset,
    count_classes,
    is_stored,
    points_of,
    schedule,
    work_of,
)
from core.training.trainer import Trainer
from models.network import Network

TESTING = "Testing"
EVENT_SECONDS = 0.2  # between two tellings of how far it is

Stop = Callable[[], bool]


def train_series(
    config: TrainConfig,
    dataset: Dataset,
    settings: Settings,
    plan: RacePlan,
    asked_to_stop: Stop,
    *,
    done: Sequence[PointDone] = (),
    earlier: dict[str, Any] | None = None,
    leave: Stop = lambda: False,
) -> Iterator[Event]:
    """Train every point of a plan that is not done yet; each ends with its `PointDone`.

    When `asked_to_stop` or `leave` answers True, the generator ends soon, and the point under way is lost.

    Args:
        done: points that an earlier attempt has told.
        earlier: what it computed with (of its `Described`).

    Raises:
        ConfigError, WeightsError, DatasetError, DivergedError: each with a sentence for people.
    """

    def stop() -> bool:
        return asked_to_stop() or leave()

    prepared: Prepared | None = None
    for item in prepare(config, dataset, settings, stop, earlier):
        if isinstance(item, Prepared):
            prepared = item
        else:
            yield item
    if prepared is None:
        return
    series = _Series(config, dataset, settings, prepared, stop)
    points = [series.plan_point(size, seed) for size, seed in points_of(plan)]
    told = {(point.pictures_per_class, point.seed) for point in done}
    yield PhaseStarted("training", "Training")
    if told:
        yield Message("info", f"Taken up again after {len(told)} of {len(points)} points.")
    else:
        yield from series.explain(plan)
    work_left = sum(point.work for point in points if point.key not in told)
    clock = _Clock(work_left, len(told), len(points))
    for point in points:
        if point.key in told:
            continue
        for event in series.train(point):
            if isinstance(event, PointDone):
                clock.finish(point.work)
                yield event
            elif isinstance(event, _Share):
                if clock.due():
                    yield clock.tell(point, event.done)
            elif event.text != TESTING or clock.due():
                yield event if event.text != TESTING else clock.tell(point, 1.0)
        if stop():
            return
        yield clock.tell(None, 0.0)


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


@dataclass(frozen=True)
class _Share:
    done: float  # of a point, 0 to 1


@dataclass
class _Clock:
    """How far a series is, and how long it still takes."""

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

    def tell(self, point: _Point | None, share: float) -> Progress:
        """Where it stands, in points."""
        self.last = time.perf_counter()
        inside = point.work * share if point is not None else 0.0
        worked, left = self.worked + inside, max(0.0, self.work_left - inside)
        eta = (self.last - self.started) / worked * left if worked else None
        return Progress("training", point.text if point is not None else "Points", self.done, self.total, eta)


class _Series:
    """Trains the points of one configuration, one after the other, on one network."""

    def __init__(
        self, config: TrainConfig, dataset: Dataset, settings: Settings, prepared: Prepared, stop: Stop
    ) -> None:
        self.config, self.dataset, self.settings, self.stop = config, dataset, settings, stop
        self.prepared = prepared
        self.split: Literal["test", "val"] = "test" if dataset.rows_of("test") else "val"
        self._rows = dataset.rows_of("train")
        self._labels = SplitData.of(dataset, self.split).labels
        self._network = prepared.network
        self._judging = self._judge()
        # what may learn in some stage, as it was before anything did
        self._fresh = _learnable(prepared) if config.pretrained else {}

    def plan_point(self, size: int, seed: int) -> _Point:
        """Subset and steps of a point."""
        places = choose_subset(self._rows, size, seed)
        planned = schedule(len(places), len(self._rows), self.config)
        judged = len(self.prepared.data.val) * self.config.epochs + len(self._labels)
        work = work_of(self.config, len(places), planned, judged, stored=is_stored(self.config))
        return _Point(size, seed, places, planned, work)

    def explain(self, plan: RacePlan) -> Iterator[Message]:
        """What somebody who reads the curve has to know."""
        epochs = format_count(self.config.epochs, "epoch")
        yield Message(
            "info",
            f"{plan.points} points of {epochs} each; few pictures are gone over several times in an epoch. The best "
            f"epoch of each is chosen on all {len(self.prepared.data.val)} validation pictures, which are not counted.",
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
                "This dataset has no test split: the points are judged on the validation pictures that chose their "
                "best epochs, which flatters all of them.",
            )

    def train(self, point: _Point) -> Iterator[PointDone | Progress | _Share]:
        """Train and judge a point; the last thing yielded is its `PointDone`, unless it was asked to stop."""
        started = time.perf_counter()
        config = self.config.variant(seed=point.seed, batch_size=point.schedule.batch_size)
        data = TrainingData(
            self.prepared.data.store,
            self.prepared.data.train.subset(point.places, point.schedule.passes),
            self.prepared.data.val,
            self.prepared.data.preprocessing,
        )
        self._renew(config)
        network, stages = self._network, self.prepared.stages
        places = np.tile(point.places, point.schedule.passes)
        feeds = [self._narrow(feed, places, data, config) for feed in self.prepared.feeds]
        torch.manual_seed(point.seed)
        rate: float | None = None
        if config.find_rate:
            network.freeze(stages[0].freeze_point)
            for tried in find_rate(network, feeds[0], data, config, self.prepared.hardware.device, self.stop):
                yield _Share(0.0)
                if isinstance(tried, RateFound):
                    rate = tried.chosen
            if self.stop():
                return
        trainer = Trainer(network, data, config, stages, feeds, self.prepared.hardware.device, rate)
        best: dict[str, Tensor] = {}
        epoch, share = 0, 0.0
        try:
            for event in trainer.fit(self.stop):
                if isinstance(event, EpochDone) and event.best:
                    best = {key: value.detach().clone() for key, value in _moving(network, self.prepared).items()}
                    epoch = event.epoch
                elif isinstance(event, BatchDone):
                    share = event.progress
                yield _Share(share)
        except DivergedError as error:
            raise DivergedError(f"With {point.text}: {error}") from error
        if self.stop():
            return
        _put_back(network, best)
        if not is_stored(config):
            self._judging = self._judge()  # of weights that have changed
        for result in self._judging.predict(self.split, TESTING):
            if isinstance(result, Progress):
                yield result
                continue
            right = result.probabilities.argmax(axis=1) == self._labels
            correct = int(right.sum())
            yield PointDone(
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

    def _judge(self) -> Judging:
        exact = exact_hardware(self.settings, self.prepared.hardware)
        return Judging(
            self.dataset, self.settings, self.config, self._network, self.prepared.data.store, exact, self.stop
        )

    def _renew(self, config: TrainConfig) -> None:
        """The network with which a run of this configuration would begin."""
        if config.pretrained:
            _put_back(self._network, self._fresh)
            self._network.renew_head(config.seed)
        else:
            self._network = build_network(config, self.prepared.entry, len(self.dataset.classes))
            self.prepared.hardware.place(self._network)

    def _narrow(self, feed: Feed, places: Places, data: TrainingData, config: TrainConfig) -> Feed:
        """A feed of the whole training split for some of its pictures."""
        hardware = self.prepared.hardware
        if not isinstance(feed, ActivationFeed):
            return PixelFeed(data, config, hardware)
        views = [Activations(view.values, view.positions[places]) for view in feed.train]
        return ActivationFeed(views, feed.val, config, hardware)


def _moving(network: Network, prepared: Prepared) -> dict[str, Tensor]:
    """The tensors of everything that learns in some stage."""
    names = list(network.blocks)
    frozen = min(names.index(stage.freeze_point) + 1 if stage.freeze_point else 0 for stage in prepared.stages)
    still = tuple(f"blocks.{name}." for name in names[:frozen])
    return {key: value for key, value in network.state_dict().items() if not key.startswith(still)}


def _learnable(prepared: Prepared) -> dict[str, Tensor]:
    return {key: value.detach().clone() for key, value in _moving(prepared.network, prepared).items()}


@torch.no_grad()
def _put_back(network: Network, tensors: dict[str, Tensor]) -> None:
    own = network.state_dict()
    for key, value in tensors.items():
        own[key].copy_(value)
