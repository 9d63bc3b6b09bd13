"""All runs of a data root: create, find, list, stop, delete."""

import functools
import os
from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import Timeout

from core.actor import OPERATOR, Actor
from core.config.race_plan import RacePlan
from core.config.train_config import TrainConfig
from core.datasets.dataset_store import DatasetStore
from core.errors import ConfigError, DatasetError, RunError
from core.locks import ASKER_SECONDS, hold_lock
from core.quotas import check_queue, check_space
from core.runs.attempts import Attempts, last_begun, read_attempts, write_attempts
from core.runs.creation import create_run
from core.runs.renaming import rename, rename_race
from core.runs.run import Run, RunState
from core.runs.run_files import CONFIG, STARTED, STOP
from core.runs.run_lock import hold, plain_errors
from core.runs.summary import RunSummary, summarise
from core.settings import Settings
from core.storage import is_id, list_ids, new_id, remove_folder

LOCK_SECONDS = 20.0  # many start at once, and each takes milliseconds


@dataclass(frozen=True)
class Arm:
    """One side of a race.

    Attributes:
        deadline: when its result shall be there, in seconds since 1970; None: when its budget is used.
    """

    name: str
    config: TrainConfig
    deadline: float | None = None


class RunStore:
    """The folder `runs/` of a data root."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.folder = settings.runs_dir

    def create(self, config: TrainConfig, *, by: Actor = OPERATOR) -> Run:
        """Queue a run. The folder appears complete, by a rename.

        Raises:
            DatasetError: if the dataset is not there.
            ConfigError: if the configuration does not fit the dataset.
            QuotaError: if `by` has too many runs in the queue, or the disk is too full.
        """
        with self._alone():
            self._check_quotas(1, by)
            return create_run(self.settings, config, by.id)

    def create_trial(self, config: TrainConfig, sweep: str, number: int, *, by: Actor) -> Run:
        """Queue a run of a sweep's trial; it is not evaluated on the test split.

        Raises:
            as `create`.
        """
        with self._alone():
            self._check_quotas(1, by)
            return create_run(self.settings, config, by.id, sweep=sweep, trial=number)

    def create_race(
        self, plan: RacePlan, arms: Sequence[Arm], *, by: Actor = OPERATOR, race: str | None = None
    ) -> tuple[str, list[Run]]:
        """Queue the runs of a race or learning curve, on one dataset or revisions of it; returns its id and its runs.

        Args:
            arms: in the order they run; in a race each arm appears once per seed.
            race: its id, where some of its runs are there already.

        Raises:
            ConfigError: if the arms differ in dataset, or one has a seed that is not in the plan.
            DatasetError, QuotaError: as `create`.
        """
        names = {arm.config.dataset for arm in arms}
        if len(names) > 1 and not self._are_revisions(names):
            raise ConfigError({"dataset": "The arms of a race share one dataset: choose the same for all."})
        if any(arm.config.seed not in plan.seeds for arm in arms):
            raise ConfigError({"seed": "The arms of a race share the seeds of its plan: choose the same for all."})
        race = race or new_id("curve-" if plan.kind == "curve" else "race-")
        with self._alone():
            self._check_quotas(len(arms), by)
            runs = [
                create_run(self.settings, arm.config, by.id, race=race, plan=plan, arm=arm.name, deadline=arm.deadline)
                for arm in arms
            ]
        return race, runs

    def _are_revisions(self, names: Collection[str]) -> bool:
        """Whether datasets are there, and are revisions of one."""
        store = DatasetStore(self.settings)
        try:
            return len({store.get(name).root for name in names}) == 1
        except DatasetError:
            return False

    def _check_quotas(self, new: int, by: Actor) -> None:
        check_space(self.settings)
        if not by.presenter:
            owned = [run for run in self.all() if _owner(run.folder) == by.id]
            check_queue(self.settings, sum(run.state().active for run in owned), new, by)

    def _alone(self) -> AbstractContextManager[None]:
        """Hold the lock of all runs: no other process queues a run or deletes a dataset."""
        busy = RunError("Many runs are being queued: try again in a few seconds.")
        return hold_lock(self.settings.home / "runs.lock", LOCK_SECONDS, busy)

    def get(self, run_id: str) -> Run:
        """Find a run.

        Raises:
            RunError: if there is none of this id.
        """
        if not is_id(run_id) or not (self.folder / run_id / CONFIG).exists():
            raise RunError(f"There is no run {run_id[:64]!r}: it was deleted, or its name is mistyped.")
        return Run(self.folder / run_id)

    def all(self) -> list[Run]:
        """Every run, newest first."""
        dated = []
        for name in list_ids(self.folder):
            with suppress(RunError):
                dated.append((_created(self.folder / name), name))
        return [Run(self.folder / name) for _, name in sorted(dated, reverse=True)]

    def summaries(self) -> list[RunSummary]:
        """Every readable run, newest first."""
        out = []
        for run in self.all():
            with suppress(RunError):
                out.append(summarise(run))
        return out

    def race(self, race_id: str) -> list[Run]:
        """The runs of a race in the order of its arms.

        Raises:
            RunError: if there is no such race.
        """
        runs = [run for run in reversed(self.all()) if run.meta().race == race_id]
        if not runs:
            raise RunError(f"There is no race {race_id[:64]!r}: start one on the Train page.")
        return runs

    def request_stop(self, run_id: str, *, by: Actor = OPERATOR, reason: str = "") -> RunState:
        """Ask a run to stop: a queued or interrupted one ends at once, a running one within two seconds.

        Args:
            reason: a sentence for people, kept in the run's result.

        Raises:
            RunError: if it is not there, or has ended already.
            RightsError: if it belongs to someone else.
            QuotaError: if the disk is full.
        """
        run = self._own(run_id, by)
        state = run.state()
        if not state.active and (state is not RunState.INTERRUPTED or run.result() is not None):
            raise RunError(f"Run {run.id} is already {state.value}: there is nothing to stop.")
        with plain_errors(run):
            (run.folder / STOP).write_text(reason, encoding="utf-8")
            try:
                with hold(run, ASKER_SECONDS / 4):
                    # it has no worker: it ends here; if its worker has just ended, it keeps its result
                    if run.result() is None:
                        run.write_result(RunState.STOPPED, _stopped_text(run), None)
            except Timeout:
                pass
        return run.state()

    def resume(self, run_id: str, *, by: Actor = OPERATOR, automatic: bool = False) -> Run:
        """Queue an interrupted run again: it continues from its last checkpoint, or starts over.

        Args:
            automatic: after a crash, not at a person's request; counted, so that it ends.

        Raises:
            RunError: if it is not there, or not interrupted.
            RightsError: if it belongs to someone else.
            QuotaError: if the disk is full.
        """
        run = self._own(run_id, by)
        if run.state() is not RunState.INTERRUPTED:
            raise RunError(f"Run {run.id} is {run.state().value}: only an interrupted run can be resumed.")
        if run.result() is not None:
            raise RunError(
                f"Run {run.id} was evaluated after it was interrupted: train it again instead of resuming it."
            )
        try:
            with plain_errors(run), hold(run, ASKER_SECONDS):
                if not (run.folder / STARTED).exists() or run.result() is not None:
                    return run  # it was resumed by another process
                if automatic and run.stop_requested:
                    return run
                done = read_attempts(run.folder).automatic
                write_attempts(run.folder, Attempts(done + 1 if automatic else 0, last_begun(run.folder)))
                if not automatic:
                    (run.folder / STOP).unlink(missing_ok=True)
                (run.folder / STARTED).unlink(missing_ok=True)
        except Timeout as error:
            raise RunError(f"Run {run.id} is in use: try again in a few seconds.") from error
        return run

    def rename(self, run_id: str, title: str, *, by: Actor = OPERATOR) -> None:
        """Give a run a title that replaces its note; an empty one removes it.

        Raises:
            RunError: if it is not there.
            RightsError: if it belongs to someone else.
            QuotaError: if the disk is full.
        """
        rename(self._own(run_id, by), title)

    def rename_race(self, race_id: str, title: str, *, by: Actor = OPERATOR) -> None:
        """Give a race or learning curve a title; with an empty one it is named after its arms.

        Raises:
            RunError: if there is no such race, or it was started before races had titles.
            RightsError: if one of its runs belongs to someone else.
            QuotaError: if the disk is full.
        """
        rename_race([self._own(run.id, by) for run in self.race(race_id)], title)

    def delete(self, run_id: str, *, by: Actor = OPERATOR) -> None:
        """Remove a run that is not active.

        Raises:
            RunError: if it is queued or running.
            RightsError: if it belongs to someone else.
        """
        run = self._own(run_id, by)
        state = run.state()
        if state.active:
            self.get(run_id)  # a run that was just deleted looks queued
            raise RunError(f"Run {run.id} is {state.value}: stop it before you delete it.")
        try:
            with plain_errors(run), hold(run, ASKER_SECONDS):
                # an interrupted one may have been resumed
                if run.result() is None and not (run.folder / STARTED).exists():
                    raise RunError(f"Run {run.id} is queued: stop it before you delete it.")
                if os.name == "posix":
                    remove_folder(run.folder)
            if os.name != "posix":  # there, no folder moves while a file in it is open
                with plain_errors(run):
                    remove_folder(run.folder)
        except Timeout as error:
            raise RunError(f"Run {run.id} is in use: try again in a few seconds.") from error

    def delete_dataset(self, dataset_id: str, *, by: Actor = OPERATOR) -> None:
        """Remove a dataset that no active run needs.

        Raises:
            DatasetError: if it is not there, or in use.
            RightsError: if it belongs to someone else.
        """
        with self._alone():
            users = [run.id for run in self.all() if run.state().active and _dataset(run) == dataset_id]
            if users:
                raise DatasetError(
                    f"The dataset {dataset_id} is in use by {len(users)} "
                    f"queued or running {'run' if len(users) == 1 else 'runs'} ({', '.join(users[:3])}"
                    f"{' …' if len(users) > 3 else ''}): stop them, or wait until they have finished."
                )
            DatasetStore(self.settings).delete(dataset_id, by=by)

    def _own(self, run_id: str, by: Actor) -> Run:
        run = self.get(run_id)
        if not by.presenter:
            try:
                owner = run.meta().owner
            except RunError:
                self.get(run_id)  # it was just deleted, not damaged
                raise
            by.check_may_change(owner, f"Run {run.id}")
        return run


def _stopped_text(run: Run) -> str:
    began = (run.folder / STARTED).exists()
    text = "Stopped after an interruption; saved weights were kept." if began else "Stopped while queued."
    return f"{run.stop_reason} {text}".lstrip()


@functools.lru_cache(maxsize=10_000)
def _created(folder: Path) -> float:
    """When a run was created; this never changes, and no id is used twice."""
    return Run(folder).meta().created


def _owner(folder: Path) -> str | None:
    try:
        return Run(folder).meta().owner
    except RunError:
        return None


def _dataset(run: Run) -> str | None:
    try:
        return run.config().dataset
    except RunError:
        return None
