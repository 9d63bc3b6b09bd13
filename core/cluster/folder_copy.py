"""A copy of a run's folder on another machine, kept equal to it while a training writes there.

Files are replaced as wholes, only the event log grows or is cut. What is read belongs together: no file has changed
while the event log was read, so the snapshot never knows of events that the log lacks, and a checkpoint that the log
names is there.
"""

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from core.runs.run_files import ATTEMPTS, CHECKPOINTS, EVENTS, LOCK, LOG, NODE, RESULT, SNAPSHOT, STALLED, STARTED, STOP
from core.storage import TEMPORARY, Stamp, atomic_open, stamp_of

MOST_LOOKS = 50  # at files that change all the time

# each side has its own, or none
NOT_COPIED = frozenset({LOCK, LOG, STARTED, STOP, STALLED, ATTEMPTS, RESULT, EVENTS, NODE})


@dataclass(frozen=True)
class Changes:
    """What changed in a folder since the last look.

    Attributes:
        files: new content, by path below the folder.
        removed: paths.
        kept_bytes: of the event log, which stay as they are.
        events: what follows them.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    removed: tuple[str, ...] = ()
    kept_bytes: int = 0
    events: bytes = b""

    def __bool__(self) -> bool:
        return bool(self.files or self.removed or self.events)


class FolderReader:
    """Reads what changes in a run's folder.

    Args:
        known: whether the other side has what is there now.
    """

    def __init__(self, folder: Path, *, known: bool = False) -> None:
        self.folder = folder
        self._stamps: dict[str, Stamp] = self._look() if known else {}
        self._events_bytes = _size(folder / EVENTS) if known else 0
        self._lock = threading.Lock()

    def read(self) -> Changes:
        """What has changed since the last call; nothing while files change all the time."""
        with self._lock:
            for _ in range(MOST_LOOKS):
                stamps = self._look()
                fresh = [path for path, stamp in stamps.items() if self._stamps.get(path) != stamp]
                try:
                    files = {path: (self.folder / path).read_bytes() for path in fresh}
                    kept, events = self._read_events()
                except FileNotFoundError:
                    continue
                if self._look() == stamps:
                    removed = tuple(path for path in self._stamps if path not in stamps)
                    self._stamps, self._events_bytes = stamps, kept + len(events)
                    return Changes(files, removed, kept, events)
            return Changes(kept_bytes=self._events_bytes)

    def cut(self, length: int) -> None:
        """Take note that the event log was cut, so that what follows is new."""
        with self._lock:
            self._events_bytes = min(self._events_bytes, length)

    def _read_events(self) -> tuple[int, bytes]:
        path = self.folder / EVENTS
        if not path.exists():
            return 0, b""
        with path.open("rb") as file:
            kept = min(self._events_bytes, path.stat().st_size)
            file.seek(kept)
            data = file.read()
        return kept, data[: data.rfind(b"\n") + 1]  # the last line may not be complete yet

    def _look(self) -> dict[str, Stamp]:
        return dict(_stamps(self.folder))


def write_changes(folder: Path, changes: Changes) -> None:
    """Make a folder equal to the other one; after a crash at any moment, what is there belongs together.

    Raises:
        OSError: such as a full disk.
    """
    late = f"{CHECKPOINTS}/{SNAPSHOT}"  # it knows how long the log is
    for path, data in changes.files.items():
        if path != late:
            _write(folder / path, data)
    log = folder / EVENTS
    if changes.events or _size(log) > changes.kept_bytes:
        with log.open("ab") as file:
            file.truncate(changes.kept_bytes)
            file.write(changes.events)
    if late in changes.files:
        _write(folder / late, changes.files[late])
    for path in changes.removed:
        (folder / path).unlink(missing_ok=True)


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_open(path) as file:
        file.write(data)


def _stamps(folder: Path) -> Iterator[tuple[str, Stamp]]:
    for path in folder.rglob("*"):
        name = path.relative_to(folder).as_posix()
        if name in NOT_COPIED or name.startswith("exports/") or TEMPORARY.fullmatch(path.name):
            continue
        stamp = stamp_of(path)
        if stamp is not None and path.is_file():
            yield name, stamp


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
