"""The data root that is being looked at: names under it, its datasets, what is held."""

import os
import stat
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from core.datasets.dataset import Dataset, load_dataset, load_summary
from core.errors import DatasetError
from core.formatting import format_limit
from core.locks import is_held
from core.maintenance.file_reading import Meter, has_writer, is_file, is_folder, listed, parse_json
from core.maintenance.findings import Damage, Finding, Kind, Mending
from core.maintenance.path_names import SMALL_BYTES, TEMPORARY, is_lock
from core.settings import Settings
from core.storage import is_id


class RoomFolder:
    """A data root, and the meter of those who read it."""

    def __init__(self, settings: Settings, meter: Meter | None = None) -> None:
        self.settings = settings
        self.home = settings.home
        self.meter = meter or Meter()
        self._dataset = lru_cache(maxsize=4)(self._load)

    def name(self, path: Path) -> str:
        """A path as a finding names it: relative, forward slashes."""
        return path.relative_to(self.home).as_posix()

    def folders(self, name: str) -> list[Path]:
        """The folders of a kind (`runs`, `datasets` …) whose names are ids."""
        return [
            self.home / name / entry.name
            for entry in listed(self.home / name)
            if is_id(entry.name) and entry.is_dir(follow_symlinks=False)
        ]

    def fingerprint(self, dataset_id: str) -> str | None:
        """That of a dataset that is there."""
        try:
            if is_id(dataset_id) and is_file(self.settings.datasets_dir / dataset_id / "dataset.json"):
                return load_summary(self.settings.datasets_dir / dataset_id).fingerprint
        except (DatasetError, RecursionError, OverflowError):
            pass
        return None

    def dataset(self, dataset_id: str, fingerprint: str) -> Dataset | None:
        """A dataset with its table; None where it is gone, damaged, or another one by now."""
        return self._dataset(dataset_id, fingerprint) if self.fingerprint(dataset_id) == fingerprint else None

    def _load(self, dataset_id: str, fingerprint: str) -> Dataset | None:
        try:
            found = load_dataset(self.settings.datasets_dir / dataset_id)
        except (DatasetError, RecursionError, OverflowError):
            return None
        return found if found.fingerprint == fingerprint else None


def held(lock: Path) -> bool:
    """Whether a living process holds a lock; a lock that is no file is held by nobody."""
    return is_file(lock) and is_held(lock)


def check_strangers(
    room: RoomFolder, folder: Path, known: set[str], *, live: bool = False, lock: str | None = None
) -> Iterator[Finding]:
    """Everything in a folder that the program did not put there under a name that it knows.

    Args:
        known: names of files and folders that others look at.
        live: a process is at work there: temporary files are its own.
        lock: what that process would hold.
    """
    for entry in listed(folder):
        path = folder / entry.name
        name = room.name(path)
        try:
            mode = entry.stat(follow_symlinks=False).st_mode
        except OSError:
            continue  # gone by now
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            text = "This is a link or a device, where only files and folders belong."
            yield Finding(Kind.ORPHANED, name, text, Mending.SET_ASIDE, lock=lock)
        elif TEMPORARY.fullmatch(entry.name):
            if not (live or has_writer(path)):
                text = "Whoever wrote this file was killed in the middle."
                yield Finding(Kind.LEFT_OVER, name, text, Mending.REMOVE, lock=lock)
        elif entry.name in known or (is_lock(entry.name) and stat.S_ISREG(mode)):
            continue
        elif stat.S_ISREG(mode) and entry.name.endswith(".json"):
            yield from check_json(room, path, lock=lock)
        else:
            kind = "folder" if stat.S_ISDIR(mode) else "file"
            text = f"No part of the program puts a {kind} of this name here."
            yield Finding(Kind.ORPHANED, name, text, Mending.SET_ASIDE, lock=lock)


def check_json(room: RoomFolder, path: Path, *, lock: str | None = None) -> Iterator[Finding]:
    """A small JSON file of any content."""
    try:
        if path.stat().st_size > SMALL_BYTES:
            raise Damage(f"has more than {format_limit(SMALL_BYTES)}, which no file of this kind has")
        data = path.read_bytes()
        room.meter.add(len(data))
        parse_json(data)
    except FileNotFoundError:
        return
    except (Damage, OSError) as error:
        yield Finding(Kind.DAMAGED, room.name(path), f"This file {reason(error)}.", Mending.SET_ASIDE, lock=lock)


def reason(error: Exception) -> str:
    """What is wrong with a file, without its path."""
    if isinstance(error, OSError):
        return "is missing" if isinstance(error, FileNotFoundError) else f"cannot be read ({error.strerror or 'error'})"
    return str(error)


def irregular(folder: Path, names: set[str]) -> set[str]:
    """Those of these names that are there and are not regular files, so that nobody may open them."""
    return {name for name in names if os.path.lexists(folder / name) and not is_file(folder / name)}


def is_there(path: Path) -> bool:
    """Whether a folder is still there."""
    return is_folder(path)
