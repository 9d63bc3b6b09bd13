"""Reading files to look whether they are whole: in blocks, counted for the progress, regular files only."""

import hashlib
import json
import os
import stat
import threading
import time
from collections.abc import Callable, Iterator
from io import FileIO
from pathlib import Path
from typing import Any, NoReturn

import psutil

from core.maintenance.findings import Damage
from core.maintenance.path_names import TEMPORARY

BLOCK_BYTES = 2**20
MAX_JSON_BYTES = 256 * 2**20
PATIENCE_SECONDS = 30.0  # for what is renamed to its name within a moment, and has neither lock nor process id
TELL_SECONDS = 0.25

Tell = Callable[[int, int, float | None], None]


class Meter:
    """Counts bytes, and tells how many are done, of how many, and how many seconds are left; of any thread."""

    def __init__(self, total: int = 0, tell: Tell | None = None) -> None:
        self.total = total
        self.done = 0
        self._tell = tell
        self._lock = threading.Lock()
        self._started = self._last = time.monotonic()

    def add(self, count: int) -> None:
        """So many bytes more are done."""
        with self._lock:
            self.done += count
            now = time.monotonic()
            if self._tell is None or now - self._started < 1 or now - self._last < TELL_SECONDS:
                return
            self._last = now
            left = max(0, self.total - self.done)
            self._tell(min(self.done, self.total), self.total, (now - self._started) / max(1, self.done) * left)


def blocks(path: Path, meter: Meter, *, start: int = 0) -> Iterator[memoryview]:
    """A file's bytes from `start`; each block is only good until the next one, all but the last are full.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb", buffering=0) as file:
        # most files are small pictures: a whole block each would cost more than hashing them
        buffer = memoryview(bytearray(min(BLOCK_BYTES, os.fstat(file.fileno()).st_size + 1)))
        meter.add(file.seek(start))
        while filled := _fill(file, buffer):
            meter.add(filled)
            yield buffer[:filled]


def _fill(file: FileIO, buffer: memoryview) -> int:
    filled = 0
    while filled < len(buffer) and (count := file.readinto(buffer[filled:])):
        filled += count
    return filled


def sha256_of(path: Path, meter: Meter) -> str:
    """sha256 of a file, in hex."""
    digest = hashlib.sha256()
    for block in blocks(path, meter):
        digest.update(block)
    return digest.hexdigest()


def read_text(path: Path, meter: Meter) -> str:
    """A small file's text.

    Raises:
        Damage: it is not text, or far too large.
        OSError: it cannot be read.
    """
    size = path.stat().st_size
    if size > MAX_JSON_BYTES:
        raise Damage(f"has {size:,} bytes, far more than the program writes")
    data = path.read_bytes()
    meter.add(len(data))
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Damage("is not text") from error


def parse_json(text: str | bytes) -> Any:
    """A JSON value; numbers are finite.

    Raises:
        Damage: it is none.
    """
    try:
        value = json.loads(text, parse_constant=_refuse)
        json.dumps(value, ensure_ascii=False).encode()  # half a surrogate pair cannot be written again
    except (ValueError, RecursionError) as error:
        raise Damage("is not valid JSON") from error
    return value


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


def read_object(path: Path, meter: Meter) -> dict[str, Any]:
    """A JSON object.

    Raises:
        Damage: it is none.
        OSError: it cannot be read.
    """
    value = parse_json(read_text(path, meter))
    if not isinstance(value, dict):
        raise Damage("is not a JSON object")
    return value


def listed(folder: Path) -> list[os.DirEntry[str]]:
    """What is in a folder, sorted by name; nothing where there is none."""
    try:
        with os.scandir(folder) as found:
            return sorted(found, key=lambda entry: entry.name)
    except (FileNotFoundError, NotADirectoryError):
        return []


def is_file(path: Path) -> bool:
    """Whether there is a regular file: no link, and nothing that blocks whoever opens it."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:
        return False


def is_folder(path: Path) -> bool:
    """Whether there is a folder, and not a link to one."""
    try:
        return stat.S_ISDIR(path.lstat().st_mode)
    except OSError:
        return False


def age_seconds(path: Path) -> float:
    """Since a file or folder was last changed or renamed; 0 where it is gone."""
    try:
        status = path.lstat()
    except OSError:
        return 0.0
    changed = status.st_ctime if os.name == "posix" else status.st_mtime
    return time.time() - max(status.st_mtime, changed)


def has_writer(path: Path) -> bool:
    """Whether the process that a temporary file is named after still lives, and is not a later one of the same id."""
    named = TEMPORARY.fullmatch(path.name)
    if named is None:
        return False
    try:
        return psutil.Process(int(named[1])).create_time() <= path.lstat().st_mtime + 2
    except (psutil.NoSuchProcess, OSError, OverflowError, ValueError):
        return False
    except psutil.Error:
        return True


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
