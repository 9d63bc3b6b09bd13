"""Summaries of runs, as lists show them."""

from collections.abc import Callable
from dataclasses import dataclass

from core.config.events import Tested
from core.config.train_config import TrainConfig
from core.runs.history import RunHistory
from core.runs.run import Run, RunMeta, RunResult, RunState
from core.statistics.metrics import Accuracy


@dataclass(frozen=True)
class RunSummary:
    """One row of a list of runs."""

    id: str
    state: RunState
    text: str
    config: TrainConfig
    meta: RunMeta
    tested: Tested | None
    best_val_accuracy: float | None
    epochs_done: int
    seconds: float | None
    points_done: int = 0  # of a learning curve

    @property
    def is_curve(self) -> bool:
        """Whether it trains the points of a learning curve: then it has no epochs, weights or predictions."""
        return is_curve(self.meta)

    @property
    def points_text(self) -> str:
        """How far a learning curve is: `12 of 27 points`."""
        return f"{self.points_done} of {self.meta.plan.points if self.meta.plan else 0} points"

    @property
    def accuracy(self) -> Accuracy | None:
        """Test accuracy with its interval, once there is one."""
        return Accuracy(self.tested.correct, self.tested.images) if self.tested else None

    @property
    def title(self) -> str:
        return title_of(self.config, self.meta)


def is_curve(meta: RunMeta) -> bool:
    """Whether a run trains the points of a learning curve."""
    return meta.plan is not None and meta.plan.kind == "curve"


def title_of(config: TrainConfig, meta: RunMeta) -> str:
    """The name of a run in lists: network and strategy, then its title or note, or which trial of a sweep it is."""
    trial = f"trial {meta.trial}" if meta.sweep is not None else ""
    own = (config.note if meta.title is None else meta.title) or trial
    name = f"Learning curve, {config.title()}" if is_curve(meta) else config.title()
    return name + (f" · {own}" if own else "")


def summarise(run: Run) -> RunSummary:
    """Summarise a run from its files.

    Raises:
        RunError: if its configuration cannot be read.
    """
    return summary_of(run, run.config(), run.meta(), run.result(), run.history)


def summary_of(
    run: Run, config: TrainConfig, meta: RunMeta, result: RunResult | None, history: Callable[[], RunHistory]
) -> RunSummary:
    """Summarise a run whose files were read already; `history` is read only while it has no result."""
    if result is not None:
        return RunSummary(
            run.id,
            result.state,
            result.text,
            config,
            meta,
            result.tested,
            result.best_val_accuracy,
            result.epochs_done,
            result.seconds,
            result.points_done,
        )
    found = history()
    best = found.best.val_accuracy if found.best else None
    return RunSummary(run.id, run.state(), "", config, meta, None, best, len(found.epochs), None, len(found.points))
