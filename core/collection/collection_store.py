"""All collections of a data root: start, open and close, delete; make, rename, switch off, merge and delete classes.

Each change is made under the collection's lock and written as one file, so that whatever many phones ask for at once
happens one after the other. What is so already is no error: two people may delete the same class.
"""

import dataclasses
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

from core.actor import Actor
from core.collection.collection import (
    COLLECTION,
    DELETED_PICTURES,
    LOCK,
    PICTURES,
    THUMBS,
    CollectedClass,
    Collection,
    CollectionView,
    dump_collection,
    list_pictures,
    read_collection,
    view_collection,
)
from core.datasets.labels.class_names import clean_class_name
from core.errors import CollectionError, NotNowError, RightsError
from core.locks import hold_lock
from core.quotas import check_room, check_space
from core.settings import Settings
from core.storage import is_id, list_ids, new_folder, new_id, remove_folder, write_json

MAX_CLASSES = 40
MAX_COLLECTIONS = 50
MAX_NAME, MAX_TITLE = 40, 60  # letters
LOCK_SECONDS = 10.0


class CollectionStore:
    """The folder `collections/` of a data root."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.folder = settings.collections_dir

    def ids(self) -> list[str]:
        """Every collection, newest first."""
        return list_ids(self.folder, COLLECTION)[::-1]

    def all(self) -> list[CollectionView]:
        """Every collection that can be read, the one that was chosen last first."""
        found = []
        for name in self.ids():
            with suppress(CollectionError):  # deleted just now, or damaged: fsck reports that
                found.append(self.view(name))
        return sorted(found, key=lambda view: max(view.collection.created, view.collection.chosen), reverse=True)

    def current(self) -> CollectionView | None:
        """The collection that phones add to: the one that was started or chosen last; None while there is none."""
        return next(iter(self.all()), None)

    def view(self, collection_id: str) -> CollectionView:
        """A collection as it is now.

        Raises:
            CollectionError: if there is none of this id, or it is damaged.
        """
        return view_collection(self.place(collection_id))

    def place(self, collection_id: str) -> Path:
        """The folder of a collection.

        Raises:
            CollectionError: if there is none of this id.
        """
        if not is_id(collection_id) or not (self.folder / collection_id / COLLECTION).exists():
            raise CollectionError("This collection was deleted: ask the presenter to start another one.")
        return self.folder / collection_id

    def start(self, title: str, *, by: Actor) -> str:
        """Start a collection, open for everyone; returns its id.

        Raises:
            RightsError: unless `by` is the presenter.
            CollectionError: the title is empty or too long, or there are too many.
            QuotaError: if there is no space.
        """
        by.check_presenter("Collecting photos")
        shown = _check_name(title, "title", MAX_TITLE)
        if len(self.ids()) >= MAX_COLLECTIONS:
            raise CollectionError(f"There are {MAX_COLLECTIONS} collections already: delete one first.")
        check_space(self.settings)
        check_room(self.settings)
        made = new_id("collection-")
        with new_folder(self.folder / made) as draft:
            for name in (PICTURES, THUMBS, DELETED_PICTURES):
                (draft / name).mkdir()
            write_json(draft / COLLECTION, dump_collection(Collection(shown, by.id, time.time())))
        return made

    def set_open(self, collection_id: str, is_open: bool, *, by: Actor) -> None:
        """Let people add pictures, or no more.

        Raises:
            RightsError: unless `by` is the presenter.
            CollectionError: if there is no such collection.
        """
        by.check_presenter("Opening and closing a collection")
        self._change(collection_id, lambda found: dataclasses.replace(found, open=is_open))

    def choose(self, collection_id: str, *, by: Actor) -> None:
        """Let phones add to an earlier collection again.

        Raises:
            RightsError: unless `by` is the presenter.
            CollectionError: if there is no such collection.
        """
        by.check_presenter("Choosing a collection")
        self._change(collection_id, lambda found: dataclasses.replace(found, chosen=time.time()))

    def delete(self, collection_id: str, *, by: Actor) -> None:
        """Remove a collection with its pictures; datasets that were made of it stay.

        Raises:
            RightsError: unless `by` is the presenter.
            CollectionError: if there is no such collection.
        """
        by.check_presenter("Deleting a collection")
        remove_folder(self.place(collection_id))  # without its lock: Windows moves no folder with an open file

    def add_class(self, collection_id: str, name: str, *, by: Actor) -> str:
        """Make a class, or find the one of this name; returns its id.

        Raises:
            CollectionError: the name is empty or too long, or there are too many classes.
            NotNowError: the collection is closed.
        """
        shown, made = _check_name(name, "name", MAX_NAME), f"c-{secrets.token_hex(4)}"

        def change(found: Collection) -> Collection:
            nonlocal made
            check_open(found, by)
            for item in found.shown:
                if item.name.casefold() == shown.casefold():
                    made = item.id
                    return found
            if len(found.shown) >= MAX_CLASSES:
                raise CollectionError(f"There are {MAX_CLASSES} classes already: add your photos to one of them.")
            return dataclasses.replace(found, classes=(*found.classes, CollectedClass(made, shown, by.id)))

        self._change(collection_id, change)
        return made

    def rename_class(self, collection_id: str, class_id: str, name: str, *, by: Actor) -> None:
        """Give a class another name.

        Raises:
            CollectionError: the name is empty, too long, or another class has it; or the class was deleted.
            RightsError: unless `by` made the class and all its pictures, or is the presenter.
        """
        shown = _check_name(name, "name", MAX_NAME)

        def change(found: Collection, item: CollectedClass) -> CollectedClass:
            if any(other.name.casefold() == shown.casefold() for other in found.shown if other.id != item.id):
                raise CollectionError(f"There is a class {shown!r} already: merge the two, or choose another name.")
            return dataclasses.replace(item, name=shown)

        self._change_class(collection_id, class_id, change, by)

    def switch_class(self, collection_id: str, class_id: str, off: bool, *, by: Actor) -> None:
        """Leave a class out when the collection is frozen, or use it again.

        Raises:
            CollectionError, RightsError: as `rename_class`.
        """
        self._change_class(collection_id, class_id, lambda _, item: dataclasses.replace(item, off=off), by)

    def merge_class(self, collection_id: str, class_id: str, into: str, *, by: Actor) -> None:
        """Put the pictures of a class into another one; what phones still send follows.

        Raises:
            CollectionError, RightsError: as `rename_class`.
        """

        def change(found: Collection, item: CollectedClass) -> CollectedClass:
            target = found.resolve(into)
            return item if target.id == item.id else dataclasses.replace(item, into=target.id)

        self._change_class(collection_id, class_id, change, by)

    def delete_class(self, collection_id: str, class_id: str, *, by: Actor) -> None:
        """Delete a class with its pictures; one that was deleted or merged already stays so.

        Raises:
            CollectionError, RightsError: as `rename_class`.
        """
        self._change_class(
            collection_id, class_id, lambda _, item: dataclasses.replace(item, gone=True), by, gone_is_fine=True
        )

    @contextmanager
    def locked(self, collection_id: str) -> Iterator[Path]:
        """The folder of a collection, while nothing else changes it.

        Raises:
            CollectionError: if there is no such collection.
            NotNowError: if others hold it for long.
        """
        folder = self.place(collection_id)
        with lock_collection(folder):
            yield self.place(collection_id)  # unless it was deleted meanwhile

    def _change(self, collection_id: str, change: Callable[[Collection], Collection]) -> None:
        with self.locked(collection_id) as folder:
            before = read_collection(folder)
            after = change(before)
            if after != before:
                write_json(folder / COLLECTION, dump_collection(after))
            _sweep(folder, after)

    def _change_class(
        self,
        collection_id: str,
        class_id: str,
        change: Callable[[Collection, CollectedClass], CollectedClass],
        by: Actor,
        *,
        gone_is_fine: bool = False,
    ) -> None:
        def change_one(found: Collection) -> Collection:
            check_open(found, by)
            # not `resolve`: a change that was meant for a merged class must not hit the one that it was merged into
            item = next((item for item in found.shown if item.id == class_id), None)
            if item is None and gone_is_fine:
                return found
            if item is None:
                raise CollectionError("This class was deleted or merged meanwhile: choose another one.")
            if not may_change_class(self.view(collection_id), item, by):
                raise RightsError(
                    f"Other people's photos are in {item.name!r}: ask the presenter to change this class."
                )
            changed = change(found, item)
            return dataclasses.replace(
                found, classes=tuple(changed if other.id == item.id else other for other in found.classes)
            )

        self._change(collection_id, change_one)


def lock_collection(folder: Path) -> AbstractContextManager[None]:
    """Hold the lock of a collection.

    Raises:
        NotNowError: if others hold it for long.
    """
    busy = NotNowError("Many people are adding photos: try again in a few seconds.")
    return hold_lock(folder / LOCK, LOCK_SECONDS, busy)


def may_change_class(view: CollectionView, item: CollectedClass, by: Actor) -> bool:
    """Whether a person may rename, switch off, merge or delete a class: not where others have pictures in it."""
    others = any(picture.owner != by.id for picture in view.by_class.get(item.id, ()))
    return by.presenter or (item.owner == by.id and not others)


def check_open(collection: Collection, by: Actor) -> None:
    """Refuse a change of a closed collection; the presenter may.

    Raises:
        NotNowError: it is closed.
    """
    if not collection.open and not by.presenter:
        raise NotNowError("The presenter has closed the collection: ask them to open it again.")


def _check_name(text: str, what: str, most: int) -> str:
    shown = " ".join(clean_class_name(text).split())
    if not shown:
        raise CollectionError(f"The {what} is empty: enter at least one letter.")
    if len(shown) > most:
        raise CollectionError(f"The {what} is too long: use at most {most} letters.")
    return shown


def _sweep(folder: Path, collection: Collection) -> None:
    """Remove the pictures of deleted classes, also what a killed process left of them."""
    gone = {item.id for item in collection.classes if _is_gone(collection, item)}
    for picture in list_pictures(folder) if gone else ():
        if picture.class_id in gone:
            (folder / THUMBS / picture.thumbnail).unlink(missing_ok=True)
            (folder / PICTURES / picture.file).unlink(missing_ok=True)


def _is_gone(collection: Collection, item: CollectedClass) -> bool:
    try:
        collection.resolve(item.id)
    except CollectionError:
        return True
    return False
