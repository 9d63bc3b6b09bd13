"""A collection as a source of an import: the classes that are switched on, with groups that must not be split.

Frames of one clip show one thing, and so do the pictures of one person, more or less. A network is tested honestly on
people whose pictures it never saw; but with few people that leaves too little for validation and test.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from core.collection.collection import PICTURES, CollectedPicture, CollectionView
from core.datasets.sources.source import SourceEntry, within
from core.errors import ImageError

LEAST_PEOPLE = 5  # in each class, before the pictures of a person stay together

Together = Literal["clip", "person"]


def choose_together(view: CollectionView) -> Together:
    """What stays in one split: the pictures of a person where enough people took part in every class, else a clip."""
    used = [view.by_class[item.id] for item in view.collection.shown if not item.off]
    enough = all(len({picture.owner for picture in pictures}) >= LEAST_PEOPLE for pictures in used)
    return "person" if used and enough else "clip"


class CollectionSource:
    """The pictures of a collection at one moment.

    Args:
        folder: of the collection.
        together: what is one group.
    """

    drawn = False
    ignored = 0

    def __init__(self, folder: Path, view: CollectionView, together: Together) -> None:
        self.title = view.collection.title
        self.notes: Sequence[str] = ()
        self.empty_folders: Sequence[str] = ()
        self._folder = folder / PICTURES
        self._files: dict[str, str] = {}
        self._entries: list[SourceEntry] = []
        groups: dict[tuple[str, str], str] = {}
        for item in view.collection.shown:
            pictures = view.by_class[item.id]
            if not pictures:
                self.empty_folders = (*self.empty_folders, item.name)
            for number, picture in enumerate(() if item.off else pictures, start=1):
                # neither people nor ids of clips reach a dataset
                name = f"{item.name.replace('/', '-')}/{number:04}.{picture.suffix}"
                if name in self._files:
                    name = f"{item.id}/{number:04}.{picture.suffix}"
                key = _group_key(picture, together)
                group = groups.setdefault(key, f"{together}-{len(groups) + 1}") if key else ""
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


def _group_key(picture: CollectedPicture, together: Together) -> tuple[str, str] | None:
    if together == "person":
        return picture.owner, ""
    return (picture.owner, picture.group) if picture.group else None


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
