"""The queue: which run is next, when it starts, and what the presenter changed about it.

The scheduler writes `queue.json` whenever the order changes: pages and commands read this one file instead of every
run. The presenter writes `queue-control.json`, and the scheduler reads it.
"""

import dataclasses
import heapq
import itertools
import time
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from core.actor import Actor
from core.errors import RunError
from core.locks import hold_lock
from core.runs.run import RunState
from core.runs.summary import RunSummary
from core.scheduling.places import Places, Waiting
from core.settings import Settings
from core.storage import is_id, read_json, write_json

LOCK_SECONDS = 5.0
WRITE_SECONDS = 1.0  # between two writings of the queue, unless its order has changed
SAME_START_SECONDS = 5.0  # a start that is expected this much earlier or later is no news


Span = tuple[float | None, float | None]  # seconds until a start and until an end; None where unknown
UNKNOWN: Span = (None, None)


@dataclass(frozen=True)
class Turn:
    """When a queued run will have its turn."""

    id: str
    before: int  # runs that are running or come first
    expected_start: float | None  # seconds since 1970; None if unknown
    expected_end: float | None = None


@dataclass(frozen=True)
class QueueView:
    """The queue as the scheduler last wrote it.

    Attributes:
        turns: the queued runs, next first.
        held: why nothing starts: "paused", "disk" too full, "closing", "cluster" without a node; empty otherwise.
        running: the runs that are running or being started.
    """

    turns: tuple[Turn, ...] = ()
    held: str = ""
    running: tuple[str, ...] = ()

    def turn(self, run_id: str) -> Turn | None:
        """The turn of a run; None while the scheduler has not seen it."""
        return next((turn for turn in self.turns if turn.id == run_id), None)


@dataclass(frozen=True)
class QueueControl:
    """What the presenter changed about the queue.

    Attributes:
        paused: running trainings continue; no new ones start.
        first: runs that come before all others, in this order.
    """

    paused: bool = False
    first: tuple[str, ...] = field(default=())


def fair_order(
    waiting: Iterable[Waiting],
    begun: Mapping[str, float],
    first: Sequence[str] = (),
    heats: Container[tuple[str, int]] = (),
) -> list[Waiting]:
    """The order in which queued runs start: round robin among owners, each owner's oldest run or heat first.

    Args:
        begun: when a run of an owner last began; the owner who has waited longest is next.
        first: runs that the presenter put before all others.
        heats: that have begun: the rest of them comes next.
    """
    oldest: dict[tuple[str, int], float] = {}
    runs = sorted(waiting, key=lambda item: (item.created, item.id))
    for item in runs:
        oldest.setdefault((item.race or item.id, item.seed), item.created)
    runs.sort(key=lambda item: (oldest[item.race or item.id, item.seed], item.race, item.seed, item.rank))
    by_id = {item.id: item for item in runs}
    ahead = [by_id.pop(run_id) for run_id in first if run_id in by_id]
    ahead += [by_id.pop(item.id) for item in runs if item.id in by_id and item.heat in heats]
    queues: dict[str, dict[tuple[str, int], list[Waiting]]] = {}
    for item in by_id.values():
        queues.setdefault(item.owner, {}).setdefault(item.heat, []).append(item)
    turns = {owner: list(queue.values()) for owner, queue in queues.items()}
    heads = [((begun.get(owner, 0.0), queue[0][0].created, queue[0][0].id), owner, 0) for owner, queue in turns.items()]
    heapq.heapify(heads)
    turn = max([*begun.values(), 0.0])
    ordered = []
    while heads:
        _, owner, place = heapq.heappop(heads)
        queue = turns[owner]
        ordered += queue[place]
        turn += 1  # an owner who had a turn comes after all who had none since
        if place + 1 < len(queue):
            following = queue[place + 1][0]
            heapq.heappush(heads, ((turn, following.created, following.id), owner, place + 1))
    return ahead + ordered


def expect_turns(
    order: Sequence[Waiting],
    running: Sequence[tuple[Waiting, float | None]],
    slots: int,
    seconds: Callable[[str], float | None],
) -> list[Span]:
    """Seconds from now until each run starts and ends; None from where it is unknown.

    Args:
        running: the runs that are running, and what is left of each in seconds.
        slots: how many places the machine has.
        seconds: what a run will take.
    """
    places = Places(slots)
    for item, _ in running:
        places.enter(item)
    numbers = itertools.count()
    ends = [(left, next(numbers), item) for item, left in running if left is not None]
    heapq.heapify(ends)
    now, spans = 0.0, list[Span]()
    for item in order:
        while ends and not places.has_room(item):
            now, _, ended = heapq.heappop(ends)
            places.leave(ended)
        if not places.has_room(item):  # it waits for a run whose end is unknown
            break
        takes = seconds(item.id)
        places.enter(item)
        spans.append((now, None if takes is None else now + takes))
        if takes is not None:
            heapq.heappush(ends, (now + takes, next(numbers), item))
    return spans + [UNKNOWN] * (len(order) - len(spans))


def read_queue(settings: Settings) -> QueueView:
    """The queue as the scheduler last wrote it; empty if it never did."""
    try:
        values = read_json(settings.home / "queue.json")
        turns = tuple(
            Turn(str(name), int(before), *(None if moment is None else float(moment) for moment in (start, end)))
            for name, before, start, end in values["turns"]
        )
        return QueueView(turns, str(values["held"]), tuple(map(str, values.get("running", ()))))
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return QueueView()


def write_queue(settings: Settings, view: QueueView) -> None:
    """Write the queue; only the scheduler does."""
    turns = [[turn.id, turn.before, turn.expected_start, turn.expected_end] for turn in view.turns]
    values = {"turns": turns, "held": view.held, "running": view.running, "written": time.time()}
    write_json(settings.home / "queue.json", values)


class QueueWriter:
    """Writes the queue down when it has changed, and the expected starts about once a second when they have moved."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._view = read_queue(settings)
        self._written = -WRITE_SECONDS

    def show(
        self, waiting: Sequence[Waiting], running: Sequence[str], held: str, expect: Callable[[], Sequence[Span]]
    ) -> None:
        """Show what was decided.

        Args:
            waiting: next first.
            running: the runs that are running or being started.
            held: why nothing starts; empty otherwise.
            expect: estimates the seconds until each waiting run starts and ends; asked only where they are written.
        """
        shown = held, tuple(running), [item.id for item in waiting]
        news = shown != (self._view.held, self._view.running, [turn.id for turn in self._view.turns])
        if not news and time.monotonic() - self._written < WRITE_SECONDS:
            return
        self._written = time.monotonic()
        now = time.time()
        expected = [UNKNOWN] * len(waiting) if held else expect()
        turns = tuple(
            Turn(item.id, len(running) + place, *(None if seconds is None else now + seconds for seconds in span))
            for place, (item, span) in enumerate(zip(waiting, expected, strict=True))
        )
        if news or any(_has_moved(old, new) for old, new in zip(self._view.turns, turns, strict=True)):
            with suppress(OSError):  # a full disk
                view = QueueView(turns, held, tuple(running))
                write_queue(self.settings, view)
                self._view = view


def _has_moved(old: Turn, new: Turn) -> bool:
    if old.before != new.before:
        return True
    pairs = (old.expected_start, new.expected_start), (old.expected_end, new.expected_end)
    return any(
        before != after if before is None or after is None else abs(before - after) > SAME_START_SECONDS
        for before, after in pairs
    )


def sort_active(items: Iterable[RunSummary], queue: QueueView) -> tuple[list[RunSummary], list[RunSummary]]:
    """The runs that are running, those being started included, and the runs that wait, next first."""
    active = sorted((item for item in items if item.state.active), key=lambda item: (item.meta.created, item.id))
    running = [item for item in active if item.state is RunState.RUNNING or item.id in queue.running]
    places = {turn.id: place for place, turn in enumerate(queue.turns)}
    waiting = [item for item in active if item not in running]
    return running, sorted(waiting, key=lambda item: places.get(item.id, len(places)))


def read_control(settings: Settings) -> QueueControl:
    """What the presenter changed about the queue."""
    try:
        values = read_json(settings.home / "queue-control.json")
        return QueueControl(values["paused"] is True, tuple(str(run_id) for run_id in values["first"]))
    except (OSError, ValueError, KeyError, TypeError):
        return QueueControl()


def pause_queue(settings: Settings, paused: bool, by: Actor) -> None:
    """Start no new runs, or start them again.

    Raises:
        RightsError: unless `by` is the presenter.
    """
    by.check_presenter("Pausing the queue")
    _change(settings, lambda control: dataclasses.replace(control, paused=paused))


def put_first(settings: Settings, run_ids: Sequence[str], by: Actor) -> None:
    """Let these runs start before all others, in this order; an empty list restores the fair order.

    Raises:
        RightsError: unless `by` is the presenter.
        RunError: if one of them cannot be the id of a run.
    """
    by.check_presenter("Changing the order of the queue")
    for run_id in run_ids:
        if not is_id(run_id):
            raise RunError(f"There is no run {run_id[:64]!r}: choose one from the queue.")
    _change(settings, lambda control: dataclasses.replace(control, first=tuple(dict.fromkeys(run_ids))))


def _change(settings: Settings, change: Callable[[QueueControl], QueueControl]) -> None:
    busy = RunError("Someone else is changing the queue: try again in a few seconds.")
    with hold_lock(settings.home / "queue-control.lock", LOCK_SECONDS, busy):
        control = change(read_control(settings))
        write_json(settings.home / "queue-control.json", {"paused": control.paused, "first": list(control.first)})
