"""The folder of a sweep: `sweeps/<id>/` with plan, goal, study, races and result. Imports neither torch nor Optuna."""

import dataclasses
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from filelock import FileLock
from pydantic import ConfigDict, TypeAdapter, ValidationError

from core.actor import LOCAL_OWNER, OPERATOR, Actor
from core.config.stages import fitted_rate
from core.config.sweep_plan import MAX_MINUTES, MAX_TRIALS, SweepPlan
from core.datasets.dataset_store import DatasetStore
from core.errors import ConfigError, RunError, SweepError
from core.jobs.launchers import start_single
from core.jobs.states import is_closing
from core.locks import is_held
from core.quotas import check_space, plain_if_full
from core.runs.run_store import RunStore
from core.settings import Settings
from core.storage import is_id, list_ids, new_folder, new_id, remove_folder, write_json
from core.verification import SET_ASIDE, Count, Kind, Problem, ignore, is_file, verify_json, verify_names

PLAN, META, GOAL, RESULT, STOP, RACES, STUDY, LOCK = (
    "plan.json", "meta.json", "goal.json", "result.json", "stop", "races.json", "study.log", "lock",
)  # fmt: skip
State = Literal["running", "finished", "stopped", "failed"]


@dataclass(frozen=True)
class SweepMeta:
    """What is known of a sweep when it is created."""

    __pydantic_config__ = ConfigDict(extra="forbid", strict=True)

    created: float  # seconds since 1970
    owner: str
    presenter: bool  # its runs count for no limit
    dataset_title: str
    dataset_fingerprint: str


@dataclass(frozen=True)
class Goal:
    """When a sweep ends: the first of them.

    Attributes:
        until: in seconds since 1970.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    trials: int | None
    until: float | None


@dataclass(frozen=True)
class SweepResult:
    """How a sweep ended."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    state: State
    text: str
    ended: float  # seconds since 1970
    trials: int = 0  # that counted


@dataclass(frozen=True)
class FinalRace:
    """The race that trained a trial's settings again."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    race: str
    trial: int


_META, _GOAL, _RESULT = TypeAdapter(SweepMeta), TypeAdapter(Goal), TypeAdapter(SweepResult)
_RACES = TypeAdapter(tuple[FinalRace, ...])


@dataclass(frozen=True)
class SweepFolder:
    """A sweep's files, read on demand."""

    folder: Path

    @property
    def id(self) -> str:
        return self.folder.name

    @property
    def study_path(self) -> Path:
        return self.folder / STUDY

    @property
    def stop_requested(self) -> bool:
        return (self.folder / STOP).exists()

    def plan(self) -> SweepPlan:
        """Raises SweepError where the file is damaged."""
        try:
            return SweepPlan.model_validate_json((self.folder / PLAN).read_bytes())
        except (OSError, ValueError, ConfigError) as error:
            raise SweepError(f"The plan of sweep {self.id} is damaged or of another version: delete it.") from error

    def meta(self) -> SweepMeta:
        """Raises SweepError where the file is damaged."""
        try:
            return _META.validate_json((self.folder / META).read_bytes())
        except (OSError, ValueError) as error:
            raise SweepError(f"The file {META} of sweep {self.id} is damaged: delete the sweep.") from error

    def goal(self) -> Goal:
        """When it ends; a damaged file ends it now."""
        try:
            return _GOAL.validate_json((self.folder / GOAL).read_bytes())
        except (OSError, ValueError):
            return Goal(0, 0.0)

    def result(self) -> SweepResult | None:
        """How it ended; None while it has not."""
        with suppress(FileNotFoundError):
            try:
                return _RESULT.validate_json((self.folder / RESULT).read_bytes())
            except ValidationError:
                return SweepResult("failed", "The result file of this sweep is damaged.", 0.0)
        return None

    def races(self) -> tuple[FinalRace, ...]:
        """The races of its best settings, oldest first."""
        try:
            return _RACES.validate_json((self.folder / RACES).read_bytes())
        except (OSError, ValueError):
            return ()

    def write_races(self, races: tuple[FinalRace, ...]) -> None:
        write_json(self.folder / RACES, _RACES.dump_python(races, mode="json"))

    def end(self, state: State, text: str, trials: int = 0) -> None:
        """Record how it ended, with the number of trials that counted."""
        write_json(self.folder / RESULT, dataclasses.asdict(SweepResult(state, text, time.time(), trials)))

    def actor(self) -> Actor:
        """In whose name its runs are queued."""
        meta = self.meta()
        return OPERATOR if meta.owner == LOCAL_OWNER else Actor(meta.owner, meta.owner, meta.presenter)

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Change its files alone."""
        with FileLock(self.folder / LOCK):
            yield


class SweepStore:
    """The folder `sweeps/` of a data root."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.folder = settings.sweeps_dir

    def create(self, plan: SweepPlan, *, by: Actor = OPERATOR) -> SweepFolder:
        """Begin a sweep; its folder appears complete, by a rename.

        Raises:
            ConfigError: the base does not fit the dataset.
            DatasetError: the dataset is not there.
            QuotaError: the disk is too full.
        """
        dataset = DatasetStore(self.settings).get(plan.base.dataset)
        counts = {split: len(dataset.rows_of(split)) for split in ("train", "val")}
        if problems := plan.base.problems_with(len(dataset.classes), counts):
            raise ConfigError(problems)
        check_space(self.settings)
        plan = _write_out_rate(plan, counts["train"])
        folder = self.folder / new_id("sweep-")
        with plain_if_full(), new_folder(folder) as draft:
            (draft / PLAN).write_text(plan.model_dump_json(indent=1), encoding="utf-8")
            meta = SweepMeta(time.time(), by.id, by.presenter, dataset.title, dataset.fingerprint)
            write_json(draft / META, dataclasses.asdict(meta))
            write_json(draft / GOAL, dataclasses.asdict(Goal(plan.trials, _until(plan.minutes))))
        return SweepFolder(folder)

    def get(self, sweep_id: str) -> SweepFolder:
        """Raises SweepError where there is none of this id."""
        if not is_id(sweep_id) or not (self.folder / sweep_id / PLAN).exists():
            raise SweepError(f"There is no sweep {sweep_id[:64]!r}: it was deleted, or its name is mistyped.")
        return SweepFolder(self.folder / sweep_id)

    def all(self) -> list[SweepFolder]:
        """Every sweep, newest first."""
        return [SweepFolder(self.folder / name) for name in reversed(list_ids(self.folder, PLAN))]

    def active(self) -> list[SweepFolder]:
        """Those that have not ended, oldest first."""
        return [sweep for sweep in reversed(self.all()) if sweep.result() is None]

    def request_stop(self, sweep_id: str, *, by: Actor = OPERATOR) -> None:
        """Ask a sweep to end; what its trials have found is kept.

        Raises:
            RightsError: it belongs to someone else.
            SweepError: it has ended.
        """
        sweep = self._own(sweep_id, by)
        if (result := sweep.result()) is not None:
            raise SweepError(f"Sweep {sweep.id} is {result.state} already: there is nothing to stop.")
        (sweep.folder / STOP).touch()

    def extend(
        self, sweep_id: str, *, trials: int | None = None, minutes: float | None = None, by: Actor = OPERATOR
    ) -> None:
        """Let a sweep continue, for so many more trials or minutes.

        Raises:
            ConfigError: neither was given, or too much.
            RightsError: it belongs to someone else.
        """
        sweep = self._own(sweep_id, by)
        if trials is None and minutes is None:
            raise ConfigError({"trials": "Say how much more: a number of trials, or minutes, or both."})
        if trials is not None and not 1 <= trials <= MAX_TRIALS:
            raise ConfigError({"trials": f"trials is {trials}: choose 1 to {MAX_TRIALS:,}."})
        if minutes is not None and not 0 < minutes <= MAX_MINUTES:
            raise ConfigError({"minutes": f"minutes is {minutes:g}: choose more than 0, at most {MAX_MINUTES:,.0f}."})
        with sweep.hold():
            result = sweep.result()
            begun = (sweep.goal().trials or 0) if result is None else result.trials
            goal = Goal(None if trials is None else begun + trials, _until(minutes))
            write_json(sweep.folder / GOAL, dataclasses.asdict(goal))
            (sweep.folder / STOP).unlink(missing_ok=True)
            (sweep.folder / RESULT).unlink(missing_ok=True)

    def delete(self, sweep_id: str, *, by: Actor = OPERATOR) -> None:
        """Remove a sweep that has ended; its runs stay (see `delete_trials`).

        Raises:
            RightsError: it belongs to someone else.
            SweepError: it has not ended.
        """
        remove_folder(self._ended(sweep_id, by).folder)

    def delete_trials(self, sweep_id: str, *, by: Actor = OPERATOR) -> None:
        """Remove the runs of a sweep's trials, which lists leave out; the race of its best settings stays.

        Raises:
            RightsError: it belongs to someone else.
            SweepError: it has not ended.
        """
        sweep = self._ended(sweep_id, by)
        runs = RunStore(self.settings)
        for run in runs.all():
            with suppress(RunError):
                if run.meta().sweep == sweep.id:
                    runs.delete(run.id, by=by)

    def _ended(self, sweep_id: str, by: Actor) -> SweepFolder:
        """A sweep that may be deleted."""
        sweep = self._own(sweep_id, by)
        if sweep.result() is None:
            raise SweepError(f"Sweep {sweep.id} is running: stop it before you delete it.")
        return sweep

    def _own(self, sweep_id: str, by: Actor) -> SweepFolder:
        sweep = self.get(sweep_id)
        if not by.presenter:
            by.check_may_change(sweep.meta().owner, f"Sweep {sweep.id}")
        return sweep


def lock_path(settings: Settings) -> Path:
    """The lock that the sweeper of this data root holds."""
    return settings.home / "sweeper.lock"


def ensure_sweeper(settings: Settings) -> None:
    """Start the sweeper unless it is at work or no sweep is left. Cheap: call it from pages that watch."""
    if is_closing(settings) or is_held(lock_path(settings)) or not SweepStore(settings).active():
        return
    start_single(settings, "core.sweeps.sweeper", [], settings.logs_dir / "sweeper.log")


def verify_sweep(sweep: SweepFolder, count: Count = ignore) -> Iterator[Problem]:
    """What is wrong with a sweep's files; its runs are verified as runs."""
    folder = sweep.folder
    yield from verify_names(folder, {PLAN, META, GOAL, RESULT, STOP, RACES, STUDY, LOCK}, count, live=False)
    for name, read in ((PLAN, sweep.plan), (META, sweep.meta)):
        if not is_file(folder / name):
            yield Problem(Kind.DAMAGED, folder / name, "This file of a sweep is gone.", SET_ASIDE, folder)
            continue
        try:
            read()
        except SweepError as error:
            yield Problem(Kind.DAMAGED, folder / name, str(error), SET_ASIDE, folder)
    for name in (GOAL, RESULT, RACES):
        if is_file(folder / name):
            yield from verify_json(folder / name, count)


def _write_out_rate(plan: SweepPlan, pictures: int) -> SweepPlan:
    """The plan whose base names the learning rate that it would be fitted: then the base can be a trial itself.

    Args:
        pictures: of the training split.
    """
    base = plan.base
    fitted = base.learning_rate is None and not (base.find_rate or base.budgeted or base.strategy == "gradual")
    if "learning_rate" not in plan.space or "find_rate" in plan.space or not fitted:
        return plan
    steps = math.ceil(pictures / base.batch_size) * base.epochs
    rate = fitted_rate(base, steps, head_only=base.strategy == "head")
    return plan.model_copy(update={"base": base.variant(learning_rate=rate)})


def _until(minutes: float | None) -> float | None:
    return None if minutes is None else time.time() + 60 * minutes
