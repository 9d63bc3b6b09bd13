"""The history of a run: its event log, read whole, or only where it has grown."""

import dataclasses
import json
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from core.config.events import (
    BatchDone,
    Described,
    EpochDone,
    Event,
    Measured,
    Message,
    Mirrored,
    PhaseStarted,
    PointDone,
    Progress,
    RateFound,
    SamplesPredicted,
    Tested,
    from_record,
)
from core.runs.remaining import expect_end

Record = dict[str, Any]


@dataclass
class RunHistory:
    """The events of a run by kind; of those that replace each other, the newest.

    Attributes:
        expected_end: of the run, in seconds since 1970; None while nothing can be said.
    """

    phase: PhaseStarted | None = None
    progress: Progress | None = None
    described: Described | None = None
    rate: RateFound | None = None
    batches: list[BatchDone] = field(default_factory=list)
    epochs: list[EpochDone] = field(default_factory=list)
    strip: SamplesPredicted | None = None
    messages: list[tuple[float, Message | PhaseStarted]] = field(default_factory=list)
    tested: Tested | None = None
    mirrored: Mirrored | None = None
    points: list[PointDone] = field(default_factory=list)
    measured: Measured | None = None
    expected_end: float | None = None

    @property
    def best(self) -> EpochDone | None:
        """The epoch whose weights were kept."""
        kept = [epoch for epoch in self.epochs if epoch.best]
        return kept[-1] if kept else None

    def add(self, moment: float, event: Event) -> None:
        """Take in an event; `moment` is in seconds since 1970."""
        self.expected_end = expect_end(self.expected_end, moment, event)
        match event:
            case PhaseStarted():
                self.phase = event
                self.progress = None
                self.messages.append((moment, event))
            case Progress():
                self.progress = event
            case Described():
                self.described = event
            case RateFound():
                self.rate = event
                self.progress = None
            case BatchDone():
                self.batches.append(event)
                self.progress = None
            case EpochDone():
                self.epochs.append(event)
                self.progress = None
            case SamplesPredicted():
                self.strip = event
            case Message():
                self.messages.append((moment, event))
            case Tested():
                self.tested = event
            case Mirrored():
                self.mirrored = event
            case PointDone():
                self.points.append(event)
                self.progress = None
            case Measured():
                self.measured = event


class EventLogReader:
    """Reads an event log again and again, each time only what was appended since."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._history = RunHistory()
        self._end = 0  # bytes of complete lines that are in `_history`
        self._last = b""  # the last of these lines: if it stands there no longer, the log is another one

    def read(self) -> RunHistory:
        """The events so far, without damaged lines and the line that is being written. The lists are the caller's."""
        with self._lock:
            try:
                with self.path.open("rb") as file:
                    if not self._continues(file.seek(0, 2), file):
                        self._history, self._end, self._last = RunHistory(), 0, b""
                    file.seek(self._end)
                    data = file.read()
            except FileNotFoundError:
                self._history, self._end, self._last = RunHistory(), 0, b""
                data = b""
            whole = data[: data.rfind(b"\n") + 1]
            for record in parse_lines(whole):
                self._add(record)
            if whole:
                self._end += len(whole)
                self._last = whole[whole.rfind(b"\n", 0, -1) + 1 :]
            kept = self._history
            return dataclasses.replace(
                kept,
                batches=list(kept.batches),
                epochs=list(kept.epochs),
                messages=list(kept.messages),
                points=list(kept.points),
            )

    def _continues(self, size: int, file: IO[bytes]) -> bool:
        """Whether what was read before is still how this file begins."""
        if size < self._end:
            return False
        file.seek(self._end - len(self._last))
        return file.read(len(self._last)) == self._last

    def _add(self, record: Record) -> None:
        moment = record.pop("time", None)
        event = from_record(record)
        if event is not None:
            self._history.add(float(moment) if isinstance(moment, int | float) else 0.0, event)


def read_records(path: Path) -> list[Record]:
    """Every complete line of an event log, without damaged ones; none where there is no log."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return []
    return parse_lines(data[: data.rfind(b"\n") + 1])


def read_last_records(path: Path, tail_bytes: int) -> list[Record]:
    """The complete lines at the end of an event log, as far as they lie in its last bytes."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - tail_bytes))
            data = file.read()
    except OSError:
        return []
    begin = data.find(b"\n") + 1 if size > tail_bytes else 0
    return parse_lines(data[begin : data.rfind(b"\n") + 1])


def end_of_log(path: Path, tail_bytes: int) -> float | None:
    """When a run is expected to end, according to the last bytes of its event log; None while nothing can be said."""
    tail = RunHistory()
    for record in read_last_records(path, tail_bytes):
        moment = record.pop("time", None)
        event = from_record(record)
        if event is not None and isinstance(moment, int | float):
            tail.add(float(moment), event)
    return tail.expected_end


def parse_lines(lines: bytes) -> list[Record]:
    """The records of some lines, without damaged ones."""
    records = []
    for line in lines.splitlines():
        with suppress(ValueError):
            record = json.loads(line)
            if isinstance(record, dict):
                records.append(record)
    return records


def bytes_to_last_point(path: Path) -> int:
    """Length of an event log up to the last point of a learning curve, from which a new attempt continues."""
    try:
        lines = path.read_bytes().splitlines(keepends=True)
    except FileNotFoundError:
        return 0
    length = kept = 0
    for line in lines:
        length += len(line)
        if line.endswith(b"\n") and any(record.get("kind") == "point" for record in parse_lines(line)):
            kept = length
    return kept
