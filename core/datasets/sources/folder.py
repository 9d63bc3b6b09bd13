"""A folder of this machine as a source."""

import os
import stat
from collections.abc import Sequence
from pathlib import Path

from core.datasets.sources.source import COPY_BYTES, SourceEntry, is_junk, within
from core.errors import ImageError


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
            notes.append(
                f"The folder {name} cannot be read ({error.strerror}) and was left out: check its permissions."
            )
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
            raise ImageError(f"{entry.name} cannot be read ({error.strerror}): check its permissions.") from error
        return within(data, entry.name, max_bytes)

    def close(self) -> None:
        pass
