"""How far a command is that reads or writes a whole data root."""

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

REPORT_SECONDS = 0.25


@dataclass(frozen=True)
class BytesDone:
    """Bytes done, of how many, and the seconds that are left."""

    done: int
    total: int
    eta_seconds: float | None


Report = Callable[[BytesDone], None]


class Meter:
    """Counts bytes, of any thread, and reports now and then once it takes more than a second."""

    def __init__(self, total: int = 0, report: Report | None = None) -> None:
        self.total = total
        self.done = 0
        self._report = report
        self._lock = threading.Lock()
        self._started = self._last = time.monotonic()

    def add(self, count: int) -> None:
        """So many bytes more are done."""
        with self._lock:
            self.done += count
            now = time.monotonic()
            if self._report is None or now - self._started < 1 or now - self._last < REPORT_SECONDS:
                return
            self._last = now
            left = max(0, self.total - self.done)
            seconds = (now - self._started) / max(1, self.done) * left
            self._report(BytesDone(min(self.done, self.total), self.total, seconds))


def bytes_below(folder: Path) -> int:
    """Size of all regular files below a folder; links are not followed."""
    total = 0
    for place, _, files in os.walk(folder):
        for name in files:
            try:
                total += os.lstat(os.path.join(place, name)).st_size  # noqa: PTH118 # twice as fast as a Path
            except OSError:
                continue
    return total
