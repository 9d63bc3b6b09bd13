"""The state of runs and queue as all sessions see it: the disk is read once a second, not once per viewer."""

import time
from dataclasses import dataclass
from functools import lru_cache

from core.config.arm_names import name_arm
from core.config.train_config import TrainConfig
from core.jobs.watchdog import stalled_since
from core.locks import is_held
from core.runs.attempts import read_attempts
from core.runs.history import RunHistory
from core.runs.reader import RunReader
from core.runs.remaining import seconds_until
from core.runs.run import Run, RunMeta, RunResult, RunState
from core.runs.summary import RunSummary, title_of
from core.scheduling.run_queue import QueueView, Turn, read_queue
from core.settings import Settings
from pages.components.shared.snapshots.shared_cache import SharedCache

LIVE_SECONDS = 0.7
MAX_SNAPSHOTS = 512  # more than a room watches in a second


@dataclass(frozen=True, eq=False)
class RunSnapshot:
    """Everything a page shows of a run at one moment; compared by identity."""

    id: str
    config: TrainConfig
    meta: RunMeta
    state: RunState
    result: RunResult | None
    history: RunHistory
    turn: Turn | None  # of a queued run, once the scheduler has planned it
    held: str  # why nothing starts: "paused", "disk", "closing"
    has_weights: bool
    stopping: bool  # it was asked to stop
    stalled_since: float | None  # seconds since 1970; its worker makes no progress
    moving: bool  # it may still change by itself
    evaluating: bool = False  # it has ended without a test result, which is being computed

    @property
    def starting(self) -> bool:
        """Whether a queued run has its turn: it counts as running."""
        return self.state is RunState.QUEUED and not self.held and (self.turn is None or self.turn.before == 0)

    @property
    def expected_end(self) -> float | None:
        """When it is expected to end, in seconds since 1970; None if unknown."""
        if self.state is RunState.QUEUED:
            return self.turn.expected_end if self.turn is not None else None
        return self.history.expected_end if self.state is RunState.RUNNING else None

    @property
    def seconds_left(self) -> float | None:
        """Seconds until it ends, its wait in the queue included; None if unknown."""
        return seconds_until(self.expected_end, time.time())

    @property
    def starts_in(self) -> float | None:
        """Seconds until a queued run starts; None if unknown."""
        return seconds_until(self.turn.expected_start, time.time()) if self.turn is not None else None

    @property
    def title(self) -> str:
        """Network and strategy, with what its owner calls it."""
        return title_of(self.config, self.meta)

    @property
    def arm(self) -> str:
        """Its name where it is shown alone; of several, `name_configs` gives names that differ."""
        return name_arm(self.config)


def look_at(settings: Settings, run_id: str) -> RunSnapshot:
    """The newest snapshot of a run, about `LIVE_SECONDS` old at most, shared by all sessions.

    Raises:
        RunError: if there is no such run.
    """
    return _snapshots.get((settings, run_id), lambda: _take(settings, run_id))


def list_runs(settings: Settings) -> list[RunSummary]:
    """Every run but the trials of sweeps, newest first, about `LIVE_SECONDS` old at most, shared by all sessions."""
    return _read_lists(settings)[0]


def list_with_trials(settings: Settings) -> list[RunSummary]:
    """Every run, the trials of sweeps included, newest first: what the queue holds."""
    return _read_lists(settings)[1]


def look_at_queue(settings: Settings) -> QueueView:
    """The scheduler's latest view of the queue, shared by all sessions."""
    return _queues.get(settings, lambda: read_queue(settings))


def list_usable(settings: Settings) -> list[RunSummary]:
    """The runs that can predict, newest first, shared by all sessions."""
    return _usable.get(settings, lambda: _find_usable(settings))


def forget_runs() -> None:
    """Drop what was read of runs, after this session changed something."""
    for shared in (_snapshots, _lists, _usable, _queues):
        shared.forget()


_snapshots: SharedCache[tuple[Settings, str], RunSnapshot] = SharedCache(LIVE_SECONDS, MAX_SNAPSHOTS)
_lists: SharedCache[Settings, tuple[list[RunSummary], list[RunSummary]]] = SharedCache(LIVE_SECONDS, max_entries=8)
_queues: SharedCache[Settings, QueueView] = SharedCache(LIVE_SECONDS, max_entries=8)
_usable: SharedCache[Settings, list[RunSummary]] = SharedCache(LIVE_SECONDS, max_entries=8)


def _read_lists(settings: Settings) -> tuple[list[RunSummary], list[RunSummary]]:
    """Without the trials of sweeps, of which there may be hundreds, and with them."""

    def read() -> tuple[list[RunSummary], list[RunSummary]]:
        found = _reader(settings).summaries()
        return [item for item in found if item.meta.sweep is None], found

    return _lists.get(settings, read)


@lru_cache(maxsize=8)
def _reader(settings: Settings) -> RunReader:
    return RunReader(settings)


def _take(settings: Settings, run_id: str) -> RunSnapshot:
    reader = _reader(settings)
    run = reader.store.get(run_id)
    config, meta = reader.describe(run)
    state, queue = run.state(), look_at_queue(settings)
    result, history = reader.result(run), run.history()
    untested = result is not None and history.tested is None and meta.sweep is None  # trials are not evaluated
    evaluating = untested and is_held(run.lock_path)
    return RunSnapshot(
        id=run.id,
        config=config,
        meta=meta,
        state=state,
        result=result,
        history=history,
        turn=queue.turn(run.id) if state is RunState.QUEUED else None,
        held=queue.held,
        has_weights=run.has_weights,
        stopping=state is RunState.RUNNING and run.stop_requested,
        stalled_since=stalled_since(run.folder) if state is RunState.RUNNING else None,
        moving=state.active or evaluating or (state is RunState.INTERRUPTED and read_attempts(run.folder).left),
        evaluating=evaluating,
    )


def _find_usable(settings: Settings) -> list[RunSummary]:
    folder = _reader(settings).store.folder
    return [item for item in list_runs(settings) if Run(folder / item.id).has_weights]
