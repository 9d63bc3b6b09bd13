"""The state of a race as all sessions see it: its runs, their epochs, and the result so far."""

import time
from dataclasses import dataclass

from core.config.events import EpochDone, PointDone
from core.errors import RunError, TuneMyPetsError
from core.races.race import Race, find_race, list_races
from core.races.run_comparison import RaceResult, compare_race
from core.runs.remaining import expect_last_end, seconds_until
from core.runs.run import RunState
from core.runs.summary import RunSummary
from core.settings import Settings
from pages.components.shared.runs_snapshot import LIVE_SECONDS, forget_runs, list_runs, look_at
from pages.components.shared.shared_cache import SharedCache

Epochs = tuple[EpochDone, ...]
Points = tuple[PointDone, ...]


@dataclass(frozen=True, eq=False)
class RaceSnapshot:
    """Everything a page shows of a race at one moment.

    Attributes:
        epochs: run id -> its epochs so far.
        points: of a learning curve, run id -> its points so far.
        progress: of all runs together, 0 to 1.
        expected_end: of its last run, in seconds since 1970; None while that of one is unknown.
        result: None where it cannot be compared; then `problem` says why.
    """

    race: Race
    epochs: dict[str, Epochs]
    points: dict[str, Points]
    progress: float
    expected_end: float | None
    result: RaceResult | None
    problem: str

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
# the history of a finished run never changes
_ended: SharedCache[tuple[Settings, str], tuple[Epochs, Points]] = SharedCache(None, max_entries=512)
# what is missing depends on how the other runs ended
_results: SharedCache[tuple[Settings, str, tuple[tuple[str, RunState, bool], ...]], RaceResult] = SharedCache(
    None, max_entries=64
)


def _take(settings: Settings, race_id: str) -> RaceSnapshot:
    race = find_race(list_runs(settings), race_id)
    histories = {run.id: _history(settings, run) for run in race.runs}
    epochs, points = ({run_id: both[place] for run_id, both in histories.items()} for place in (0, 1))
    result, problem = None, ""
    tested = tuple((run.id, run.state, run.tested is not None) for run in race.runs)
    if race.plan.kind == "race":
        try:
            result = _results.get((settings, race_id, tested), lambda: compare_race(settings, race))
        except TuneMyPetsError as error:
            problem = str(error)
    progress = sum(_progress(settings, run) for run in race.runs) / max(1, len(race.entries))
    return RaceSnapshot(race, epochs, points, progress, _expect_end(settings, race), result, problem)


def _history(settings: Settings, run: RunSummary) -> tuple[Epochs, Points]:
    if run.state is RunState.QUEUED:
        return (), ()
    if run.state.active or run.state is RunState.INTERRUPTED:
        return _read_history(settings, run)
    return _ended.get((settings, run.id), lambda: _read_history(settings, run))


def _read_history(settings: Settings, run: RunSummary) -> tuple[Epochs, Points]:
    try:
        history = look_at(settings, run.id).history
    except RunError:  # deleted just now
        return (), ()
    return tuple(history.epochs), tuple(history.points)


def _progress(settings: Settings, run: RunSummary) -> float:
    if run.state is RunState.QUEUED:
        return 0.0
    if not run.state.active:
        return 1.0
    try:
        history = look_at(settings, run.id).history
    except RunError:
        return 1.0
    if run.meta.plan is not None and run.meta.plan.kind == "curve":
        return len(history.points) / max(1, len(run.meta.plan.sizes) * len(run.meta.plan.seeds))
    return history.batches[-1].progress if history.batches else 0.0


def _expect_end(settings: Settings, race: Race) -> float | None:
    try:
        snapshots = [look_at(settings, run.id) for run in race.runs if run.state.active]
    except RunError:  # deleted just now
        return None
    return expect_last_end(item.expected_end for item in snapshots if item.state.active)
