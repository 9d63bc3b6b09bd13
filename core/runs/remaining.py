"""How long runs and races still take: the one estimate that pages, the queue and the command line show.

A training estimates its own end in its events (`BatchDone.eta_seconds`, `Progress.eta_seconds`): everyone who reads the
newest one, counted down by the clock, shows the same. Starting, measuring and storing have no pace, so there is no
estimate before a tenth of the steady steps is done; a training with a budget in seconds knows its end from its first
step. All times are in seconds, moments since 1970.
"""

from collections.abc import Iterable

from core.config.events import BatchDone, Event, PhaseStarted, Progress

STEADY_SHARE = 0.1  # of the steps, which have to be done before their pace is shown


def expect_end(earlier: float | None, moment: float, event: Event) -> float | None:
    """The moment at which a run is expected to end, its evaluation included, after one more of its events.

    Args:
        earlier: what was expected before the event.
        moment: of the event.
    """
    match event:
        case PhaseStarted(phase="preparing" | "training"):
            return None
        case BatchDone():
            return None if event.eta_seconds is None else moment + event.eta_seconds
        case Progress(phase="training", eta_seconds=float() | int() as seconds):  # of a learning curve
            return moment + seconds
        case Progress(phase="testing", eta_seconds=float() | int() as seconds):  # of one split: others may follow
            return moment + seconds if earlier is None else max(earlier, moment + seconds)
    return earlier


def seconds_until(end: float | None, now: float) -> float | None:
    """Seconds until an expected moment: at least 0, however late it is; None where nothing is expected."""
    return None if end is None else max(0.0, end - now)


def expect_last_end(ends: Iterable[float | None]) -> float | None:
    """The moment at which the last of several runs is expected to end; None if one is unknown, or there is none."""
    latest: float | None = None
    for end in ends:
        if end is None:
            return None
        latest = end if latest is None else max(latest, end)
    return latest
