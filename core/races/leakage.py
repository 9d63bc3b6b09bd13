"""Leakage: the same network under a split that keeps groups apart, and under one that ignores them.

Both have as many training and test pictures of each class. The test pictures differ, so the difference is that of two
independent shares. What the second one gains is not skill: it knew the person, burst or plant in its test pictures.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from core.actor import OPERATOR, Actor
from core.config.train_config import TrainConfig
from core.datasets.dataset import Dataset
from core.formatting import format_percent, format_points
from core.revisions.mixed_split import mixed_id
from core.runs.run import Run, RunState
from core.runs.run_store import RunStore
from core.runs.summary import RunSummary
from core.settings import Settings
from core.statistics.metrics import Accuracy, Interval, difference_interval


@dataclass(frozen=True)
class Leakage:
    """Two runs of the same settings, finished or not.

    Attributes:
        kept, ignored: with groups kept apart, and ignored.
    """

    kept: RunSummary
    ignored: RunSummary

    @property
    def active(self) -> bool:
        """Whether one of them is still to finish."""
        return self.kept.state.active or self.ignored.state.active

    @property
    def accuracies(self) -> tuple[Accuracy, Accuracy] | None:
        """Test accuracies with groups kept apart and ignored, once both are there."""
        if self.kept.accuracy is None or self.ignored.accuracy is None:
            return None
        return self.kept.accuracy, self.ignored.accuracy

    @property
    def difference(self) -> tuple[float, Interval] | None:
        """How much the second one flatters, as a fraction, with its 95 % interval."""
        if self.accuracies is None:
            return None
        kept, ignored = self.accuracies
        if kept.value is None or ignored.value is None:
            return None
        return ignored.value - kept.value, difference_interval(ignored.value, ignored.n, kept.value, kept.interval)

    def describe(self) -> str:
        """What they show, in one sentence; empty before."""
        if self.accuracies is None or self.difference is None:
            return ""
        value, interval = self.difference
        kept, ignored = self.accuracies
        limits = f"95 % interval {format_points(interval.low)} to {format_points(interval.high)}"
        shown = (
            f"{config_name(self.kept)} reaches {format_percent(kept.value or 0)} on groups that it has never seen, and "
            f"{format_percent(ignored.value or 0)} where the groups of its test pictures were in the training"
        )
        if interval.low > 0:
            return f"{shown}: {format_points(value)} points too many ({limits})."
        return f"{shown}: no difference is shown ({limits})."


def config_name(run: RunSummary) -> str:
    """The network of a run, in words."""
    return run.config.entry().title


def start_leakage(
    settings: Settings, dataset: Dataset, config: TrainConfig, *, by: Actor = OPERATOR
) -> tuple[Run, Run]:
    """Queue both runs; the dataset that ignores groups is there (`mix_groups`).

    Raises:
        ConfigError, DatasetError, QuotaError: as `RunStore.create`.
    """
    store = RunStore(settings)
    kept = store.create(config.variant(dataset=dataset.id), by=by)
    return kept, store.create(config.variant(dataset=mixed_id(dataset)), by=by)


def find_leakage(summaries: Iterable[RunSummary], dataset: Dataset) -> Leakage | None:
    """The newest pair of runs of the same settings on both splits; `summaries`: newest first."""
    usable = [item for item in summaries if not item.is_curve and item.state is not RunState.FAILED]
    kept = [item for item in usable if item.config.dataset == dataset.id and _same(item, dataset)]
    for ignored in (item for item in usable if item.config.dataset == mixed_id(dataset)):
        for item in kept:
            if item.config == ignored.config.variant(dataset=dataset.id):
                return Leakage(item, ignored)
    return None


def _same(run: RunSummary, dataset: Dataset) -> bool:
    return run.meta.dataset_fingerprint == dataset.fingerprint
