"""A collection in an exported room: its description and pictures; previews are made where it arrives."""

import dataclasses
from pathlib import Path
from typing import BinaryIO, cast

from core.collection.collection import (
    COLLECTION,
    DELETED_PICTURES,
    PICTURES,
    THUMBS,
    dump_collection,
    list_pictures,
    read_collection,
)
from core.collection.collection_check import verify_collection
from core.collection.collection_store import MAX_NAME, MAX_TITLE
from core.collection.picture_intake import MAX_BYTES, MAX_PICTURES, THUMBNAIL_PX
from core.datasets.labels.class_names import clean_class_name
from core.datasets.pictures.decoder import Limits, decode, write_thumbnail
from core.errors import CollectionError, ImageError
from core.maintenance.manifest import PackedFile
from core.settings import Settings
from core.storage import atomic_open, is_id, write_json
from core.verification import Damage

LATEST_TIME = 4e9  # seconds since 1970: no collection was made later


def files_of(folder: Path) -> list[str]:
    """What is packed of a collection. People may still add: the description, read last, has every class by then."""
    return [*(f"{PICTURES}/{picture.file}" for picture in list_pictures(folder)), COLLECTION]


def verify_arrived(settings: Settings, draft: Path, identity: str) -> None:
    """Decode every picture of an unpacked collection, make the previews, and close it: nobody here began it.

    Raises:
        Damage: something of it is not what the program writes.
    """
    for name in (PICTURES, THUMBS, DELETED_PICTURES):
        (draft / name).mkdir(exist_ok=True)
    try:
        collection = read_collection(draft)
    except CollectionError as error:
        raise Damage("has no description that can be read") from error
    names = [(collection.title, MAX_TITLE), *((item.name, MAX_NAME) for item in collection.classes)]
    if not all(is_id(owner) for owner in (collection.owner, *(item.owner for item in collection.classes))):
        raise Damage("has owners that the program never wrote")
    if any(not 0 < len(text) <= most or clean_class_name(text) != text for text, most in names):
        raise Damage("has names that the program never wrote")
    if not 0 <= collection.created < LATEST_TIME or len({item.id for item in collection.classes}) != len(names) - 1:
        raise Damage("has a description that the program never wrote")
    for problem in verify_collection(draft):
        raise Damage(f"is damaged ({problem.path.name.replace(draft.name, identity)}): export it again")
    pictures = list_pictures(draft)
    if len(pictures) > MAX_PICTURES:
        raise Damage(f"has more than {MAX_PICTURES:,} pictures")
    limits = Limits(Limits.from_settings(settings).max_pixels, MAX_BYTES)
    for picture in pictures:
        try:
            found = decode(draft / PICTURES / picture.file, limits, picture.digest)
        except ImageError as error:
            raise Damage(f"has a picture that cannot be read ({picture.digest})") from error
        with atomic_open(draft / THUMBS / picture.thumbnail) as file:
            write_thumbnail(found.image, cast(BinaryIO, file), THUMBNAIL_PX)
    write_json(draft / COLLECTION, dump_collection(dataclasses.replace(collection, open=False, chosen=0.0)))


def compare_collection(here: Path, files: list[PackedFile]) -> None:
    """Raises Damage unless every packed picture is here."""
    there = {picture.file for picture in list_pictures(here)}
    if any(item.name != COLLECTION and item.name.removeprefix(f"{PICTURES}/") not in there for item in files):
        raise Damage("is here already and differs: delete one of them")
