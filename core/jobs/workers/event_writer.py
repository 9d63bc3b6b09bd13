"""The event log of a run as its worker writes it: one JSON line an event, and the time that all attempts took."""

import json
import threading
import time
from collections.abc import Callable

from core.config.events import Event, Tested, to_record
from core.runs.run import Run
from core.steps import Stopped


class EventWriter:
    """Writes the `events.jsonl` of a run, in the one process that holds the run's lock.

    Args:
        clock_ahead: seconds by which the presenter's clock is ahead of this machine's.

    Attributes:
        tested: whether this process wrote a test result.
        on_rewind: called with the length of the log after it was cut.
    """

    def __init__(self, run: Run, clock_ahead: float = 0.0) -> None:
        self.run = run
        self.tested = False
        self.on_rewind: Callable[[int], None] = _ignore
        self._clock_ahead = clock_ahead
        self._path = run.event_log
        self._began = time.monotonic()
        self._started: float | None = None  # on the clock `time.monotonic`, less what earlier attempts took
        self._closed = False
        self._lock = threading.Lock()

    @property
    def seconds(self) -> float:
        """Since the run began, without the time between its attempts."""
        return time.monotonic() - (self._began if self._started is None else self._started)

    def take_over(self, seconds: float) -> None:
        """Count on from what another machine has counted."""
        self._started = time.monotonic() - seconds

    def append(self, event: Event) -> None:
        """Write an event before anything else happens.

        Raises:
            Stopped: the log is closed.
            OSError: the disk is full; part of a line may be there.
        """
        line = json.dumps(
            {"time": time.time() + self._clock_ahead, **to_record(event)}, ensure_ascii=False, allow_nan=False
        )
        with self._lock:
            if self._closed:
                raise Stopped
            with self._path.open("ab") as file:
                file.write(line.encode() + b"\n")
        self.tested = self.tested or isinstance(event, Tested)

    def close(self) -> None:
        """Accept no more events: the log as it is now decides how the run ends."""
        with self._lock:
            self._closed = True

    def rewind(self, length: int) -> None:
        """Cut off the events of a training that is repeated; its time counts as this run's.

        Args:
            length: of what stays, in bytes.
        """
        if not self._path.exists():
            self._started = self._began if self._started is None else self._started
            return
        with self._path.open("r+b") as file:
            file.truncate(min(length, self._path.stat().st_size))
        self.on_rewind(length)
        moments = [record["time"] for record in self.run.records() if "time" in record]
        if self._started is None:  # not when it resumes after a full disk: that was time of this process
            self._started = self._began - (moments[-1] - moments[0] if moments else 0.0)


def _ignore(length: int) -> None:
    """Nobody asked."""
