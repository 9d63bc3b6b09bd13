"""A sweep as pages and the command line show it, read from its files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from core.config.sweep_plan import SweepPlan
from core.config.train_config import TrainConfig
from core.errors import SweepError
from core.formatting import join_names
from core.sweeps.sweep_store import FinalRace, Goal, SweepFolder, SweepMeta, SweepResult

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial

LOSS, RUNS, SECONDS, SAME_AS, PROBLEM, PRUNED = "loss", "runs", "seconds", "same_as", "problem", "pruned"  # notes
UNREADABLE = (OSError, ValueError, KeyError, TypeError, AttributeError, StopIteration)  # of a damaged study
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
        began, ended: in seconds since 1970.
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
    began: float | None = None
    ended: float | None = None

    @property
    def counts(self) -> bool:
        """Whether it counts towards the number of trials that were asked for."""
        return self.outcome != "failed"


@dataclass(frozen=True)
class Sweep:
    """A sweep at one moment.

    Attributes:
        result: None while it runs.
        races: that trained its best settings again, oldest first.
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
        """Its title, or what it searches."""
        names = [(TrainConfig.model_fields[name].title or name).lower() for name in self.plan.space]
        return self.plan.title or f"Sweep of {join_names(names)}"

    def seconds_left(self, now: float) -> float | None:
        """Seconds until its last trial ends, if trials take as long as so far; None before two have ended.

        Args:
            now: in seconds since 1970.
        """
        left = [] if self.goal.until is None else [self.goal.until - now]
        if self.goal.trials is not None and self.counted >= 2:
            each = self.seconds_busy(now) / self.counted
            left.append(each * (self.goal.trials - self.counted))
        return max(0.0, min(left)) if left and self.result is None else None

    def seconds_busy(self, now: float) -> float:
        """Seconds with a trial under way: not those between its end and the moment at which trials were added.

        Args:
            now: in seconds since 1970.
        """
        busy, until = 0.0, 0.0
        spans = [(trial.began, now if trial.ended is None else trial.ended) for trial in self.trials if trial.began]
        for began, ended in sorted(spans):
            busy += max(0.0, ended - max(began, until))
            until = max(until, ended)
        return busy

    @property
    def final_race(self) -> FinalRace | None:
        """The race that trained the settings of the best trial again."""
        best = self.best
        return next((item for item in self.races if best is not None and item.trial == best.number), None)

    @property
    def exhausted(self) -> bool:
        """Whether every combination of its space was tried."""
        combinations = self.plan.combinations
        return combinations is not None and self.counted >= combinations

    @property
    def best_config(self) -> TrainConfig | None:
        """The configuration of the best trial."""
        return None if self.best is None else self.plan.config_of(self.best.values)


def find_best(trials: Sequence[Trial]) -> Trial | None:
    """The finished trial with the highest accuracy; of equal ones that with the lowest loss, then the first."""
    finished = [trial for trial in trials if trial.outcome == "finished" and trial.accuracy is not None]
    return max(finished, key=lambda item: (item.accuracy, -(item.loss or 0.0), -item.number), default=None)


def describe_best(values: Mapping[str, Any]) -> str:
    """The best settings as Python code."""
    plain = {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}
    body = "".join(f"    {name!r}: {value!r},\n" for name, value in plain.items())
    return f"best_config = {{\n{body}}}"


def read_sweep(folder: SweepFolder, study: "optuna.Study | None" = None) -> Sweep:
    """Read a sweep.

    Args:
        study: Optuna's, where it is open already.
    Raises:
        SweepError: its files are damaged.
    """
    plan = folder.plan()
    return Sweep(
        folder.id,
        plan,
        folder.meta(),
        folder.goal(),
        folder.result(),
        read_trials(folder) if study is None else list_trials(folder, plan, study),
        folder.races(),
        folder.stop_requested,
    )


def read_study(folder: SweepFolder) -> "optuna.Study | None":
    """Optuna's study, for its charts; None before the sweeper has made it.

    Raises:
        SweepError: the plan or the study is damaged.
    """
    from core.sweeps.study import open_study  # Optuna costs half a second to import

    plan = folder.plan()
    try:
        return open_study(folder.study_path, plan) if folder.study_path.exists() else None
    except UNREADABLE as error:
        if isinstance(error, KeyError) and b"\n" not in folder.study_path.read_bytes():
            return None  # it is being made
        raise damaged_study(folder) from error


def read_trials(folder: SweepFolder) -> tuple[Trial, ...]:
    """All trials so far, in the order they were asked for.

    Raises:
        SweepError: the plan or the study is damaged.
    """
    study = read_study(folder)
    return () if study is None else list_trials(folder, folder.plan(), study)


def list_trials(folder: SweepFolder, plan: SweepPlan, study: "optuna.Study") -> tuple[Trial, ...]:
    """The trials of an open study, those included that its file has got since.

    Raises:
        SweepError: the study is damaged.
    """
    try:
        found = study.get_trials(deepcopy=False)
        return tuple(describe_trial(plan, trial) for trial in found if is_drawn(plan, trial))
    except UNREADABLE as error:
        raise damaged_study(folder) from error


def damaged_study(folder: SweepFolder) -> SweepError:
    return SweepError(f"The trials of sweep {folder.id} cannot be read, because their file is damaged: delete it.")


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
        None if found.datetime_start is None else found.datetime_start.timestamp(),
        None if found.datetime_complete is None else found.datetime_complete.timestamp(),
    )
