"""What the scheduler and its workers agree on: how a worker ends, and whether the app is shutting down."""

import time
from pathlib import Path

from core.settings import Settings

PAUSED = 75  # exit status of a worker: its run is paused and queued again
TAKEN = 76  # exit status of a worker: another worker has the run, or it was deleted
CLOSING_SECONDS = 20.0  # that nothing starts after a shutdown


def closing_path(settings: Settings) -> Path:
    """The file that a shutdown touches."""
    return settings.home / "closing"


def is_closing(settings: Settings) -> bool:
    """Whether the app was shut down a moment ago: nothing may start until it is started again."""
    try:
        since = time.time() - closing_path(settings).stat().st_mtime
    except OSError:
        return False
    return 0 <= since < CLOSING_SECONDS
