"""A collection on the disk, `collections/<id>/`: what it is made of, and how it is read.

    collection.json    title, owner, whether it is open, classes; replaced as a whole, under `lock`
    pictures/          one file for each picture, whose name holds all that is known of it
    thumbs/            a small JPEG of each, named by its content; can be made again
    deleted/           an empty file for each deleted picture: a phone that sends it once more does not restore it
    lock               held while something changes

A picture is there or absent, whatever was killed: it arrives by a rename. Merging and deleting a class change
`collection.json` alone, so they happen at once; pictures follow the class that theirs was merged into.
"""

import functools
import re
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import ConfigDict, TypeAdapter

from core.errors import CollectionError
from core.storage import Stamp, stamp_of

COLLECTION, PICTURES, THUMBS, DELETED_PICTURES, LOCK = "collection.json", "pictures", "thumbs", "deleted", "lock"
PICTURE_ID = re.compile(r"[a-z0-9]{8,32}")  # made in the browser
GROUP_ID = re.compile(r"[a-z0-9]{0,32}")  # made in the browser; empty for a single picture
DIGEST_DIGITS = 32
PICTURE_NAME = re.compile(
    r"([0-9]{13})\.(c-[0-9a-f]{8})\.([a-z0-9][a-z0-9_-]{0,63})\.([a-z0-9]{0,32})\.([a-z0-9]{8,32})\."
    r"([0-9a-f]{32})\.([a-z0-9]{2,4})"
)
SETTLED_SECONDS = 0.1  # file systems note times in steps: what changed more recently is read again


@dataclass(frozen=True)
class CollectedClass:
    """A class of a collection.

    Attributes:
        owner: who made it.
        off: left out when the collection is frozen.
        into: the class that it was merged into.
        gone: it was deleted.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    id: str
    name: str
    owner: str
    off: bool = False
    into: str | None = None
    gone: bool = False


@dataclass(frozen=True)
class Collection:
    """What `collection.json` holds; classes in the order they were made.

    Attributes:
        open: people may add and delete.
        created: seconds since 1970.
        chosen: when the presenter last chose it; phones add to the one that was chosen last.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    title: str
    owner: str
    created: float
    open: bool = True
    chosen: float = 0.0
    classes: tuple[CollectedClass, ...] = ()

    @property
    def shown(self) -> tuple[CollectedClass, ...]:
        """The classes that were neither merged nor deleted."""
        return tuple(item for item in self.classes if item.into is None and not item.gone)

    def resolve(self, class_id: str) -> CollectedClass:
        """The class that pictures of this one belong to now.

        Raises:
            CollectionError: if there is none, or it was deleted.
        """
        by_id = {item.id: item for item in self.classes}
        found = by_id.get(class_id)
        for _ in self.classes:  # never in a circle
            if found is None or found.into is None:
                break
            found = by_id.get(found.into)
        if found is None or found.gone:
            name = f"The class {found.name!r}" if found else "This class"
            raise CollectionError(f"{name} was deleted: choose another one.")
        return found


@dataclass(frozen=True)
class CollectedPicture:
    """A picture of a collection, as its file's name describes it.

    Attributes:
        milliseconds: since 1970, when it arrived.
        class_id: as it was sent; `Collection.resolve` knows where it belongs now.
        owner: who sent it.
        group: equal for the frames of one clip of one person; empty for a single picture.
        id: made in the browser.
        digest: the first half of its content's sha256, in hex; no two pictures of a collection have the same.
    """

    milliseconds: int
    class_id: str
    owner: str
    group: str
    id: str
    digest: str
    suffix: str

    @property
    def file(self) -> str:
        """Its file's name."""
        parts = (f"{self.milliseconds:013}", self.class_id, self.owner, self.group, self.id, self.digest, self.suffix)
        return ".".join(parts)

    @property
    def thumbnail(self) -> str:
        """The name of its small JPEG."""
        return f"{self.digest}.jpg"


@dataclass(frozen=True, eq=False)
class CollectionView:
    """A collection at one moment, with the pictures of its classes in the order of their arrival."""

    id: str
    collection: Collection
    pictures: tuple[CollectedPicture, ...]
    by_class: Mapping[str, tuple[CollectedPicture, ...]]  # by the id of each class that is shown

    @property
    def people(self) -> dict[str, int]:
        """Pictures of each person, in the order they began."""
        return dict(Counter(picture.owner for picture in self.pictures))


def view_collection(folder: Path) -> CollectionView:
    """A collection as it is now; read again only when it has changed. Cheap: many phones ask every few seconds.

    Raises:
        CollectionError: if it is not there, or damaged.
    """
    stamps = stamp_of(folder / COLLECTION), stamp_of(folder / PICTURES)
    newest = max((stamp[0] for stamp in stamps if stamp), default=0)
    if time.time() - newest / 1e9 < SETTLED_SECONDS:
        return _view(folder)
    return _view_once(folder, stamps)


def read_collection(folder: Path) -> Collection:
    """What `collection.json` holds.

    Raises:
        CollectionError: if it is not there, or damaged.
    """
    try:
        return _COLLECTION.validate_json((folder / COLLECTION).read_bytes())
    except FileNotFoundError:
        raise CollectionError("This collection was deleted: ask the presenter to start another one.") from None
    except (OSError, ValueError) as error:
        raise CollectionError(f"The collection {folder.name} is damaged: run `python -m core fsck`.") from error


def dump_collection(collection: Collection) -> object:
    """As `read_collection` reads it."""
    return _COLLECTION.dump_python(collection, mode="json")


def list_pictures(folder: Path) -> list[CollectedPicture]:
    """Every picture file, those of deleted classes included, in the order of their arrival."""
    try:
        names = sorted(path.name for path in (folder / PICTURES).iterdir())
    except FileNotFoundError:
        return []
    return [picture for picture in map(parse_name, names) if picture is not None]


def parse_name(name: str) -> CollectedPicture | None:
    """The picture that a file's name describes; None for other names."""
    found = PICTURE_NAME.fullmatch(name)
    return CollectedPicture(int(found[1]), *found.groups()[1:]) if found else None


_COLLECTION = TypeAdapter(Collection)


@functools.lru_cache(maxsize=64)
def _view_once(folder: Path, _stamps: tuple[Stamp | None, Stamp | None]) -> CollectionView:
    return _view(folder)


def _view(folder: Path) -> CollectionView:
    collection = read_collection(folder)
    places: dict[str, str] = {}
    for item in collection.classes:
        try:
            places[item.id] = collection.resolve(item.id).id
        except CollectionError:
            continue  # deleted: its pictures are on their way
    pictures = tuple(picture for picture in list_pictures(folder) if picture.class_id in places)
    by_class: dict[str, list[CollectedPicture]] = {item.id: [] for item in collection.shown}
    for picture in pictures:
        by_class[places[picture.class_id]].append(picture)
    return CollectionView(folder.name, collection, pictures, {name: tuple(found) for name, found in by_class.items()})
