"""Where pictures come from: a folder, a zip, or memory. Names are labels here, never paths to write to."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Protocol

from core.errors import ImageError
from core.formatting import format_limit

JUNK_FOLDERS = {
    "__macosx", "@eadir", "#recycle", "$recycle.bin", "system volume information", "lost+found", "__pycache__",
}  # fmt: skip
JUNK_FILES = {"thumbs.db", "desktop.ini", "ehthumbs.db", "ehthumbs_vista.db", "picasa.ini", "icon\r"}
COPY_BYTES = 2**16
MAX_TITLE = 100
MAX_FILES = 200_000
MAX_BYTES = 8 * 2**30


@dataclass(frozen=True)
class SourceEntry:
    """A file of a source; `name` is its path there with forward slashes.

    Label, split (train, val or test) and group (equal for pictures that belong together) are given where the source
    itself knows them.
    """

    name: str
    bytes_claimed: int
    label: str | None = None
    split: str | None = None
    group: str = ""


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


def is_junk(name: str) -> bool:
    """Whether a file is a system's or a program's own: dot-files, `__MACOSX`, Thumbs.db, locks of Office …"""
    parts = [part.lower() for part in PurePosixPath(name).parts]
    return any((part.startswith(".") and part not in (".", "..")) or part in JUNK_FOLDERS for part in parts) or (
        bool(parts) and (parts[-1] in JUNK_FILES or parts[-1].startswith("~$"))
    )


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
        return within(self._files[entry.name], entry.name, max_bytes)

    def close(self) -> None:
        pass


def within(data: bytes, name: str, max_bytes: int) -> bytes:
    if len(data) > max_bytes:
        raise ImageError(f"{name} is larger than {format_limit(max_bytes)}: save it smaller.")
    return data
