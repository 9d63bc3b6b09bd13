"""Views that redraw themselves while a training runs, less often the more pages watch.

A Python server has one core for all its sessions, and shares the machine with the trainings: sixty pages that redraw
every second keep it half busy and halve its speed. So the pages of a crowd refresh a little less often.
"""

import math
import secrets
import threading
import time
from collections.abc import Callable
from typing import TypeVar

import streamlit as st

from core.settings import Settings
from pages.components.shared import frame

WATCHERS_PER_SECOND = 25
REFRESH_SECONDS = 1.0
LONGEST_SECONDS = 10.0
GONE_SECONDS = 2.5 * LONGEST_SECONDS  # a page that has not refreshed for this long was closed
CALM = 0.75  # pages return to a shorter interval only when it is this far from being too much
WATCHER = "watcher"

Snapshot = TypeVar("Snapshot")


class Watchers:
    """The pages of this server that watch a training."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: dict[str, float] = {}  # time.monotonic() of the last refresh

    def note(self, watcher: str) -> None:
        """Count a page that has just refreshed."""
        now = time.monotonic()
        with self._lock:
            self._seen.pop(watcher, None)
            self._seen[watcher] = now  # the oldest come first
            while now - next(iter(self._seen.values())) > GONE_SECONDS:
                self._seen.pop(next(iter(self._seen)))

    @property
    def size(self) -> int:
        """Pages that refreshed a moment ago."""
        with self._lock:
            return len(self._seen)

    def interval(self, present: float | None = None) -> float:
        """Seconds between two refreshes of one page.

        Args:
            present: the page's interval now; it changes only if the difference is clear, so that it does not flutter.
        """
        wanted = self._interval_for(self.size)
        if present is not None and wanted < present:
            return min(present, self._interval_for(math.ceil(self.size / CALM)))
        return wanted

    def _interval_for(self, watchers: int) -> float:
        return min(LONGEST_SECONDS, REFRESH_SECONDS * max(1, math.ceil(watchers / WATCHERS_PER_SECOND)))


watchers = Watchers()


def keep_up(
    settings: Settings,
    key: str,
    look: Callable[[], Snapshot],
    is_active: Callable[[Snapshot], bool],
    draw: Callable[[Snapshot], None],
    forget: Callable[[], None] = lambda: None,
) -> float | None:
    """Draw a snapshot, and a newer one again and again while it is active; then redraw the whole page once.

    The page is also redrawn where it has become active since.

    Args:
        key: of the fragment.
        forget: drops what was read before, when it is no longer active.
    Returns:
        Seconds between two refreshes; None if it is not active.
    """
    seconds = watchers.interval() if is_active(look()) else None

    def panel() -> None:
        with frame.explained():
            snapshot = look()
            if seconds is None:
                if is_active(snapshot):
                    st.rerun()  # the timer starts
            else:
                frame.wake_scheduler(settings)  # if it was killed, the runs that people watch continue
                watchers.note(st.session_state.setdefault(WATCHER, secrets.token_hex(8)))
                if not is_active(snapshot):
                    forget()
                    st.rerun()  # the whole page: its lists and verdicts have changed, and the timer stops
                if watchers.interval(seconds) != seconds:
                    st.rerun()  # with another timer
            draw(snapshot)

    st.fragment(panel, run_every=seconds, key=key)()
    return seconds
