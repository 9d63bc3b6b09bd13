"""What may be wrong with a collection on the disk."""

from collections.abc import Iterator
from pathlib import Path

from core.collection.collection import (
    COLLECTION,
    DELETED_PICTURES,
    LOCK,
    PICTURES,
    THUMBS,
    list_pictures,
    parse_name,
    read_collection,
)
from core.errors import CollectionError
from core.storage import TEMPORARY
from core.verification import (
    REMOVE,
    SET_ASIDE,
    Count,
    Kind,
    Problem,
    held,
    ignore,
    is_file,
    listed,
    sha256_of,
    unknown,
    verify_names,
    verify_temporary,
)


def verify_collection(folder: Path, count: Count = ignore) -> Iterator[Problem]:
    """Look at a collection's folder; every picture is what its name says."""
    lock = folder / LOCK
    yield from verify_names(
        folder, {COLLECTION, PICTURES, THUMBS, DELETED_PICTURES, LOCK}, count, live=held(lock), lock=lock
    )
    try:
        collection = read_collection(folder)
    except CollectionError:
        yield Problem(Kind.DAMAGED, folder, "This collection has no description that can be read.", SET_ASIDE)
        return
    known = {item.id for item in collection.classes}
    for entry in listed(folder / PICTURES):
        path = folder / PICTURES / entry.name
        picture = parse_name(entry.name)
        if is_file(path) and TEMPORARY.fullmatch(entry.name):
            yield from verify_temporary(path, lock=lock)
        elif picture is None or not is_file(path):
            yield unknown(path, "file", lock=lock)
        elif picture.class_id not in known:
            yield Problem(Kind.ORPHANED, path, "The class of this picture is not in the collection.", SET_ASIDE)
        else:
            try:
                right = sha256_of(path, count).startswith(picture.digest)
            except FileNotFoundError:
                continue  # deleted just now
            if not right:
                yield Problem(Kind.DAMAGED, path, "This picture is not what was sent.", SET_ASIDE, lock=lock)
    thumbnails = {picture.thumbnail for picture in list_pictures(folder)}
    for entry in listed(folder / THUMBS):
        path = folder / THUMBS / entry.name
        if TEMPORARY.fullmatch(entry.name):
            yield from verify_temporary(path, lock=lock)
        elif entry.name not in thumbnails and not held(lock):
            yield Problem(Kind.LEFT_OVER, path, "The picture of this preview is gone.", REMOVE, lock=lock)
