"""Files that are either whole or absent, and names that are never paths.

Writes go to a unique temporary name in the same folder, are flushed and fsynced, renamed over the target, and
the folder is fsynced: after a crash a reader finds the old file or the new one, never half of one.
"""

import hashlib
import json
import os
import re
import secrets
import shutil
import time
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

ID_PATTERN = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
TEMPORARY = re.compile(r"\..+\.(\d+)\.[0-9a-f]{8}\.tmp", re.DOTALL)  # names of `atomic_open`, with the process's id
LATIN = str.maketrans({"ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "đ": "d", "ð": "d", "þ": "th", "ł": "l", "ı": "i"})
RESERVED = re.compile(r"con|prn|aux|nul|(com|lpt)[0-9]")  # names of devices on Windows, never of folders
DELETED = ".deleted-"  # names of `remove_folder` begin so
DRAFT = ".draft-"  # names of `new_folder` begin so

Stamp = tuple[int, int, int]


def is_id(text: str) -> bool:
    """Whether `text` may name a folder under the data root."""
    return ID_PATTERN.fullmatch(text) is not None


def slug(text: str, fallback: str = "untitled") -> str:
    """An id made from any text: lower case letters, digits, `-` and `_`, at most 40 characters.

    Latin letters lose their accents. Where others have no place in an id, a hash of the text makes it unique:
    `fallback-1a2b3c4d`, or with what is left of it, `pets-1a2b3c4d`. So does it for names that Windows reserves.
    """
    latin = unicodedata.normalize("NFKD", text.lower().translate(LATIN))
    bare = "".join(letter for letter in latin if not unicodedata.combining(letter))
    cleaned = re.sub(r"[^a-z0-9_]+", "-", bare).strip("-_")[:40].strip("-_")
    lost = any(not letter.isascii() and unicodedata.category(letter)[0] in "LMNSC" for letter in bare)
    if not lost and cleaned and not RESERVED.fullmatch(cleaned):
        return cleaned
    if not text.strip():
        return fallback
    digest = hashlib.sha256(unicodedata.normalize("NFC", text.strip()).encode("utf-8", "replace")).hexdigest()[:8]
    return f"{cleaned[:31].strip('-_') or fallback}-{digest}"


def new_id(prefix: str = "") -> str:
    """A fresh id that sorts by the second of its creation: `20260131-142233-9f3a`, with the prefix before it."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    return f"{prefix}{stamp}-{secrets.token_hex(3)}"


@contextmanager
def atomic_open(path: Path, mode: str = "wb", *, private: bool = False) -> Iterator[IO[Any]]:
    """Open a temporary file that takes the place of `path` when the block ends without an error.

    Args:
        path: the file.
        mode: `wb` or `w`.
        private: whether only this user of the machine may read it; from its first byte on.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}.tmp")
    options: dict[str, Any] = {} if "b" in mode else {"encoding": "utf-8", "newline": ""}
    try:
        if private:
            temporary.touch(mode=0o600)
        with temporary.open(mode, **options) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


@contextmanager
def staged(folder: Path, data: bytes) -> Iterator[Path]:
    """A file that is whole and on the disk under a temporary name; gone at the end, unless it was renamed.

    Where many writers wait for a lock, each renames under it what it wrote before; `sync_folder` makes that durable.
    """
    temporary = folder / f".staged.{os.getpid()}.{secrets.token_hex(4)}.tmp"
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: Path, value: Any, *, private: bool = False) -> None:
    """Write `value` as JSON, atomically; `private` as in `atomic_open`."""
    with atomic_open(path, "w", private=private) as file:
        json.dump(value, file, ensure_ascii=False, indent=1, allow_nan=False)


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        FileNotFoundError: if it is not there.
        ValueError: if it is damaged.
    """
    return json.loads(path.read_text(encoding="utf-8"))


def list_ids(folder: Path, holding: str = "") -> list[str]:
    """The ids of the folders in `folder`, sorted: dated ones with the oldest first; none where it is not there.

    Args:
        holding: only those that hold a file of this name.
    """
    try:
        return sorted(
            path.name for path in folder.iterdir() if is_id(path.name) and (not holding or (path / holding).exists())
        )
    except FileNotFoundError:
        return []


def stamp_of(path: Path) -> Stamp | None:
    """Differs whenever a file was replaced or written; None without a file."""
    try:
        facts = path.stat()
    except OSError:
        return None
    return facts.st_mtime_ns, facts.st_size, facts.st_ino


def sync_folder(folder: Path) -> None:
    """Make a rename in `folder` durable, where the system has such a call."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """A hidden folder that becomes `folder` when the block ends, so that no reader sees half; gone after errors."""
    draft = folder.with_name(f"{DRAFT}{folder.name}")
    draft.mkdir(parents=True)
    try:
        yield draft
        draft.replace(folder)
        sync_folder(folder.parent)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def remove_folder(folder: Path) -> None:
    """Remove a folder so that no reader sees half of it: rename first, then delete."""
    doomed = folder.with_name(f"{DELETED}{folder.name}-{secrets.token_hex(3)}")
    folder.replace(doomed)
    shutil.rmtree(doomed, ignore_errors=True)
