"""A sweep as pages and the command line show it, read from its files."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from core.config.sweep_plan import SweepPlan
from core.config.train_config import TrainConfig
from core.sweeps.sweep_store import FinalRace, Goal, SweepFolder, SweepMeta, SweepResult

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial

LOSS, RUNS, SECONDS, SAME_AS, PROBLEM, PRUNED = "loss", "runs", "seconds", "same_as", "problem", "pruned"  # notes
Outcome = Literal["waiting", "finished", "pruned", "failed"]


@dataclass(frozen=True)
class Trial:
    """One configuration that was tried.

    Attributes:
        accuracy: mean best validation accuracy of its runs, as a fraction; None until it has ended. Of a pruned trial
            what it had reached.
        loss: mean validation loss at those epochs.
        values: of the searched fields.
        runs: ids, seed by seed.
        seconds: of all its runs.
        same_as: the earlier trial with the same settings, whose result it has without training again.
        problem: why it failed, as a sentence.
    """

    number: int
    outcome: Outcome
    accuracy: float | None
    loss: float | None
    values: dict[str, Any]
    runs: tuple[str, ...] = ()
    seconds: float | None = None
    same_as: int | None = None
    problem: str = ""

    @property
    def counts(self) -> bool:
        """Whether it counts towards the number of trials that were asked for."""
        return self.outcome != "failed"


@dataclass(frozen=True)
class Sweep:
    """A sweep at one moment.

    Attributes:
        result: None while it runs.
        races: in which its best settings were trained again, oldest first.
    """

    id: str
    plan: SweepPlan
    meta: SweepMeta
    goal: Goal
    result: SweepResult | None
    trials: tuple[Trial, ...]
    races: tuple[FinalRace, ...]
    stopping: bool

    @property
    def state(self) -> str:
        return "running" if self.result is None else self.result.state

    @property
    def best(self) -> Trial | None:
        return find_best(self.trials)

    @property
    def counted(self) -> int:
        """Trials that have ended and count."""
        return sum(trial.counts and trial.outcome != "waiting" for trial in self.trials)

    @property
    def title(self) -> str:
        return self.plan.title or f"Sweep of {', '.join(self.plan.space)}"

    def seconds_left(self, now: float) -> float | None:
        """Seconds until it ends: trials go on as they did so far; None before two have ended.

        Args:
            now: in seconds since 1970.
        """
        left = [] if self.goal.until is None else [self.goal.until - now]
        if self.goal.trials is not None and self.counted >= 2:
            each = (now - self.meta.created) / self.counted
            left.append(each * (self.goal.trials - self.counted))
        return max(0.0, min(left)) if left and self.result is None else None

    @property
    def best_config(self) -> TrainConfig | None:
        """The configuration of the best trial."""
        return None if self.best is None else self.plan.config_of(self.best.values)


def find_best(trials: Sequence[Trial]) -> Trial | None:
    """The finished trial with the highest accuracy; of equal ones that with the lowest loss, then the first."""
    finished = [trial for trial in trials if trial.outcome == "finished" and trial.accuracy is not None]
    return max(finished, key=lambda item: (item.accuracy, -(item.loss or 0.0), -item.number), default=None)


def read_sweep(folder: SweepFolder) -> Sweep:
    """Read a sweep.

    Raises:
        SweepError: its files are damaged.
    """
    return Sweep(
        folder.id,
        folder.plan(),
        folder.meta(),
        folder.goal(),
        folder.result(),
        read_trials(folder),
        folder.races(),
        folder.stop_requested,
    )


def read_study(folder: SweepFolder) -> "optuna.Study | None":
    """Optuna's study, for its charts; None before the sweeper has made it."""
    from core.sweeps.study import open_study  # Optuna costs half a second to import

    try:
        return open_study(folder.study_path, folder.plan()) if folder.study_path.exists() else None
    except KeyError:
        return None


def read_trials(folder: SweepFolder) -> tuple[Trial, ...]:
    """All trials so far, in the order in which they were asked for.

    Raises:
        SweepError: the plan is damaged.
    """
    study, plan = read_study(folder), folder.plan()
    if study is None:
        return ()
    return tuple(describe_trial(plan, found) for found in study.get_trials(deepcopy=False) if is_drawn(plan, found))


def is_drawn(plan: SweepPlan, found: "FrozenTrial") -> bool:
    """Whether all values of a trial were chosen: not where its sweeper was killed meanwhile."""
    return set(found.params) == set(plan.space)


def describe_trial(plan: SweepPlan, found: "FrozenTrial") -> Trial:
    """A trial as people see it."""
    from core.sweeps.study import values_of

    notes = found.user_attrs
    outcomes: dict[str, Outcome] = {
        "COMPLETE": "pruned" if notes.get(PRUNED) else "finished",
        "PRUNED": "pruned",
        "FAIL": "failed",
    }
    accuracy = found.value
    if accuracy is None and found.intermediate_values:
        accuracy = max(found.intermediate_values.values())
    return Trial(
        found.number,
        outcomes.get(found.state.name, "waiting"),
        accuracy if found.state.is_finished() else None,
        notes.get(LOSS),
        values_of(plan, found.params),
        tuple(notes.get(RUNS, ())),
        notes.get(SECONDS),
        notes.get(SAME_AS),
        notes.get(PROBLEM, ""),
    )
