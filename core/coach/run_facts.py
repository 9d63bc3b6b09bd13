"""The facts of one run that the coach's rules look at, and a few figures that follow from them."""

import math
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property

from core.config.events import BatchDone, EpochDone, Tested
from core.config.stages import fitted_rate
from core.config.train_config import TrainConfig
from core.datasets.dataset import Dataset
from core.datasets.dataset_store import DatasetStore
from core.errors import DatasetError, RunError
from core.runs.failures import DIVERGED
from core.runs.history import RunHistory
from core.runs.run import Run, RunMeta, RunResult, RunState
from core.settings import Settings
from core.statistics.class_scores import ClassScore, per_class
from core.statistics.metrics import Interval, wilson_interval
from core.statistics.predictions import PredictionTable

MIN_EPOCHS = 2  # one epoch is a point, not a curve
MIN_TREND_EPOCHS = 4  # fewer show no trend


@dataclass(frozen=True)
class RunFacts:
    """One run, as far as it has got.

    Attributes:
        classes: how many there are.
        epochs: all that were completed, the stages of a gradual training one after the other.
        batches: training steps.
        pictures: per split (`train`, `val`, `test`); empty before the training was described.
        found_rate: chosen by the learning-rate finder.
        tested: the test result, once there is one.
        diverged: whether training ended because a number was no longer finite.
        scores: one for each class on the test pictures; empty until there is a test result.
        shares: for each class, its share of the training pictures; empty if not known.
    """

    config: TrainConfig
    state: RunState
    classes: int
    epochs: tuple[EpochDone, ...] = ()
    batches: tuple[BatchDone, ...] = ()
    pictures: tuple[tuple[str, int], ...] = ()
    found_rate: float | None = None
    tested: Tested | None = None
    diverged: bool = False
    scores: tuple[ClassScore, ...] = ()
    shares: tuple[float, ...] = ()

    @property
    def chance_loss(self) -> float:
        """Cross-entropy, in nats, of a network that gives every class the same probability."""
        return math.log(self.classes)

    @property
    def validation_images(self) -> int:
        return dict(self.pictures).get("val", 0)

    @cached_property
    def last_stage(self) -> tuple[EpochDone, ...]:
        """The epochs of the last stage: slopes across a change of stage mean nothing."""
        if not self.epochs:
            return ()
        return tuple(epoch for epoch in self.epochs if epoch.stage == self.epochs[-1].stage)

    @property
    def best(self) -> EpochDone | None:
        """The epoch whose weights were kept."""
        kept = [epoch for epoch in self.epochs if epoch.best]
        return kept[-1] if kept else None

    @property
    def rate(self) -> float | None:
        """The largest learning rate that was used; None before the first step."""
        if self.config.learning_rate is not None:
            return self.config.learning_rate
        if self.found_rate is not None:
            return self.found_rate
        used = [batch.learning_rate for batch in self.batches] + [epoch.learning_rate for epoch in self.epochs]
        return max(used) if used else None

    @property
    def usual_rate(self) -> float:
        """The rate that this training would get if none were chosen."""
        train = dict(self.pictures).get("train", 0)
        steps = self.config.epochs * math.ceil(train / self.config.batch_size) if train else 100
        # a gradual training begins with its head, and with the head's rate
        return fitted_rate(self.config, steps, head_only=self.config.strategy in ("head", "gradual"))

    def validation_interval(self, accuracy: float) -> Interval:
        """Wilson's 95 % interval of a validation accuracy."""
        n = self.validation_images
        return wilson_interval(round(accuracy * n), n)


def training_shares(settings: Settings, run: Run) -> tuple[float, ...]:
    """For each class, its share of the training pictures; empty where the dataset is gone or has changed since.

    Raises:
        RunError: if the run cannot be read.
    """
    meta = run.meta()
    try:
        dataset = DatasetStore(settings).get(run.config().dataset)
    except DatasetError:
        return ()
    if dataset.fingerprint != meta.dataset_fingerprint:
        return ()
    return shares_in(dataset)


def shares_in(dataset: Dataset) -> tuple[float, ...]:
    """For each class of a dataset, its share of the training pictures."""
    rows = dataset.rows_of("train")
    counted = Counter(row.label for row in rows)
    return tuple(counted[label] / max(1, len(rows)) for label in range(len(dataset.classes)))


def gather_facts(run: Run, shares: Sequence[float] = ()) -> RunFacts:
    """The facts of a run, from its folder.

    Args:
        shares: for each class, its share of the training pictures, where they are known.

    Raises:
        RunError: if its configuration cannot be read.
    """
    history = run.history()
    table = None
    if history.tested is not None:
        with suppress(RunError):  # the damage is reported where the pictures are shown
            table = run.predictions()
    return facts_of(run.config(), run.meta(), run.state(), history, run.result(), table, shares)


def facts_of(
    config: TrainConfig,
    meta: RunMeta,
    state: RunState,
    history: RunHistory,
    result: RunResult | None,
    table: PredictionTable | None,
    shares: Sequence[float] = (),
) -> RunFacts:
    """The facts of a run, from what was read of it.

    Args:
        table: its predictions on the test split, where there are any.
        shares: for each class, its share of the training pictures, where they are known.
    """
    return RunFacts(
        config=config,
        state=state,
        classes=max(2, len(meta.classes)),
        epochs=tuple(history.epochs),
        batches=tuple(history.batches),
        pictures=tuple(history.described.pictures.items()) if history.described else (),
        found_rate=history.rate.chosen if history.rate else None,
        tested=history.tested,
        diverged=result is not None and result.cause == DIVERGED,
        scores=tuple(per_class(table)) if table is not None and history.tested is not None else (),
        shares=tuple(shares),
    )


def last_third(epochs: Sequence[EpochDone]) -> Sequence[EpochDone]:
    """The last third, at least one epoch: a mean over it is calmer than the last epoch alone."""
    return epochs[-max(1, len(epochs) // 3) :]


def third_before(epochs: Sequence[EpochDone]) -> Sequence[EpochDone]:
    """As many epochs as `last_third` has, right before them."""
    count = len(last_third(epochs))
    return epochs[-2 * count : -count]
