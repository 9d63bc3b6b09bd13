"""A collection as the source of a dataset."""

import pytest

from core.actor import Actor
from core.collection.collection_source import CollectionSource
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
PEOPLE_COUNT = 5
PEOPLE = [Actor(f"p-someone{number}", f"Person {number}") for number in range(PEOPLE_COUNT)]


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


def test_people_are_groups_and_their_clips_are_groups_within_them(store: CollectionStore, pets: str) -> None:
    source = CollectionSource(store.place(pets), store.view(pets))
    entries = source.entries()
    assert len(entries) == 9 * PEOPLE_COUNT
    assert {entry.label for entry in entries} == {"cat/s", "dog"}
    groups = [entry.group.split("/") for entry in entries]
    assert {len([group for group in groups if group[0] == f"person-{n}"]) for n in range(1, PEOPLE_COUNT + 1)} == {9}
    clips = [group[1] for group in groups if group[1].startswith("clip")]
    photos = [group[1] for group in groups if group[1].startswith("photo")]
    assert len(set(photos)) == len(photos) == PEOPLE_COUNT  # a person's single photos are no clip
    assert {clips.count(clip) for clip in clips} == {4}
    assert len(set(clips)) == 2 * PEOPLE_COUNT
    assert source.empty_folders == ("empty",)
    assert all(entry.bytes_claimed == len(source.read(entry, 10**6)) for entry in entries)
    assert source.head(entries[0], 2) == b"\xff\xd8"
    assert len({entry.name for entry in entries}) == len(entries)
    assert not any(person.id in entry.group + entry.name for person in PEOPLE for entry in entries)


def test_a_picture_that_was_deleted_meanwhile_is_a_line_of_the_report(store: CollectionStore, pets: str) -> None:
    view = store.view(pets)
    source = CollectionSource(store.place(pets), view)
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
        start_freezing(settings, pets, "60/20/20", by=PEOPLE[0])
    job = start_freezing(settings, pets, "60/20/20", by=GRACE)
    assert not store.view(pets).collection.open
    wait_for(lambda: jobs.status(job).state != "running")
    status = jobs.status(job)
    assert (status.state, status.dataset) == ("finished", "our-pets")
    dataset = DatasetStore(settings).get("our-pets")
    assert (dataset.classes, len(dataset.rows)) == (("cat/s", "dog"), 9 * PEOPLE_COUNT)
    assert dataset.summary.owner == GRACE.id
    splits_of: dict[str, set[str]] = {}
    for row in dataset.rows:
        splits_of.setdefault(row.group.partition("/")[0], set()).add(row.split)
    assert len(splits_of) == PEOPLE_COUNT
    assert all(len(splits) == 1 for splits in splits_of.values())  # nobody is in training and in test
    assert any("empty" in note for note in dataset.report().notes)
    (dog,) = [item.id for item in store.view(pets).collection.shown if item.name == "dog"]
    store.switch_class(pets, dog, True, by=GRACE)
    with pytest.raises(CollectionError, match="two classes"):
        start_freezing(settings, pets, "60/20/20", by=GRACE)
    store.switch_class(pets, dog, False, by=GRACE)
    again = start_freezing(settings, pets, "60/20/20", by=GRACE)
    wait_for(lambda: jobs.status(again).state != "running")
    assert jobs.status(again).dataset == "our-pets-2"
