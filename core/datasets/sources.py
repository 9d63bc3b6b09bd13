"""Where pictures come from: a folder, a zip, or memory. Names are labels here, never paths to write to."""

import os
import stat
import threading
import zipfile
import zlib
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol

from core.errors import DatasetError, ImageError
from core.formatting import format_limit

JUNK_FOLDERS = {"__macosx", "@eadir", "$recycle.bin"}
JUNK_FILES = {"thumbs.db", "desktop.ini", "ehthumbs.db"}
MAX_RATIO = 200  # real pictures hardly compress; a bomb does by thousands
COPY_BYTES = 2**16
TAIL_BYTES = 2**16 + 2**10  # of an archive: its end with the longest comment
MAX_NAME = 1000
MAX_TITLE = 100
MAX_FILES = 200_000


@dataclass(frozen=True)
class SourceEntry:
    """A file of a source; `name` is its path there with forward slashes.

    Label and split (train, val or test) are given where the source itself knows them.
    """

    name: str
    bytes_claimed: int
    label: str | None = None
    split: str | None = None


class Source(Protocol):
    """Something that yields files."""

    title: str
    drawn: bool
    empty_folders: Sequence[str]  # known, like the notes, once the entries were asked for
    notes: Sequence[str]  # sentences about the whole, for the report

    def entries(self) -> Sequence[SourceEntry]:
        """Every file that is not junk, in a fixed order."""

    def read(self, entry: SourceEntry, max_bytes: int) -> bytes:
        """The file's bytes; several threads call this at once.

        Raises:
            ImageError: if this one file cannot be used.
        """

    def head(self, entry: SourceEntry, count: int) -> bytes:
        """The file's first bytes; empty where it cannot be read."""

    @property
    def ignored(self) -> int:
        """How many system files were passed over."""

    def close(self) -> None:
        """Release the source."""


def open_source(path: Path, title: str = "", max_files: int = MAX_FILES) -> Source:
    """The source at a path.

    Args:
        max_files: an archive of more than that, and of as many again for a system's own files, is not even listed.
        title: what people call it, where that is not the name it has here.
    Raises:
        DatasetError: if there is nothing usable.
    """
    if path.is_dir():
        return FolderSource(path)
    if not path.exists():
        raise DatasetError(f"{path} is not there: check the path.")
    if zipfile.is_zipfile(path):
        return ZipSource(path, title, 2 * max_files)
    name = title[:MAX_TITLE] or path.name
    if path.suffix.lower() == ".zip":
        raise DatasetError(_unreadable(name))
    raise DatasetError(f"{name} is neither a folder nor a .zip: pack the class folders as a .zip.")


def is_junk(name: str) -> bool:
    """Whether a file is a system's own: dot-files, `__MACOSX`, Thumbs.db …"""
    parts = [part.lower() for part in PurePosixPath(name).parts]
    return any((part.startswith(".") and part not in (".", "..")) or part in JUNK_FOLDERS for part in parts) or (
        bool(parts) and parts[-1] in JUNK_FILES
    )


class FolderSource:
    """A folder on this machine. Links to folders are followed, except in a circle."""

    drawn = False

    def __init__(self, path: Path) -> None:
        self.path = path
        self.title = path.resolve().name
        self.ignored = 0
        self.empty_folders: Sequence[str] = ()
        self.notes: Sequence[str] = ()
        self._entries: list[SourceEntry] | None = None

    def entries(self) -> Sequence[SourceEntry]:
        if self._entries is None:
            found: list[SourceEntry] = []
            empty: list[str] = []
            notes: list[str] = []
            self._walk(self.path, frozenset(), found, empty, notes)
            self._entries, self.empty_folders, self.notes = found, empty, notes
        return self._entries

    def _walk(
        self, folder: Path, above: frozenset[str], found: list[SourceEntry], empty: list[str], notes: list[str]
    ) -> None:
        """List a folder.

        Args:
            above: the real places of the folders above, so that a link to one of them is not followed.
        """
        name = folder.relative_to(self.path).as_posix()
        real = os.path.realpath(folder)
        if real in above:
            notes.append(f"The link {name} leads to a folder that holds it and was not followed.")
            return
        try:
            inside = sorted(os.scandir(folder), key=lambda item: item.name)
        except OSError as error:
            notes.append(f"The folder {name} cannot be read ({error.strerror}) and was left out: check its rights.")
            return
        if not inside and folder != self.path:
            empty.append(name)
        folders = []
        for item in inside:
            place = Path(item.path)
            shown = place.relative_to(self.path).as_posix()
            if is_junk(shown):
                self.ignored += 1
            elif item.is_dir():
                folders.append(place)
            elif item.is_symlink() and not place.exists():
                notes.append(f"The link {shown} leads to nothing and was left out.")
            else:
                try:
                    size = place.stat().st_size
                except OSError:
                    size = 0
                found.append(SourceEntry(shown, size))
        for place in folders:
            self._walk(place, above | {real}, found, empty, notes)

    def head(self, entry: SourceEntry, count: int) -> bytes:
        place = self.path / entry.name
        try:
            if not stat.S_ISREG(place.stat().st_mode):
                return b""
            with place.open("rb", count) as file:
                return file.read(count)
        except OSError:
            return b""

    def read(self, entry: SourceEntry, max_bytes: int) -> bytes:
        place = self.path / entry.name
        try:
            found = place.stat()
            if not stat.S_ISREG(found.st_mode):
                raise ImageError(f"{entry.name} is not a regular file: remove it.")
            with place.open("rb", COPY_BYTES) as file:
                # the size is a hint that spares room for the largest file allowed: some file systems report none
                data = file.read(min(found.st_size, max_bytes) + 1)
                if len(data) > found.st_size:
                    data += file.read(max_bytes + 1 - len(data))
        except OSError as error:
            raise ImageError(f"{entry.name} cannot be read ({error.strerror}): check its rights.") from error
        return _within(data, entry.name, max_bytes)

    def close(self) -> None:
        pass


class ZipSource:
    """A zip archive. Nothing is unpacked by name: entries are read as bytes, and the bytes are counted."""

    drawn = False

    def __init__(self, path: Path, title: str = "", max_files: int = MAX_FILES) -> None:
        self.title = title[:MAX_TITLE] or path.name
        self.ignored = 0
        self.notes: Sequence[str] = ()
        try:
            _check_index(path, self.title, max_files)
            self._archive = zipfile.ZipFile(path)
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
            raise DatasetError(_unreadable(self.title)) from error
        self._one_at_a_time = threading.Lock()
        self._infos: dict[SourceEntry, zipfile.ZipInfo] = {}
        self._entries: list[SourceEntry] = []
        self._check_overlap(self.title)
        seen: set[str] = set()
        folders: set[str] = set()
        for info in self._archive.infolist():
            name = info.filename.replace("\\", "/")
            if info.is_dir():
                folders.add(name.rstrip("/"))
                continue
            if is_junk(name):
                self.ignored += 1
                continue
            entry = SourceEntry(name, info.file_size)
            if name in seen:
                entry = SourceEntry(name, -len(self._entries) - 1)  # a second file of this name: refused on reading
            seen.add(name)
            self._infos[entry] = info
            self._entries.append(entry)
        filled = {str(parent) for name in (*seen, *folders) for parent in PurePosixPath(name).parents}
        self.empty_folders: Sequence[str] = sorted(name for name in folders - filled if not is_junk(name))

    def _check_overlap(self, name: str) -> None:
        end = 0
        for info in sorted(self._archive.infolist(), key=lambda item: item.header_offset):
            if info.header_offset < end:
                raise DatasetError(f"{name} has entries that overlap, as only a hostile archive does: pack it again.")
            name_bytes = len(info.orig_filename.encode("utf-8" if info.flag_bits & 0x800 else "cp437", "replace"))
            end = info.header_offset + 30 + name_bytes + info.compress_size
        if end > self._archive.start_dir:
            raise DatasetError(f"{name} has entries that overlap its own index: pack it again.")

    def entries(self) -> Sequence[SourceEntry]:
        return self._entries

    def head(self, entry: SourceEntry, count: int) -> bytes:
        try:
            return next(self.stream(entry, entry.bytes_claimed), b"")[:count]
        except ImageError:
            return b""

    def read(self, entry: SourceEntry, max_bytes: int) -> bytes:
        return b"".join(self.stream(entry, max_bytes))

    def stream(self, entry: SourceEntry, max_bytes: int) -> Generator[bytes, None, None]:
        """The file's bytes in pieces, for what is too large for the memory; no other file is read meanwhile.

        Raises:
            ImageError: if this one file cannot be used, also after some pieces.
        """
        name, info = entry.name, self._infos[entry]
        if entry.bytes_claimed < 0:
            raise ImageError(f"{name[:100]} is in the archive twice: the first one is used.")
        problem = _name_problem(name)
        if problem:
            raise ImageError(f"{name[:100]} {problem}")
        if info.flag_bits & 0x1:
            raise ImageError(f"{name} is encrypted: pack the archive without a password.")
        if stat.S_ISLNK(info.external_attr >> 16):
            raise ImageError(f"{name} is a link, not a file: pack the file itself.")
        if info.file_size > max_bytes:
            raise ImageError(f"{name} is larger than {format_limit(max_bytes)}: save it smaller.")
        ratio_limit = max(2**20, info.compress_size * MAX_RATIO)
        count = 0
        try:
            with self._one_at_a_time, self._archive.open(info) as file:
                while chunk := file.read(COPY_BYTES):
                    count += len(chunk)
                    if count > min(max_bytes, ratio_limit):
                        raise ImageError(f"{name} unpacks to far more than it says: leave it out of the archive.")
                    yield chunk
        except (
            zipfile.BadZipFile,
            zlib.error,
            EOFError,
            OSError,
            NotImplementedError,
            RuntimeError,
            ValueError,
        ) as error:
            raise ImageError(f"{name} is damaged inside the archive: pack it again.") from error

    def close(self) -> None:
        self._archive.close()


class MemorySource:
    """Files that a program makes: (name, bytes)."""

    def __init__(self, title: str, files: Sequence[tuple[str, bytes]], *, drawn: bool = False) -> None:
        self.title = title
        self.drawn = drawn
        self.ignored = 0
        self.empty_folders: Sequence[str] = ()
        self.notes: Sequence[str] = ()
        self._files = dict(files)

    def entries(self) -> Sequence[SourceEntry]:
        return [SourceEntry(name, len(data)) for name, data in self._files.items()]

    def head(self, entry: SourceEntry, count: int) -> bytes:
        return self._files[entry.name][:count]

    def read(self, entry: SourceEntry, max_bytes: int) -> bytes:
        return _within(self._files[entry.name], entry.name, max_bytes)

    def close(self) -> None:
        pass


def _check_index(path: Path, title: str, max_files: int) -> None:
    """Count the entries of an archive before anything keeps them: an index of 1 GB would become 15 GB of objects.

    Raises:
        DatasetError: there are more than `max_files`.
        OSError, ValueError: the archive cannot be read.
    """
    with path.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        file.seek(max(0, end - TAIL_BYTES))
        tail = file.read()
        place = tail.rfind(b"PK\x05\x06")
        if place < 0 or len(tail) < place + 22:
            raise ValueError("no end of an archive")
        start = end - len(tail) + place
        size = int.from_bytes(tail[place + 12 : place + 16], "little")
        wide = tail.rfind(b"PK\x06\x06", 0, place)
        if size == 2**32 - 1 and wide >= 0:
            size, start = int.from_bytes(tail[wide + 40 : wide + 48], "little"), end - len(tail) + wide
        file.seek(max(0, start - size))
        for _ in range(max_files):
            head = file.read(46)
            if head[:4] != b"PK\x01\x02":
                return
            lengths = (int.from_bytes(head[at : at + 2], "little") for at in (28, 30, 32))
            file.seek(sum(lengths), os.SEEK_CUR)
        if file.read(4) == b"PK\x01\x02":
            raise DatasetError(
                f"{title} has more than {max_files:,} files: import a part, or raise TUNEMYPETS_MAX_PICTURES."
            )


def _unreadable(name: str) -> str:
    return f"{name} is not a readable zip archive (cut off or damaged): pack or copy it again."


def _within(data: bytes, name: str, max_bytes: int) -> bytes:
    if len(data) > max_bytes:
        raise ImageError(f"{name} is larger than {format_limit(max_bytes)}: save it smaller.")
    return data


def _name_problem(name: str) -> str | None:
    parts = PurePosixPath(name).parts
    if name.startswith("/") or (len(name) > 1 and name[1] == ":"):
        return "has an absolute name, which no honest archive needs: pack it again."
    if ".." in parts:
        return "has a name that climbs out of the archive: pack it again."
    if len(name) > MAX_NAME or "\x00" in name:
        return "has an unusable name: rename it."
    return None
