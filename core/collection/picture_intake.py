"""Pictures of a collection: added once however often they are sent, and deleted by whom they belong to.

A picture is decoded fully, by the decoder of all imports, before it is accepted. A phone gives each an id, and sends it
again until it is answered. Whoever sends it once more, or the same content in another file, gets the one that is there.
"""

import functools
import hashlib
import time
from dataclasses import dataclass
from pathlib import Path

from core.actor import Actor
from core.collection.collection import (
    DELETED_PICTURES,
    DIGEST_DIGITS,
    GROUP_ID,
    PICTURE_ID,
    PICTURES,
    THUMBS,
    CollectedPicture,
    list_pictures,
    read_collection,
)
from core.collection.collection_store import CollectionStore, check_open
from core.datasets.pictures.decoder import DecodedImage, Limits, decode, write_thumbnail
from core.datasets.pictures.picture_formats import EXTENSIONS
from core.errors import CollectionError, QuotaError
from core.quotas import check_room, check_space
from core.room.board import check_uploads
from core.settings import Settings
from core.storage import staged, sync_folder

MAX_PICTURES = 10_000  # of a collection
MAX_OWN_PICTURES = 2_000  # of one person in it
MAX_BYTES = 8 * 2**20  # of one picture; a phone scales it down to a few hundred KB
THUMBNAIL_PX = 160
ROOM_SECONDS = 10  # the size of everything is added up at most so often


@dataclass(frozen=True)
class Sent:
    """A picture as a phone sends it.

    Attributes:
        name: what sentences call it.
        group: equal for the frames of one clip; empty for a single picture.
    """

    id: str
    class_id: str
    group: str
    name: str
    data: bytes


def add_picture(settings: Settings, collection_id: str, sent: Sent, *, by: Actor) -> tuple[CollectedPicture, bool]:
    """Add a picture; returns it, or the one that is there already, and whether it is new.

    Raises:
        ImageError: it cannot be read, with the reason.
        CollectionError: the collection or class was deleted, or the ids are none.
        NotNowError: the collection is closed.
        QuotaError: there are too many pictures, no space, or the presenter has locked uploads.
    """
    if not PICTURE_ID.fullmatch(sent.id) or not GROUP_ID.fullmatch(sent.group):
        raise CollectionError("This picture has no valid id: reload the page and add it again.")
    check_uploads(settings, by)
    store = CollectionStore(settings)
    check_open(read_collection(store.place(collection_id)), by)
    check_space(settings, len(sent.data))
    _check_room_seldom(settings, int(time.monotonic() // ROOM_SECONDS))
    limits = Limits.from_settings(settings)
    picture = decode(sent.data, Limits(limits.max_pixels, min(MAX_BYTES, limits.max_bytes)), sent.name)
    digest = hashlib.sha256(sent.data).hexdigest()[:DIGEST_DIGITS]
    pictures = store.place(collection_id) / PICTURES
    with staged(pictures, sent.data) as path:
        found, new = _take_in(store, collection_id, sent, digest, path, picture, by)
    sync_folder(pictures)
    return found, new


def _take_in(
    store: CollectionStore,
    collection_id: str,
    sent: Sent,
    digest: str,
    path: Path,
    picture: DecodedImage,
    by: Actor,
) -> tuple[CollectedPicture, bool]:
    """Give a written file its name, unless the picture is there."""
    with store.locked(collection_id) as folder:
        collection = read_collection(folder)
        check_open(collection, by)
        class_id = collection.resolve(sent.class_id).id
        new = CollectedPicture(
            int(time.time() * 1000), class_id, by.id, sent.group, sent.id, digest, EXTENSIONS[picture.source_format]
        )
        there = list_pictures(folder)
        for other in there:
            if other.digest == digest or (other.owner, other.id) == (by.id, sent.id):
                return other, False
        if _deleted_path(folder, new).exists():
            return new, False
        _check_counts(there, by)
        with (folder / THUMBS / new.thumbnail).open("wb") as file:  # not synced: it can be made again
            write_thumbnail(picture.image, file, THUMBNAIL_PX)
        path.replace(folder / PICTURES / new.file)
        return new, True


def delete_picture(settings: Settings, collection_id: str, digest: str, *, by: Actor) -> None:
    """Delete a picture; one that is gone already stays so.

    Raises:
        RightsError: unless it is theirs, or `by` is the presenter.
        CollectionError: there is no such collection.
        NotNowError: it is closed.
    """
    with CollectionStore(settings).locked(collection_id) as folder:
        check_open(read_collection(folder), by)
        for picture in list_pictures(folder):
            if picture.digest == digest:
                by.check_may_change(picture.owner, "This picture")
                _deleted_path(folder, picture).touch()
                (folder / PICTURES / picture.file).unlink(missing_ok=True)
                (folder / THUMBS / picture.thumbnail).unlink(missing_ok=True)


def _deleted_path(folder: Path, picture: CollectedPicture) -> Path:
    return folder / DELETED_PICTURES / f"{picture.owner}.{picture.id}"


def _check_counts(there: list[CollectedPicture], by: Actor) -> None:
    if len(there) >= MAX_PICTURES:
        raise QuotaError(f"The collection has {MAX_PICTURES:,} pictures, the most it may have: delete some first.")
    if not by.presenter and sum(picture.owner == by.id for picture in there) >= MAX_OWN_PICTURES:
        raise QuotaError(f"You have added {MAX_OWN_PICTURES:,} pictures, the most one person may: delete some first.")


@functools.lru_cache(maxsize=4)
def _check_room_seldom(settings: Settings, _period: int) -> None:
    check_room(settings)
