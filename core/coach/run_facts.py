"""The facts of one run that the coach's rules look at, and a few figures that follow from them."""

import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property

from core.coach.picture_facts import CutResult, PictureFacts
from core.config.events import BatchDone, EpochDone, Mirrored, Tested
from core.config.stages import fitted_rate
from core.config.train_config import TrainConfig
from core.errors import RunError
from core.runs.failures import DIVERGED
from core.runs.history import RunHistory
from core.runs.run import Run, RunMeta, RunResult, RunState
from core.statistics.class_scores import ClassScore, per_class
from core.statistics.metrics import Interval, wilson_interval
from core.statistics.predictions import PredictionTable

MIN_EPOCHS = 2  # one epoch is a point, not a curve
MIN_TREND_EPOCHS = 4  # fewer show no trend
BLOCKS = 6  # into which a long curve is averaged before its slope is tested
MIN_MIRRORED = 10  # mirrored pictures, for flips to be called harmless
MIRRORED_ALIKE = 0.2  # at most so many of them may change their answer


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
        names: of the classes.
        mirrored: what the tested weights answer to mirrored validation pictures; older runs did not ask.
        dataset: what its pictures are like; None where it is gone or has changed since.
        cut_result: the test result by whether the square crop cuts the picture; None without both.
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
    names: tuple[str, ...] = ()
    mirrored: Mirrored | None = None
    dataset: PictureFacts | None = None
    cut_result: CutResult | None = None

    @property
    def chance_loss(self) -> float:
        """Cross-entropy, in nats, of a network that gives every class the same probability."""
        return math.log(self.classes)

    @property
    def training_images(self) -> int:
        return dict(self.pictures).get("train", 0)

    @property
    def validation_images(self) -> int:
        return dict(self.pictures).get("val", 0)

    @property
    def rate_chosen(self) -> bool:
        """Whether the learning rate is another than the app's own default: set by someone, or found by a search."""
        return self.config.learning_rate is not None or self.found_rate is not None

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
        train = self.training_images
        steps = self.config.epochs * math.ceil(train / self.config.batch_size) if train else 100
        # a gradual training begins with its head, and with the head's rate
        return fitted_rate(self.config, steps, head_only=self.config.strategy in ("head", "gradual"))

    @property
    def mirroring_is_harmless(self) -> bool:
        """Whether mirrored validation pictures were tried, and nearly all of them recognised as before."""
        if self.mirrored is None or self.mirrored.images < MIN_MIRRORED:
            return False
        changed = sum(count for _, plain, mirrored, count in self.mirrored.answers if plain != mirrored)
        return changed <= MIRRORED_ALIKE * self.mirrored.images

    def validation_interval(self, accuracy: float) -> Interval:
        """Wilson's 95 % interval of a validation accuracy."""
        n = self.validation_images
        return wilson_interval(round(accuracy * n), n)


def gather_facts(run: Run, dataset: PictureFacts | None = None) -> RunFacts:
    """The facts of a run, from its folder.

    Args:
        dataset: what its pictures are like, where that is known.

    Raises:
        RunError: if its configuration cannot be read.
    """
    history = run.history()
    table = None
    if history.tested is not None:
        with suppress(RunError):  # the damage is reported where the pictures are shown
            table = run.predictions()
    return facts_of(run.config(), run.meta(), run.state(), history, run.result(), table, dataset)


def facts_of(
    config: TrainConfig,
    meta: RunMeta,
    state: RunState,
    history: RunHistory,
    result: RunResult | None,
    table: PredictionTable | None,
    dataset: PictureFacts | None = None,
) -> RunFacts:
    """The facts of a run, from what was read of it.

    Args:
        table: its predictions on the test split, where there are any.
        dataset: what its pictures are like, where that is known.
    """
    if history.tested is None:
        table = None
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
        scores=tuple(per_class(table)) if table is not None else (),
        names=tuple(meta.classes),
        mirrored=_checked(history.mirrored, len(meta.classes)),
        dataset=dataset,
        cut_result=dataset.split_result(table) if dataset is not None and table is not None else None,
    )


def _checked(mirrored: Mirrored | None, classes: int) -> Mirrored | None:
    """None where a damaged log names classes that are not there."""
    rows = [] if mirrored is None else mirrored.answers + mirrored.oriented
    return mirrored if all(0 <= label < classes for row in rows for label in row[:-1]) else None


def fall_p_value(values: Sequence[float]) -> float:
    """How often values without a trend fall as steadily as these: one-sided, of the slope of a straight line.

    Epochs remember the ones before them, so that many are averaged in runs first: neighbours are no independent proof.

    Source: Student's t-test of a regression slope. 1 where there are too few values to say.
    """
    run = max(1, len(values) // BLOCKS)
    if run > 1:
        values = [sum(values[end - run : end]) / run for end in range(len(values), run - 1, -run)][::-1]
    n = len(values)
    if n < 3:
        return 1.0
    from scipy.special import stdtr  # takes a moment to import

    places = [place - (n - 1) / 2 for place in range(n)]
    middle, spread = sum(values) / n, sum(place * place for place in places)
    slope = sum(place * value for place, value in zip(places, values, strict=True)) / spread
    rest = sum((value - middle - slope * place) ** 2 for place, value in zip(places, values, strict=True))
    if rest <= 0:
        return 0.0 if slope < 0 else 1.0
    return float(stdtr(n - 2, slope / math.sqrt(rest / (n - 2) / spread)))


def last_third(epochs: Sequence[EpochDone]) -> Sequence[EpochDone]:
    """The last third, at least one epoch: a mean over it is calmer than the last epoch alone."""
    return epochs[-max(1, len(epochs) // 3) :]


def recent(epochs: Sequence[EpochDone]) -> Sequence[EpochDone]:
    """The last third, at least three epochs: the best of them is what the network can do, with luck."""
    return epochs[-max(3, len(epochs) // 3) :]


def third_before(epochs: Sequence[EpochDone]) -> Sequence[EpochDone]:
    """As many epochs as `last_third` has, right before them."""
    count = len(last_third(epochs))
    return epochs[-2 * count : -count]
