"""What a worker writes down about its run: one JSON line an event, and the time that all attempts together took."""

import json
import time

from core.config.events import Event, Tested, to_record
from core.runs.run import Run


class EventLog:
    """The `events.jsonl` of a run, for the one process that holds the run's lock.

    Attributes:
        tested: whether this process wrote the result of a test.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self.tested = False
        self._path = run.event_log
        self._began = time.monotonic()
        self._started: float | None = None  # on the clock `time.monotonic`, less what earlier attempts took

    @property
    def seconds(self) -> float:
        """Since the run began, without the time in which nobody worked on it."""
        return time.monotonic() - (self._began if self._started is None else self._started)

    def append(self, event: Event) -> None:
        """Write an event down before anything else happens.

        Raises:
            OSError: if the disk is full; part of a line may be there.
        """
        line = json.dumps({"time": time.time(), **to_record(event)}, ensure_ascii=False, allow_nan=False)
        with self._path.open("ab") as file:
            file.write(line.encode() + b"\n")
        self.tested = self.tested or isinstance(event, Tested)

    def rewind(self, length: int) -> None:
        """Cut off what is told of a training that is done again; its time counts as this run's.

        Args:
            length: in bytes, of what stays.
        """
        if not self._path.exists():
            self._started = self._began if self._started is None else self._started
            return
        with self._path.open("r+b") as file:
            file.truncate(min(length, self._path.stat().st_size))
        moments = [record["time"] for record in self.run.records() if "time" in record]
        if self._started is None:  # not when it goes on after a full disk: that was time of this process
            self._started = self._began - (moments[-1] - moments[0] if moments else 0.0)
