"""Where pictures come from: a folder, a zip, or memory. Names are labels here, never paths to write to."""

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol

from core.datasets.archive_names import check_code_page
from core.errors import DatasetError, ImageError
from core.formatting import format_limit

JUNK_FOLDERS = {"__macosx", "@eadir", "$recycle.bin", "system volume information"}
JUNK_FILES = {"thumbs.db", "desktop.ini", "ehthumbs.db", "icon\r"}
COPY_BYTES = 2**16
MAX_TITLE = 100
MAX_FILES = 200_000
MAX_BYTES = 8 * 2**30


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
    empty_folders: Sequence[str]  # known once the entries were asked for

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
    def notes(self) -> Sequence[str]:
        """Sentences about the source as a whole, known once the entries were asked for."""

    @property
    def ignored(self) -> int:
        """How many system files were passed over."""

    def close(self) -> None:
        """Release the source."""


def open_source(
    path: Path,
    title: str = "",
    max_files: int = MAX_FILES,
    *,
    encoding: str | None = None,
    max_bytes: int = MAX_BYTES,
    scratch: Path | None = None,
) -> Source:
    """The source at a path.

    Args:
        max_files: an archive of more than that, and of as many again for a system's own files, is not even listed.
        title: what people call it, where that is not the name it has here.
        encoding: code page of an archive's names that are not Unicode, by any name of it; None to guess it.
        max_bytes: zips in an archive are opened up to that size, all together.
        scratch: where they lie meanwhile; None for the system's place.
    Raises:
        ConfigError: there is no such code page.
        DatasetError: if there is nothing usable.
    """
    page = check_code_page(encoding) if encoding is not None else None
    if path.is_dir():
        return FolderSource(path)
    if not path.exists():
        raise DatasetError(f"{path} is not there: check the path.")
    # here and not above: it builds on what stands here
    from core.datasets.archive import InnerZips, ZipSource

    return ZipSource(path, title, 2 * max_files, encoding=page, inner=InnerZips(max_bytes, scratch))


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


def _within(data: bytes, name: str, max_bytes: int) -> bytes:
    if len(data) > max_bytes:
        raise ImageError(f"{name} is larger than {format_limit(max_bytes)}: save it smaller.")
    return data
