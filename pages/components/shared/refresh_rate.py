"""How many people watch just now, and how often their pages may ask for news.

A server of Python has one core for all its sessions, and shares the machine with the trainings: sixty pages that redraw
every second keep it half busy and halve their speed. So the pages of a crowd ask a little less often.
"""

import math
import threading
import time

WATCHERS_PER_SECOND = 25
REFRESH_SECONDS = 1.0
LONGEST_SECONDS = 10.0
GONE_SECONDS = 2.5 * LONGEST_SECONDS  # a page that has not asked for this long is not there any more
CALM = 0.75  # pages go back to a shorter interval only when it is this far from being too much


class Crowd:
    """The watchers of this server."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._seen: dict[str, float] = {}  # time.monotonic() of the last look

    def note(self, watcher: str) -> None:
        """Count a page that has just asked for news."""
        now = time.monotonic()
        with self._lock:
            self._seen.pop(watcher, None)
            self._seen[watcher] = now  # the oldest come first
            while now - next(iter(self._seen.values())) > GONE_SECONDS:
                self._seen.pop(next(iter(self._seen)))

    @property
    def size(self) -> int:
        """Pages that asked for news a moment ago."""
        with self._lock:
            return len(self._seen)

    def interval(self, present: float | None = None) -> float:
        """Seconds between two looks of one page.

        Args:
            present: the page's interval now: it is left only for a good reason, so that pages do not go to and fro.
        """
        wanted = self._interval_for(self.size)
        if present is not None and wanted < present:
            return min(present, self._interval_for(math.ceil(self.size / CALM)))
        return wanted

    def _interval_for(self, watchers: int) -> float:
        return min(LONGEST_SECONDS, REFRESH_SECONDS * max(1, math.ceil(watchers / WATCHERS_PER_SECOND)))


crowd = Crowd()
