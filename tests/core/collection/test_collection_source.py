"""A collection as the source of a dataset."""

import pytest

from core.actor import Actor
from core.collection.collection_source import LEAST_PEOPLE, CollectionSource, choose_together
from core.collection.collection_store import CollectionStore
from core.collection.picture_intake import Sent, add_picture, delete_picture
from core.datasets.dataset_store import DatasetStore
from core.errors import CollectionError, ImageError, RightsError
from core.jobs.freezing import start_freezing
from core.jobs.import_jobs import ImportJobs
from core.settings import Settings
from tests.support.images import encoded, photo
from tests.support.processes import wait_for

GRACE = Actor("p-grace", "Grace", presenter=True)
PEOPLE = [Actor(f"p-someone{number}", f"Person {number}") for number in range(LEAST_PEOPLE)]


@pytest.fixture
def store(settings: Settings) -> CollectionStore:
    return CollectionStore(settings)


@pytest.fixture
def pets(store: CollectionStore) -> str:
    """Each person films two classes, four frames a clip, and adds a photo to the first."""
    pets = store.start("Our pets", by=GRACE)
    seed = 0
    for name in ("cat/s", "dog"):
        made = store.add_class(pets, name, by=GRACE)
        for person in PEOPLE:
            for frame in range(5 if name == "dog" else 4):
                group = "" if frame == 4 else f"clip{seed // 10}"
                sent = Sent(f"{seed:08}", made, group, "a", encoded(photo(seed)))
                add_picture(store.settings, pets, sent, by=person)
                seed += 1
            seed += 10 - seed % 10
    store.add_class(pets, "empty", by=GRACE)
    return pets


def test_frames_of_a_clip_are_a_group_and_single_pictures_are_none(store: CollectionStore, pets: str) -> None:
    source = CollectionSource(store.place(pets), store.view(pets), "clip")
    entries = source.entries()
    assert len(entries) == 9 * LEAST_PEOPLE
    assert {entry.label for entry in entries} == {"cat/s", "dog"}
    groups = [entry.group for entry in entries]
    assert groups.count("") == LEAST_PEOPLE
    assert {groups.count(name) for name in set(groups) - {""}} == {4}
    assert len(set(groups) - {""}) == 2 * LEAST_PEOPLE
    assert source.empty_folders == ("empty",)
    assert all(entry.bytes_claimed == len(source.read(entry, 10**6)) for entry in entries)
    assert source.head(entries[0], 2) == b"\xff\xd8"
    assert len({entry.name for entry in entries}) == len(entries)
    assert not any(person.id in entry.group + entry.name for person in PEOPLE for entry in entries)


def test_a_person_is_a_group_where_enough_took_part_in_every_class(store: CollectionStore, pets: str) -> None:
    view = store.view(pets)
    assert choose_together(view) == "clip"  # nobody is in the empty class
    (empty,) = [item.id for item in view.collection.shown if item.name == "empty"]
    store.switch_class(pets, empty, True, by=GRACE)
    assert choose_together(store.view(pets)) == "person"
    groups = [entry.group for entry in CollectionSource(store.place(pets), view, "person").entries()]
    assert {groups.count(name) for name in groups} == {9}
    (dog,) = [item.id for item in view.collection.shown if item.name == "dog"]
    for picture in view.by_class[dog]:
        if picture.owner == PEOPLE[0].id:
            delete_picture(store.settings, pets, picture.digest, by=GRACE)
    assert choose_together(store.view(pets)) == "clip"


def test_a_picture_that_was_deleted_meanwhile_is_a_line_of_the_report(store: CollectionStore, pets: str) -> None:
    view = store.view(pets)
    source = CollectionSource(store.place(pets), view, "clip")
    delete_picture(store.settings, pets, view.pictures[0].digest, by=GRACE)
    gone = source.entries()[0]
    assert source.head(gone, 2) == b""
    with pytest.raises(ImageError, match="freeze the collection again"):
        source.read(gone, 10**6)


def test_a_frozen_collection_is_a_dataset_and_may_grow_into_another(
    store: CollectionStore, pets: str, ended_processes: None
) -> None:
    settings, jobs = store.settings, ImportJobs(store.settings)
    with pytest.raises(RightsError, match="presenter only"):
        start_freezing(settings, pets, "clip", "60/20/20", by=PEOPLE[0])
    job = start_freezing(settings, pets, "clip", "60/20/20", by=GRACE)
    assert not store.view(pets).collection.open
    wait_for(lambda: jobs.status(job).state != "running")
    status = jobs.status(job)
    assert (status.state, status.dataset) == ("finished", "our-pets")
    dataset = DatasetStore(settings).get("our-pets")
    assert (dataset.classes, len(dataset.rows)) == (("cat/s", "dog"), 9 * LEAST_PEOPLE)
    assert dataset.summary.owner == GRACE.id
    assert any("empty" in note for note in dataset.report().notes)
    (dog,) = [item.id for item in store.view(pets).collection.shown if item.name == "dog"]
    store.switch_class(pets, dog, True, by=GRACE)
    with pytest.raises(CollectionError, match="two classes"):
        start_freezing(settings, pets, "clip", "60/20/20", by=GRACE)
    store.switch_class(pets, dog, False, by=GRACE)
    again = start_freezing(settings, pets, "person", "60/20/20", by=GRACE)
    wait_for(lambda: jobs.status(again).state != "running")
    assert jobs.status(again).dataset == "our-pets-2"
