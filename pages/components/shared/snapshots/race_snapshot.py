"""The state of a race as all sessions see it: its runs, their epochs, and the result so far."""

import time
from contextlib import suppress
from dataclasses import dataclass

from core.config.events import EpochDone, PointDone
from core.errors import RunError, TuneMyPetsError
from core.races.race import Race, find_race, list_races
from core.races.run_comparison import RaceResult, compare_race
from core.runs.remaining import expect_last_end, seconds_until
from core.runs.run import RunState
from core.runs.summary import RunSummary
from core.settings import Settings
from pages.components.shared.snapshots.runs_snapshot import LIVE_SECONDS, RunSnapshot, forget_runs, list_runs, look_at
from pages.components.shared.snapshots.shared_cache import SharedCache

Epochs = tuple[EpochDone, ...]
Points = tuple[PointDone, ...]


@dataclass(frozen=True, eq=False)
class RaceSnapshot:
    """Everything a page shows of a race at one moment.

    Attributes:
        runs: run id -> its own snapshot; of a run that was deleted just now there is none.
        epochs: run id -> its epochs so far.
        points: of a learning curve, run id -> its points so far.
        progress: of all runs together, 0 to 1.
        expected_end: of its last run, in seconds since 1970; None while that of one is unknown.
        result: None where it cannot be compared; then `problem` says why.
    """

    race: Race
    runs: dict[str, RunSnapshot]
    epochs: dict[str, Epochs]
    points: dict[str, Points]
    progress: float
    expected_end: float | None
    result: RaceResult | None
    problem: str

    @property
    def moving(self) -> bool:
        """Whether it may still change by itself: a run is queued, running, resumes in a moment, or is evaluated."""
        return self.race.state.active or any(item.moving for item in self.runs.values())

    @property
    def seconds_left(self) -> float | None:
        """Seconds until its last run ends: never less than those of one of its runs; None if unknown."""
        return seconds_until(self.expected_end, time.time())


def races_of(settings: Settings) -> list[Race]:
    """Every race and learning curve, newest first, shared by all sessions."""
    return _lists.get(settings, lambda: list_races(list_runs(settings)))


def look_at_race(settings: Settings, race_id: str) -> RaceSnapshot:
    """The newest snapshot of a race.

    Raises:
        RunError: if no run belongs to it.
    """
    return _snapshots.get((settings, race_id), lambda: _take(settings, race_id))


def forget_races() -> None:
    """Drop what was read of runs and races, after this session changed something."""
    forget_runs()
    _snapshots.forget()
    _lists.forget()


_lists: SharedCache[Settings, list[Race]] = SharedCache(LIVE_SECONDS, max_entries=8)
_snapshots: SharedCache[tuple[Settings, str], RaceSnapshot] = SharedCache(LIVE_SECONDS, max_entries=64)
# an evaluated run never changes
_ended: SharedCache[tuple[Settings, str], RunSnapshot] = SharedCache(None, max_entries=512)
# what is missing depends on how the other runs ended
_results: SharedCache[tuple[Settings, str, tuple[tuple[str, RunState, bool], ...]], RaceResult] = SharedCache(
    None, max_entries=64
)


def _take(settings: Settings, race_id: str) -> RaceSnapshot:
    race = find_race(list_runs(settings), race_id)
    runs: dict[str, RunSnapshot] = {}
    for run in race.runs:
        with suppress(RunError):  # deleted just now
            runs[run.id] = _look_at_run(settings, run)
    result, problem = None, ""
    tested = tuple((run.id, run.state, run.tested is not None) for run in race.runs)
    if race.plan.kind == "race":
        try:
            result = _results.get((settings, race_id, tested), lambda: compare_race(settings, race))
        except TuneMyPetsError as error:
            problem = str(error)
    return RaceSnapshot(
        race,
        runs,
        {run.id: tuple(runs[run.id].history.epochs) if run.id in runs else () for run in race.runs},
        {run.id: tuple(runs[run.id].history.points) if run.id in runs else () for run in race.runs},
        sum(share_done(item) for item in runs.values()) / max(1, len(race.entries)),
        expect_last_end(item.expected_end for item in runs.values() if item.state.active),
        result,
        problem,
    )


def _look_at_run(settings: Settings, run: RunSummary) -> RunSnapshot:
    if run.tested is None:
        return look_at(settings, run.id)
    key = settings, run.id
    found = _ended.get(key, lambda: look_at(settings, run.id))
    if found.result is None or found.history.tested is None:  # it was taken a moment before the end
        _ended.drop(key, found)
    return found


def share_done(run: RunSnapshot) -> float:
    """How far the training of a run is, 0 to 1."""
    if run.state is RunState.QUEUED:
        return 0.0
    if not run.state.active and run.state is not RunState.INTERRUPTED:
        return 1.0
    if run.meta.plan is not None and run.meta.plan.kind == "curve":
        return len(run.history.points) / max(1, run.meta.plan.points)
    return run.history.batches[-1].progress if run.history.batches else 0.0
