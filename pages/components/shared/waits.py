"""Why a queued training or race waits, in words."""

from core.formatting import format_count, format_estimate

HELD = {
    "paused": "Waiting: the presenter has paused the queue",
    "disk": "Waiting: the disk is full; the training starts when there is space",
    "closing": "Waiting: the app is shutting down; the training starts when it is back",
    "cluster": "Waiting: no machine of the cluster can train now",
}


def describe_wait(held: str, before: int, starts_in: float | None) -> str:
    """Why it has not started, and when it will.

    Args:
        held: why nothing starts, as the queue has it; empty otherwise.
        before: runs that are running or come first.
        starts_in: seconds; None if unknown.
    """
    if held in HELD:
        return HELD[held]
    if before == 0:
        return "Starting"
    when = "" if starts_in is None else f" · starts in {format_estimate(starts_in)}"
    return f"Waiting: {format_count(before, 'run')} before this one{when}"
