"""A collection as a source of an import: the classes that are switched on, with groups that must not be split.

Frames of one clip show one thing, and so do the pictures of one person, more or less: a network is tested honestly on
people whose pictures it never saw. The import keeps people together where there are enough of them, else clips.
"""

from collections.abc import Sequence
from pathlib import Path

from core.collection.collection import PICTURES, CollectionView
from core.datasets.sources.source import SourceEntry, within
from core.errors import ImageError


class CollectionSource:
    """The pictures of a collection at one moment.

    Args:
        folder: of the collection.
    """

    drawn = False
    ignored = 0

    def __init__(self, folder: Path, view: CollectionView) -> None:
        self.title = view.collection.title
        self.notes: Sequence[str] = ()
        self.empty_folders: Sequence[str] = ()
        self._folder = folder / PICTURES
        self._files: dict[str, str] = {}
        self._entries: list[SourceEntry] = []
        people: dict[str, str] = {}
        shots: dict[tuple[str, str], str] = {}
        for item in view.collection.shown:
            pictures = view.by_class[item.id]
            if not pictures:
                self.empty_folders = (*self.empty_folders, item.name)
            for number, picture in enumerate(() if item.off else pictures, start=1):
                # neither people nor ids of clips reach a dataset
                name = f"{item.name.replace('/', '-')}/{number:04}.{picture.suffix}"
                if name in self._files:
                    name = f"{item.id}/{number:04}.{picture.suffix}"
                person = people.setdefault(picture.owner, f"person-{len(people) + 1}")
                kind = "clip" if picture.group else "photo"
                key = picture.owner, picture.group or picture.digest
                group = f"{person}/{shots.setdefault(key, f'{kind}-{len(shots) + 1}')}"
                self._files[name] = picture.file
                size = _size(self._folder / picture.file)
                self._entries.append(SourceEntry(name, size, label=item.name, group=group))

    def entries(self) -> Sequence[SourceEntry]:
        return self._entries

    def head(self, entry: SourceEntry, count: int) -> bytes:
        try:
            with (self._folder / self._files[entry.name]).open("rb") as file:
                return file.read(count)
        except OSError:
            return b""

    def read(self, entry: SourceEntry, max_bytes: int) -> bytes:
        try:
            data = (self._folder / self._files[entry.name]).read_bytes()
        except OSError as error:
            raise ImageError(f"{entry.name} was deleted meanwhile: freeze the collection again.") from error
        return within(data, entry.name, max_bytes)

    def close(self) -> None:
        pass


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
