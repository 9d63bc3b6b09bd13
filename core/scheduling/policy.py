"""The scheduler's policy: what to do about the runs, given what is seen of them.

`decide` reads no file, clock or process, and remembers nothing. The dispatcher looks, and carries out what it decides.
"""

import enum
import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from core.jobs.states import PAUSED, TAKEN
from core.runs.run import RunState
from core.scheduling.places import Places, Waiting
from core.scheduling.run_queue import fair_order

SHOWN_SECONDS = 10.0  # that a worker has not moved, until pages show it
ENDED_SECONDS = 45.0  # that a worker has not moved, until it is killed
PRELOADER_SECONDS = 30.0  # that a preloader owes an answer and computes nothing: it is stopped or stuck
KILLED = -9  # exit status of a process that was killed, as the system does when memory runs out


@dataclass(frozen=True)
class SeenRun:
    """One run, seen at one moment.

    Attributes:
        created: in seconds since 1970.
        begun: when it last began, in seconds since 1970; 0 if never.
        evaluated: it was interrupted, then evaluated: it has a result.
        attempts_left: it may be resumed automatically.
        worker_alive: this scheduler started its worker, which lives.
        exit_status: of the worker that this scheduler started, if it has ended since the last look.
        worker_ended: this scheduler killed its worker, because it had not moved.
        memory_kills: processes that the system killed for memory since its worker started, as far as that is known.
        looked_at: how its worker ended was looked into before.
        silent_seconds: how long its worker has not moved; 0 where it was not measured in this look.
        stalled: pages show that its worker does not move.
        race, seed, rank, abreast: of an arm, as `Waiting` has them.
        needed_bytes: of memory, where it would start next to another arm.
    """

    id: str
    owner: str
    created: float
    state: RunState
    begun: float = 0.0
    stop_requested: bool = False
    evaluated: bool = False
    attempts_left: bool = True
    worker_alive: bool = False
    exit_status: int | None = None
    worker_ended: bool = False
    memory_kills: int = 0
    looked_at: bool = False
    silent_seconds: float = 0.0
    stalled: bool = False
    race: str = ""
    seed: int = 0
    rank: int = 0
    abreast: int = 1
    needed_bytes: float = 0.0

    @property
    def waiting(self) -> Waiting:
        """The run as its turn depends on it."""
        return Waiting(self.id, self.owner, self.created, self.race, self.seed, self.rank, self.abreast)


@dataclass(frozen=True)
class Seen:
    """All that a decision depends on.

    Attributes:
        runs: oldest first, without those that are known to have ended.
        slots: how many runs, or races whose arms run side by side, may run at the same time.
        begun: when a run of an owner last began, in seconds since 1970.
        first: runs that the presenter put first, in this order.
        preloader_lost: the preloader has ended.
        preloader_silent_seconds: how long the preloader has owed an answer and computed nothing.
        free_bytes: of memory, for another arm.
        cluster_lost: trainings run on a cluster, and no node of it can take one.
    """

    runs: tuple[SeenRun, ...]
    slots: int = 1
    begun: Mapping[str, float] = field(default_factory=dict)
    first: tuple[str, ...] = ()
    paused: bool = False
    disk_full: bool = False
    closing: bool = False
    preloader_lost: bool = False
    preloader_silent_seconds: float = 0.0
    free_bytes: float = math.inf
    cluster_lost: bool = False


class Deed(enum.Enum):
    """What can be done about a run."""

    START = "start its worker"
    RESUME = "queue it again after a crash"
    STOP = "end it: a stop was requested, and no worker is there to obey"
    FAIL = "record that its worker ended before it began"
    FAIL_FOR_MEMORY = "record that memory ran out"
    COUNT_CRASH = "count an attempt whose worker was killed before it began"
    NOTE_END = "note that it stays interrupted, and that the end of its worker was looked into"
    TIDY = "remove what is left after its end"
    SHOW_STALLED = "show that its worker does not move"
    END_WORKER = "kill its worker, which does not move"


@dataclass(frozen=True)
class RunAction:
    """Something to do about one run."""

    deed: Deed
    run: str


@dataclass(frozen=True)
class ReplacePreloader:
    """Drop the preloader, and forget the workers whose ends only it would have reported."""


@dataclass(frozen=True)
class ShowQueue:
    """Show the queue to everyone.

    Attributes:
        waiting: next first.
        running: those that are being started included.
        held: why nothing starts: "closing", "disk", "paused" or "cluster"; empty otherwise.
    """

    waiting: tuple[Waiting, ...]
    running: tuple[str, ...]
    held: str


Action = RunAction | ReplacePreloader | ShowQueue


class _Place(enum.Enum):
    WAITS = enum.auto()
    RUNS = enum.auto()
    RESTS = enum.auto()


def decide(seen: Seen) -> list[Action]:
    """What to do now, in this order: first replace a lost preloader, else see to each run and show the queue."""
    if seen.preloader_lost or seen.preloader_silent_seconds > PRELOADER_SECONDS:
        return [ReplacePreloader()]
    actions: list[Action] = []
    waiting: list[SeenRun] = []
    running: list[SeenRun] = []
    begun = dict(seen.begun)
    for run in seen.runs:
        place, deeds = _see_to(run, seen.closing)
        actions += [RunAction(deed, run.id) for deed in deeds]
        if place is _Place.RUNS:
            running.append(run)
        elif place is _Place.WAITS:
            waiting.append(run)
            begun[run.owner] = max(run.begun, begun.get(run.owner, 0.0))
    reasons = (
        ("closing", seen.closing),
        ("disk", seen.disk_full),
        ("paused", seen.paused),
        ("cluster", seen.cluster_lost),
    )
    held = next((reason for reason, holds in reasons if holds), "")
    heats = {run.waiting.heat for run in running}
    order = fair_order([run.waiting for run in waiting], begun, seen.first, heats)
    started = [] if held else _choose_starts(order, running, {run.id: run.needed_bytes for run in waiting}, seen)
    actions += [RunAction(Deed.START, item.id) for item in started]
    present = (*(run.id for run in running), *(item.id for item in started))
    actions.append(ShowQueue(tuple(order[len(started) :]), present, held))
    return actions


def _choose_starts(
    order: list[Waiting], running: list[SeenRun], needed_bytes: Mapping[str, float], seen: Seen
) -> list[Waiting]:
    """The first in the queue, as many as there are places; a second arm only where its memory is free."""
    places, free = Places(seen.slots), seen.free_bytes
    for run in running:
        places.enter(run.waiting)
    started = []
    for item in order:
        if not places.has_room(item) or (places.has_company(item) and needed_bytes[item.id] > free):
            break
        places.enter(item)
        free -= needed_bytes[item.id]
        started.append(item)
    return started


def _see_to(run: SeenRun, closing: bool) -> tuple[_Place, list[Deed]]:
    """Where a run belongs after this look, and what to do about it."""
    if run.state is RunState.RUNNING or run.worker_alive:
        return _Place.RUNS, _watch(run)
    if run.state is RunState.QUEUED:
        return _see_to_queued(run)
    if run.state is RunState.INTERRUPTED:
        return _see_to_interrupted(run, closing)
    return _Place.RESTS, [Deed.TIDY]


def _watch(run: SeenRun) -> list[Deed]:
    """See to a worker that may have stopped moving."""
    # one that was asked to stop should have obeyed long ago
    if run.silent_seconds >= (SHOWN_SECONDS if run.stop_requested else ENDED_SECONDS):
        return [Deed.END_WORKER]
    if run.silent_seconds >= SHOWN_SECONDS and not run.stalled:
        return [Deed.SHOW_STALLED]
    return []


def _see_to_queued(run: SeenRun) -> tuple[_Place, list[Deed]]:
    deeds = []
    # a worker that paused its run leaves it queued, and so does one that was too late for it
    if run.exit_status not in (None, 0, PAUSED, TAKEN):
        if _ran_out_of_memory(run):
            return _Place.RESTS, [Deed.FAIL_FOR_MEMORY]
        if run.exit_status > 0 or not run.attempts_left:
            return _Place.RESTS, [Deed.FAIL]  # it would end the same way every time
        deeds = [Deed.COUNT_CRASH]
    if run.stop_requested:
        return _Place.RESTS, [*deeds, Deed.STOP]
    return _Place.WAITS, deeds


def _see_to_interrupted(run: SeenRun, closing: bool) -> tuple[_Place, list[Deed]]:
    if run.evaluated:
        return _Place.RESTS, []
    if run.exit_status is not None and _ran_out_of_memory(run):
        return _Place.RESTS, [Deed.FAIL_FOR_MEMORY]
    if run.stop_requested:
        return _Place.RESTS, [Deed.STOP]
    if run.exit_status is None and _ran_out_of_memory(run):
        return _Place.RESTS, [Deed.FAIL_FOR_MEMORY]
    if closing:
        return _Place.RESTS, []
    if run.attempts_left:
        return _Place.WAITS, [Deed.RESUME]
    return _Place.RESTS, [] if run.looked_at else [Deed.NOTE_END]


def _ran_out_of_memory(run: SeenRun) -> bool:
    """Whether the system killed its worker for memory; a worker whose end is not known is blamed once at most."""
    if run.worker_ended or run.memory_kills <= 0:  # a restart of the machine sets the count back
        return False
    return not run.looked_at if run.exit_status is None else run.exit_status == KILLED
