"""How the owner of a format reports what is wrong with a file, and reads it without trusting it.

A `verify_…` function yields a `Problem` for everything that is not as its owner wrote it. It opens regular files only,
reads large ones in blocks, writes nothing, and counts the bytes that it has read.
"""

import enum
import hashlib
import json
import os
import stat
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Any, Literal, NoReturn

import psutil

from core.formatting import format_bytes, format_limit
from core.locks import is_held
from core.storage import TEMPORARY

BLOCK_BYTES = 2**20
MAX_JSON_BYTES = 256 * 2**20
SMALL_BYTES = 2**20  # a JSON file of a later version has no more than this

Count = Callable[[int], None]  # called with the number of bytes read since the last call


def ignore(_: int) -> None:
    """Count nothing."""


class Damage(Exception):
    """A file is not what it should be; the text is a sentence that may follow its name."""


class Kind(enum.StrEnum):
    """Damaged: something is lost. Orphaned: what it belongs to is gone. Left over: a process was killed here."""

    DAMAGED = "damaged"
    ORPHANED = "orphaned"
    LEFT_OVER = "left over"


@dataclass(frozen=True)
class Repair:
    """What `fsck --repair` does about a problem.

    Attributes:
        words: with `{}` in place of what is repaired.
        keep: whether it is moved or copied to `set-aside` first.
        act: puts it right; an owner knows how. `REMOVE` and `SET_ASIDE` have none.
    """

    words: str
    keep: Literal["move", "copy"] | None = None
    act: Callable[[Path], None] | None = None


REMOVE = Repair("removes {}")  # what can be computed again
SET_ASIDE = Repair("moves {} to set-aside", keep="move")  # everything else


@dataclass(frozen=True)
class Problem:
    """Something that is not as its owner wrote it.

    Attributes:
        text: one sentence.
        repair: None where nothing can be done.
        target: what is repaired; `path` unless the whole run or dataset is.
        lock: held by a process at work here; None where there is no such lock.
    """

    kind: Kind
    path: Path
    text: str
    repair: Repair | None = None
    target: Path | None = None
    lock: Path | None = None


def reason(error: Exception) -> str:
    """What is wrong with a file, without its path."""
    if isinstance(error, OSError):
        return "is missing" if isinstance(error, FileNotFoundError) else f"cannot be read ({error.strerror or 'error'})"
    return str(error)


def verify_names(
    folder: Path, known: set[str], count: Count, *, live: bool = False, lock: Path | None = None
) -> Iterator[Problem]:
    """Look for everything in a folder that the program does not keep there under a name that it knows.

    Args:
        known: names of files and folders that are verified elsewhere.
        live: a process is at work there: temporary files are its own.
        lock: held by that process.
    """
    for entry in listed(folder):
        path = folder / entry.name
        try:
            mode = entry.stat(follow_symlinks=False).st_mode
        except OSError:
            continue  # gone by now
        regular, is_dir = stat.S_ISREG(mode), stat.S_ISDIR(mode)
        if not (regular or is_dir):
            text = "This is a link or a device, where only files and folders belong."
            yield Problem(Kind.ORPHANED, path, text, SET_ASIDE, lock=lock)
        elif TEMPORARY.fullmatch(entry.name):
            if not live:
                yield from verify_temporary(path, lock=lock)
        elif entry.name in known or (entry.name.endswith(".lock") and regular):
            continue
        elif regular and entry.name.endswith(".json"):
            yield from verify_json(path, count, lock=lock)
        else:
            yield unknown(path, "folder" if is_dir else "file", lock=lock)


def unknown(path: Path, what: str, *, lock: Path | None = None) -> Problem:
    """A file or folder of a name that the program gives to none."""
    return Problem(Kind.ORPHANED, path, f"The program keeps no {what} of this name here.", SET_ASIDE, lock=lock)


def verify_temporary(path: Path, *, lock: Path | None = None) -> Iterator[Problem]:
    """Look whether the process that writes a temporary file is gone."""
    if not has_writer(path) and os.path.lexists(path):
        yield Problem(Kind.LEFT_OVER, path, "The process that wrote this file was killed.", REMOVE, lock=lock)


def verify_json(path: Path, count: Count, *, lock: Path | None = None) -> Iterator[Problem]:
    """Look at a small JSON file of any content."""
    try:
        if path.stat().st_size > SMALL_BYTES:
            raise Damage(f"has more than {format_limit(SMALL_BYTES)}, which no file of this kind has")
        parse_json(read_text(path, count))
    except FileNotFoundError:
        return
    except (Damage, OSError) as error:
        yield Problem(Kind.DAMAGED, path, f"This file {reason(error)}.", SET_ASIDE, lock=lock)


def blocks(path: Path, count: Count, *, start: int = 0) -> Iterator[memoryview]:
    """A file's bytes from `start`; each block is only good until the next one, all but the last are full.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb", buffering=0) as file:
        # most files are small images: a whole block each would cost more than hashing them
        buffer = memoryview(bytearray(min(BLOCK_BYTES, os.fstat(file.fileno()).st_size + 1)))
        count(file.seek(start))
        while filled := _fill(file, buffer):
            count(filled)
            yield buffer[:filled]


def _fill(file: FileIO, buffer: memoryview) -> int:
    filled = 0
    while filled < len(buffer) and (got := file.readinto(buffer[filled:])):
        filled += got
    return filled


def sha256_of(path: Path, count: Count = ignore) -> str:
    """sha256 of a file, in hex."""
    digest = hashlib.sha256()
    for block in blocks(path, count):
        digest.update(block)
    return digest.hexdigest()


def read_text(path: Path, count: Count) -> str:
    """A file's text.

    Raises:
        Damage: it is not text, or far too large.
        OSError: it cannot be read.
    """
    size = path.stat().st_size
    if size > MAX_JSON_BYTES:
        raise Damage(f"has {format_bytes(size)}, far more than the program writes")
    data = path.read_bytes()
    count(len(data))
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


def read_object(path: Path, count: Count) -> dict[str, Any]:
    """A JSON object.

    Raises:
        Damage: it is none.
        OSError: it cannot be read.
    """
    value = parse_json(read_text(path, count))
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


def irregular(folder: Path, names: set[str]) -> set[str]:
    """Those of these names that are there and are not regular files, so that nothing may open them."""
    return {name for name in names if os.path.lexists(folder / name) and not is_file(folder / name)}


def held(lock: Path) -> bool:
    """Whether a living process holds a lock; what is not a regular file is not held."""
    return is_file(lock) and is_held(lock)


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
