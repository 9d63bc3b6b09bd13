"""The pictures of a batch in one folder for each class: planned, copied or moved, or packed into a zip as a stream.

Nothing is ever overwritten: a second picture of the same name becomes `name (2).jpg`. Files without an answer stay
where they are.
"""

import os
import re
import shutil
import time
import zipfile
from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from core.batches.batch import Batch, BatchRequest
from core.batches.batch_rows import Row, printable, read_rows
from core.datasets.pictures.decoder import Limits
from core.datasets.sources.source import Source, SourceEntry
from core.errors import BatchError, ImageError
from core.formatting import format_bytes, readable
from core.quotas import is_full
from core.settings import Settings
from core.storage import RESERVED

TABLE = "predictions.csv"
NOT_SURE = "not sure"  # the folder of pictures unlike anything the run was trained on
MAX_NAME = 80  # characters
UNUSABLE = re.compile(r'[<>:"/\\|?*\x00-\x1f\x7f\ud800-\udfff]')  # in a name, on some system
NUMBERED = re.compile(r"(.+) \((\d{1,9})\)", re.DOTALL)
NOTE_SECONDS = 0.3


@dataclass(frozen=True)
class Place:
    """Where a file goes: `folder/name`, made of the class and of the file's own name."""

    entry: SourceEntry
    folder: str
    name: str


@dataclass(frozen=True)
class SortedFolders:
    """What was done, or would be.

    Attributes:
        counts: pictures by class.
        strange: pictures in `NOT_SURE`, unlike anything the run was trained on.
        unanswered: files without an answer, which stay.
        already: pictures that were there.
        problems: (file, sentence) of what could not be copied or moved.
    """

    counts: dict[str, int]
    strange: int
    unanswered: int
    already: int
    problems: tuple[tuple[str, str], ...]


def name_folders(classes: Sequence[str]) -> dict[str, str]:
    """A folder for each class: its name where every system takes it, something close to it elsewhere."""
    taken = {TABLE, NOT_SURE}
    return {name: _free_name(_usable(name, f"class {place}"), taken) for place, name in enumerate(classes, start=1)}


def _usable(name: str, fallback: str) -> str:
    """A name that every system takes."""
    cleaned = UNUSABLE.sub("_", printable(name)).strip()[:MAX_NAME].rstrip(". ")
    if cleaned.startswith("."):
        cleaned = f"_{cleaned[1:]}"
    if RESERVED.fullmatch(cleaned.partition(".")[0].lower()):
        cleaned = f"_{cleaned}"
    return cleaned or fallback


def _free_name(name: str, taken: set[str]) -> str:
    """The name, with a number where it is taken; upper and lower case are the same on some systems."""
    stem, dot, ending = name.rpartition(".") if "." in name else (name, "", "")
    free, number = name, 1
    while free.casefold() in taken:
        number += 1
        free = f"{stem} ({number}){dot}{ending}"
    taken.add(free.casefold())
    return free


def plan_places(entries: Iterable[SourceEntry], rows: Iterable[Row], request: BatchRequest) -> Iterator[Place]:
    """Where each answered file goes; no two of them to the same place."""
    folders = name_folders(request.classes)
    taken: dict[str, set[str]] = {}
    for entry, row in zip(entries, rows, strict=False):
        if row.label is None:
            continue
        folder = NOT_SURE if row.is_strange(request.promise) else folders[row.label]
        name = _usable(PurePosixPath(entry.name).name, "picture")
        yield Place(entry, folder, _free_name(name, taken.setdefault(folder, set())))


def sort_batch(
    settings: Settings, batch: Batch, target: Path, *, move: bool, dry: bool
) -> Generator[tuple[int, int], None, SortedFolders]:
    """Copy or move the pictures of a finished batch into class folders; yields how many are done, of how many.

    Args:
        move: out of the folder that was predicted.
        dry: nothing is written.
    Raises:
        BatchError: the target cannot be used, the disk is full, or the files are gone.
    """
    request = batch.request()
    _check_target(request, target, move=move)
    with closing(batch.open(settings, request)) as source:
        entries = batch.entries(source, request)
        rows = list(read_rows(batch.rows_path))
        places = list(plan_places(entries, rows, request))
        _check_room(target, 0 if move else sum(max(0, place.entry.bytes_claimed) for place in places))
        counts: Counter[str] = Counter()
        already, problems, last = 0, [], time.monotonic()
        writer = _Writer(Path(request.path), source, Limits.from_settings(settings), target, move)
        for done, place in enumerate(places, start=1):
            try:
                if not dry and not writer.put(place):
                    already += 1
                counts[place.folder] += 1
            except ImageError as error:
                problems.append((place.entry.name, readable(str(error))))
            except OSError as error:
                if is_full(error):
                    raise BatchError(
                        f"The disk is full after {done - 1:,} of {len(places):,} pictures: free space and sort again."
                    ) from error
                why = error.strerror or type(error).__name__
                problems.append((place.entry.name, f"{readable(place.entry.name)} cannot be placed ({why})."))
            if time.monotonic() - last > NOTE_SECONDS:
                last = time.monotonic()
                yield done, len(places)
    strange = counts.pop(NOT_SURE, 0)
    label_of = {folder: name for name, folder in name_folders(request.classes).items()}
    named = {label_of[folder]: count for folder, count in counts.most_common()}
    return SortedFolders(named, strange, len(rows) - len(places), already, tuple(problems))


def _check_target(request: BatchRequest, target: Path, *, move: bool) -> None:
    if move and request.kind == "archive":
        raise BatchError("Pictures cannot be moved out of a zip: copy them, without --move.")
    if target.exists() and not target.is_dir():
        raise BatchError(f"{target.name} is a file: name a folder to sort into.")
    inside = request.kind == "folder" and target.resolve().is_relative_to(Path(request.path))
    if inside and not move:
        raise BatchError(f"{target} lies in {request.title}: choose another folder, or move the pictures with --move.")


def _check_room(target: Path, needed: int) -> None:
    folder = target
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise BatchError(f"The copies take {format_bytes(needed)}, and {format_bytes(free)} are free: make room.")


@dataclass(frozen=True)
class _Writer:
    """Puts files into class folders."""

    base: Path
    source: Source
    limits: Limits
    target: Path
    move: bool

    def put(self, place: Place) -> bool:
        """Put one file where it belongs; False where it is there already.

        Raises:
            ImageError: it cannot be read.
            OSError: it cannot be written.
        """
        folder = self.target / place.folder
        folder.mkdir(parents=True, exist_ok=True)
        if self.move:
            return self._move(self.base / place.entry.name, folder, place.name)
        data = self.source.read(place.entry, self.limits.max_bytes)
        for path in _numbered(folder / place.name):
            if _holds(path, data):
                return False
            try:
                _create(path, data)
            except FileExistsError:
                continue
            return True
        raise AssertionError("names never end")

    def _move(self, file: Path, folder: Path, name: str) -> bool:
        if file.parent.resolve() == folder.resolve():
            return False
        for path in _numbered(folder / name):
            try:
                _link_or_copy(file, path)
            except FileExistsError:
                continue
            file.unlink()
            return True
        raise AssertionError("names never end")


def _link_or_copy(file: Path, path: Path) -> None:
    """Give a file a second place, as a rename that never overwrites would.

    Raises:
        FileExistsError: there is something.
    """
    with suppress(OSError):
        if not file.is_symlink() and not os.path.lexists(path):
            os.link(file, path)
            return
    # another disk, a system without links, or a link, which may lead elsewhere from there
    with file.open("rb") as read, path.open("xb") as write:
        try:
            shutil.copyfileobj(read, write)
        except BaseException:
            path.unlink(missing_ok=True)
            raise
    shutil.copystat(file, path)


def _numbered(path: Path) -> Iterator[Path]:
    """The path itself, then with numbers: `1.jpg`, `1 (2).jpg`, `1 (3).jpg`."""
    yield path
    found = NUMBERED.fullmatch(path.stem)
    stem, number = (found[1], int(found[2])) if found else (path.stem, 1)
    while True:
        number += 1
        yield path.with_name(f"{stem} ({number}){path.suffix}")


def _holds(path: Path, data: bytes) -> bool:
    """Whether a file holds exactly this: a copy that an earlier, interrupted sorting made."""
    try:
        return path.stat().st_size == len(data) and path.read_bytes() == data
    except OSError:
        return False


def _create(path: Path, data: bytes) -> None:
    """Write a new file, whole or not at all.

    Raises:
        FileExistsError: there is one.
    """
    with path.open("xb") as file:
        try:
            file.write(data)
            file.flush()
        except BaseException:
            path.unlink(missing_ok=True)
            raise


class _Stream:
    """What `zipfile` writes to: bytes that wait to be sent."""

    def __init__(self) -> None:
        self.waiting: list[bytes] = []

    def write(self, data: bytes, /) -> int:
        """Let more wait."""
        self.waiting.append(bytes(data))
        return len(data)

    def flush(self) -> None:
        """Nothing: what waits is taken."""

    def close(self) -> None:
        """Nothing."""

    def take(self) -> bytes:
        """What waits."""
        data, self.waiting = b"".join(self.waiting), []
        return data


def stream_zip(settings: Settings, batch: Batch, table: Iterable[str]) -> Iterator[bytes]:
    """A zip of class folders, one picture at a time in memory; files that are gone by now are left out.

    Args:
        table: the text of `TABLE`, which lies at its top.
    Raises:
        BatchError: the pictures are gone.
    """
    request = batch.request()
    source = batch.open(settings, request)  # before the first byte: an error is still an answer
    return _stream(settings, batch, request, source, table)


def _stream(
    settings: Settings, batch: Batch, request: BatchRequest, source: Source, table: Iterable[str]
) -> Iterator[bytes]:
    limits, stream = Limits.from_settings(settings), _Stream()
    with closing(source), zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
        with archive.open(TABLE, "w") as file:
            for text in table:
                file.write(text.encode("utf-8", "backslashreplace"))
                yield stream.take()
        entries = batch.entries(source, request)
        for place in plan_places(entries, read_rows(batch.rows_path), request):
            try:
                archive.writestr(f"{place.folder}/{place.name}", source.read(place.entry, limits.max_bytes))
            except ImageError:
                continue
            yield stream.take()
        archive.close()
        yield stream.take()
