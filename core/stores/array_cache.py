"""Cached arrays: `.npy` files in one folder with a size limit, written by one process and read by all.

Everything here can be computed again; the files that were not used for the longest time are deleted first.
"""

import hashlib
import json
import math
import os
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from filelock import FileLock, Timeout

from core.config.events import Progress
from core.locks import is_held
from core.settings import Settings
from core.steps import StopSignal
from core.storage import read_json

EXPLANATIONS = "explanations"
FOLDERS = {"pixels": "*.npy", "activations": "*.npy", EXPLANATIONS: "*.json"}  # and the files that count there


class ArrayFile:
    """A `.npy` file, open for reading: it stays readable when the file is deleted.

    Attributes:
        shape: of the whole array.
        dtype: of its values.

    Raises:
        OSError: it cannot be read.
        ValueError: it is damaged or cut off, or holds Python objects.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb", buffering=0)
        try:
            if np.lib.format.read_magic(self._file) != (1, 0):
                raise ValueError("not an array of the first format")
            shape, by_columns, dtype = np.lib.format.read_array_header_1_0(self._file)
            self._start = self._file.tell()
            self.shape: tuple[int, ...] = shape
            self.dtype: np.dtype[Any] = dtype
            self._row_bytes = int(np.prod(shape[1:])) * dtype.itemsize
            whole = self._start + len(self) * self._row_bytes
            if by_columns or dtype.hasobject or os.fstat(self._file.fileno()).st_size != whole:
                raise ValueError("damaged or cut off")
        except BaseException:
            self._file.close()
            raise
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return self.shape[0]

    def take(self, places: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
        """These rows, as a copy: (len(places), *shape[1:])."""
        out = np.empty((len(places), *self.shape[1:]), self.dtype)
        target = memoryview(out.reshape(-1).view(np.uint8).data)
        for row, place in enumerate(places):
            mine = target[row * self._row_bytes : (row + 1) * self._row_bytes]
            self._read(mine, self._start + int(place) * self._row_bytes)
        return out

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        """The whole array, for numpy."""
        del copy  # it is always one
        return self.take(np.arange(len(self))).astype(dtype or self.dtype, copy=False)

    def _read(self, row: memoryview, start: int) -> None:
        done = 0
        while done < len(row):
            if hasattr(os, "preadv"):
                got = os.preadv(self._file.fileno(), [row[done:]], start + done)
            else:
                with self._lock:
                    self._file.seek(start + done)
                    got = self._file.readinto(row[done:])
            if not got:
                raise OSError(f"{self._file.name} ends too early")
            done += got

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:
        if hasattr(self, "_file"):
            self._file.close()


class JoinedArrays:
    """Arrays whose rows follow each other, read as one.

    Attributes:
        shape: of the whole.
        dtype: of its values.
    """

    def __init__(self, parts: Sequence[ArrayFile]) -> None:
        self._parts = parts
        self._starts = np.cumsum([0, *(len(part) for part in parts[:-1])])
        self.shape: tuple[int, ...] = (sum(map(len, parts)), *parts[0].shape[1:])
        self.dtype = parts[0].dtype

    def __len__(self) -> int:
        return self.shape[0]

    def take(self, places: npt.NDArray[np.int64]) -> npt.NDArray[Any]:
        """These rows, as a copy: (len(places), *shape[1:])."""
        out = np.empty((len(places), *self.shape[1:]), self.dtype)
        owners = np.searchsorted(self._starts, places, side="right") - 1
        for owner in np.unique(owners):
            here = owners == owner
            out[here] = self._parts[owner].take(places[here] - self._starts[owner])
        return out

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> npt.NDArray[Any]:
        """The whole array, for numpy."""
        del copy  # it is always one
        return self.take(np.arange(len(self))).astype(dtype or self.dtype, copy=False)


def open_array(path: Path) -> ArrayFile | None:
    """A cached array; None where it is missing or damaged."""
    try:
        return ArrayFile(path)
    except (OSError, ValueError, EOFError, SyntaxError):
        return None


def find_or_write(
    path: Path,
    read: Callable[[], ArrayFile | None],
    write: Callable[[], Iterator[Progress]],
    waiting: Progress,
    signal: StopSignal,
) -> Generator[Progress, None, tuple[ArrayFile, bool]]:
    """Read a cached array, or write it first; of several processes that want it, one writes and the others wait.

    Args:
        read: gives the array, or None where it is missing or damaged.
        write: makes the file; checks `signal` itself.
        waiting: reported while another process writes.
    Returns:
        The array, and whether it was there already.
    """
    lock = FileLock(path.with_suffix(".lock"))
    reused = True
    while True:
        found = read()
        if found is not None:
            with suppress(OSError):
                os.utime(path)  # it was used just now
            return found, reused
        try:
            lock.acquire(timeout=0.5)
        except Timeout:
            signal.check()
            yield waiting
            continue
        try:
            if read() is None:
                for leftover in path.parent.glob(f".{path.name}.*.tmp"):  # of a process that was killed while writing
                    leftover.unlink(missing_ok=True)
                reused = False
                yield from write()
        finally:
            lock.release()


def file_stem(recipe: dict[str, Any]) -> str:
    """The name of the file that is made by a recipe."""
    return hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()[:32]


def note_path(path: Path) -> Path:
    """The file that notes what a cached array is, and how long it took."""
    return path.with_suffix(".json")


def noted_seconds(path: Path) -> float | None:
    """Seconds that a cached array took to make; None where an earlier version, which did not note them, made it."""
    try:
        note = read_json(note_path(path))
    except (OSError, ValueError):
        return None
    seconds = note.get("seconds") if isinstance(note, dict) else None
    if not isinstance(seconds, int | float) or isinstance(seconds, bool) or not 0 <= seconds < math.inf:
        return None
    return float(seconds)


def known_activations(settings: Settings) -> list[dict[str, Any]]:
    """The notes of all stored activations."""
    found = []
    for path in (settings.cache_dir / "activations").glob("*.json"):
        with suppress(OSError, ValueError):
            if path.with_suffix(".npy").exists():
                found.append(dict(read_json(path)))
    return found


def make_room(settings: Settings, needed_bytes: int, keep: Path) -> None:
    """Delete the files that were not used for the longest time, until `needed_bytes` more fit under the limit.

    A file whose lock is held is being written and stays; one that others have mapped stays readable for them on every
    system that lets it be deleted.

    Args:
        keep: the file for which room is made.
    """
    files: list[tuple[float, int, Path]] = []
    for name, pattern in FOLDERS.items():
        for path in (settings.cache_dir / name).glob(pattern):
            with suppress(OSError):
                status = path.stat()
                files.append((status.st_mtime, status.st_size, path))
    excess = sum(size for _, size, _ in files) + needed_bytes - settings.cache_bytes
    for used, size, path in sorted(files):
        if excess <= 0:
            return
        if path == keep or is_held(path.with_suffix(".lock")) or time.time() - used < 1:
            continue
        with suppress(OSError):
            path.unlink()
            path.with_suffix(".json").unlink(missing_ok=True)
            excess -= size
