"""A collection arrives elsewhere as it was, and closed; nothing hostile arrives."""

import dataclasses
import hashlib
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.actor import OPERATOR, Actor
from core.collection.collection import THUMBS
from core.collection.collection_store import CollectionStore
from core.collection.picture_intake import Sent, add_picture, delete_picture
from core.errors import CarryError
from core.maintenance.check import check
from core.maintenance.export_archive import export_room
from core.maintenance.import_archive import import_room
from core.settings import Settings
from core.storage import is_id
from tests.support.images import encoded, photo

ADA = Actor("p-ada", "Ada")
NAME = "0000000000001.{}.p-ada..00000099.{}.jpg"


@pytest.fixture
def other(settings: Settings, tmp_path: Path) -> Settings:
    """An empty data root, as of another machine."""
    return dataclasses.replace(settings, home=tmp_path / "other")


@pytest.fixture
def packed(settings: Settings, tmp_path: Path) -> Path:
    """A room that holds a collection: two classes of three pictures, one more class merged, one deleted."""
    store = CollectionStore(settings)
    place = store.start("Our mugs", by=OPERATOR)
    made = [store.add_class(place, name, by=ADA) for name in ("mug", "spoon", "cup", "gone")]
    for seed in range(8):
        sent = Sent(f"{seed:08}", made[seed % 4], "clip1", "a", encoded(photo(seed)))
        add_picture(settings, place, sent, by=ADA)
    store.merge_class(place, made[2], made[0], by=ADA)
    store.delete_class(place, made[3], by=ADA)
    target = tmp_path / "room.zip"
    exported = export_room(settings, target)
    assert (exported.collections, exported.left_out) == ([place], {})
    return target


def describe(settings: Settings) -> tuple[str, dict[str, list[str]]]:
    view = CollectionStore(settings).current()
    assert view is not None
    names = {item.id: item.name for item in view.collection.shown}
    return view.id, {names[key]: [picture.file for picture in found] for key, found in view.by_class.items()}


def test_a_collection_arrives_as_it_was_and_closed(packed: Path, settings: Settings, other: Settings) -> None:
    (place, there) = describe(settings)
    arrived = import_room(other, packed)
    assert (arrived.taken, arrived.there, arrived.refused) == ([f"collections/{place}"], [], {})
    assert describe(other) == (place, there)
    assert {name: len(found) for name, found in there.items()} == {"mug": 4, "spoon": 2}
    view = CollectionStore(other).view(place)
    assert not view.collection.open
    assert len(list((CollectionStore(other).place(place) / THUMBS).iterdir())) == 6
    assert list(check(other)) == []
    assert import_room(other, packed).there == [f"collections/{place}"]
    delete_picture(other, place, view.pictures[0].digest, by=OPERATOR)
    assert "differs" in import_room(other, packed).refused[f"collections/{place}"]


def test_chosen_datasets_are_exported_without_collections(packed: Path, settings: Settings, tmp_path: Path) -> None:
    exported = export_room(settings, tmp_path / "few.zip", datasets=[])
    assert exported.collections == []


def repack(packed: Path, change: Callable[[dict[str, bytes], str], None]) -> Path:
    """The archive with other files, and a manifest that names them honestly."""
    with zipfile.ZipFile(packed) as archive:
        files = {name: archive.read(name) for name in archive.namelist()}
    manifest = json.loads(files.pop("room.json"))
    folder = next(name for name in files if name.endswith("collection.json")).rpartition("/")[0]
    change(files, folder)
    manifest["files"] = [
        {"path": name, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()} for name, data in files.items()
    ]
    target = packed.with_name("hostile.zip")
    with zipfile.ZipFile(target, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
        archive.writestr("room.json", json.dumps(manifest))
    return target


def described(change: Callable[[dict[str, Any]], None]) -> Callable[[dict[str, bytes], str], None]:
    def act(files: dict[str, bytes], folder: str) -> None:
        values = json.loads(files[f"{folder}/collection.json"])
        change(values)
        files[f"{folder}/collection.json"] = json.dumps(values).encode()

    return act


def add(name: str, data: bytes) -> Callable[[dict[str, bytes], str], None]:
    def act(files: dict[str, bytes], folder: str) -> None:
        class_id = json.loads(files[f"{folder}/collection.json"])["classes"][0]["id"]
        digest = hashlib.sha256(data).hexdigest()[:32]
        files[f"{folder}/{name.format(class_id, digest)}"] = data

    return act


@pytest.mark.parametrize(
    "change",
    [
        add(f"pictures/{NAME}", b"no picture"),
        add("pictures/0000000000001.{0}.p-ada..00000099." + "a" * 32 + ".jpg", encoded(photo(50))),
        add("pictures/0000000000001.c-00000000.p-ada..00000099.{1}.jpg", encoded(photo(50))),
        described(lambda values: values.update(owner="../x")),
        described(lambda values: values.update(title="x" * 999)),
        described(lambda values: values["classes"][0].update(name="a\u202eb")),
        described(lambda values: values["classes"][0].update(id=values["classes"][1]["id"])),
        described(lambda values: values.update(created=1e300)),
        described(lambda values: values.update(more=1)),
        lambda files, folder: files.pop(f"{folder}/collection.json"),
    ],
)
def test_a_hostile_collection_is_refused_as_a_whole(
    packed: Path, other: Settings, change: Callable[[dict[str, bytes], str], None]
) -> None:
    arrived = import_room(other, repack(packed, change))
    assert arrived.taken == []
    (sentence,) = arrived.refused.values()
    assert sentence.endswith(".")
    assert not [path for path in other.collections_dir.iterdir() if is_id(path.name)]
    assert list(check(other)) == []


@pytest.mark.parametrize("name", ["pictures/evil.sh", "pictures/../../x.jpg", "thumbs/a.jpg", "notes.json"])
def test_files_of_other_names_make_the_whole_archive_unusable(packed: Path, other: Settings, name: str) -> None:
    with pytest.raises(CarryError):
        import_room(other, repack(packed, add(name, b"x")))
    assert not other.collections_dir.exists()
