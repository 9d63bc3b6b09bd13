"""Collections: who may do what, what many do at once, and what is left where a process was killed."""

import dataclasses
import os
import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from core.actor import Actor
from core.collection.collection import COLLECTION, PICTURES, THUMBS, view_collection
from core.collection.collection_check import verify_collection
from core.collection.collection_store import MAX_CLASSES, MAX_NAME, CollectionStore, may_change_class
from core.collection.picture_intake import MAX_BYTES, Sent, add_picture, delete_picture
from core.errors import CollectionError, ImageError, NotNowError, QuotaError, RightsError, TuneMyPetsError
from core.room.board import lock_uploads
from core.settings import Settings
from core.verification import Kind
from tests.support.images import encoded, photo

GRACE = Actor("p-grace", "Grace", presenter=True)
ADA = Actor("p-ada", "Ada")
BEN = Actor("p-ben", "Ben")


@pytest.fixture
def store(settings: Settings) -> CollectionStore:
    return CollectionStore(settings)


@pytest.fixture
def pets(store: CollectionStore) -> str:
    """An open collection."""
    return store.start("Our mugs", by=GRACE)


def send(
    store: CollectionStore, pets: str, class_id: str, seed: int, *, by: Actor = ADA, group: str = "", again: int = 0
) -> tuple[str, bool]:
    """Add a picture; its digest, and whether it is new. `again`: another picture under the same id."""
    data = encoded(photo(seed + again))
    sent = Sent(f"{seed:08}", class_id, group, f"photo {seed}", data)
    picture, new = add_picture(store.settings, pets, sent, by=by)
    return picture.digest, new


def counts(store: CollectionStore, pets: str) -> dict[str, int]:
    view = store.view(pets)
    return {item.name: len(view.by_class[item.id]) for item in view.collection.shown}


def test_a_room_without_a_collection_has_none(store: CollectionStore) -> None:
    assert store.ids() == []
    assert store.current() is None
    with pytest.raises(CollectionError, match="was deleted"):
        store.view("../runs")


def test_only_the_presenter_starts_opens_closes_and_deletes_collections(store: CollectionStore, pets: str) -> None:
    for forbidden in (
        lambda: store.start("Mine", by=ADA),
        lambda: store.set_open(pets, False, by=ADA),
        lambda: store.delete(pets, by=ADA),
    ):
        with pytest.raises(RightsError, match="presenter only"):
            forbidden()
    newest = store.current()
    assert newest is not None
    assert (newest.id, newest.collection.title, newest.collection.open) == (pets, "Our mugs", True)
    store.delete(pets, by=GRACE)
    assert store.current() is None
    assert list(store.folder.iterdir()) == []


def test_phones_add_to_the_collection_that_was_chosen_last(store: CollectionStore, pets: str) -> None:
    later = store.start("Faces", by=GRACE)
    assert [view.id for view in store.all()] == [later, pets]
    with pytest.raises(RightsError, match="presenter only"):
        store.choose(pets, by=ADA)
    store.choose(pets, by=GRACE)
    assert [view.id for view in store.all()] == [pets, later]
    (store.place(pets) / COLLECTION).write_text("{", encoding="utf-8")
    assert [view.id for view in store.all()] == [later]


def test_a_picture_that_is_sent_again_is_there_once(store: CollectionStore, pets: str) -> None:
    cat = store.add_class(pets, "cat", by=ADA)
    digest, new = send(store, pets, cat, 1)
    assert new
    assert send(store, pets, cat, 1) == (digest, False)  # the answer was lost, and the phone tries again
    data = encoded(photo(1))
    other, new = add_picture(store.settings, pets, Sent("otherid01", cat, "", "copy", data), by=BEN)
    assert (other.digest, other.owner, new) == (digest, ADA.id, False)  # the same content in another file
    assert send(store, pets, cat, 1, again=100) == (digest, False)
    assert counts(store, pets) == {"cat": 1}


def test_a_deleted_picture_does_not_return_when_a_phone_sends_it_once_more(store: CollectionStore, pets: str) -> None:
    cat = store.add_class(pets, "cat", by=ADA)
    digest, _ = send(store, pets, cat, 1)
    delete_picture(store.settings, pets, digest, by=ADA)
    delete_picture(store.settings, pets, digest, by=BEN)  # gone already
    assert send(store, pets, cat, 1)[1] is False
    assert counts(store, pets) == {"cat": 0}
    assert list((store.place(pets) / THUMBS).iterdir()) == []
    again, new = add_picture(store.settings, pets, Sent("newid0001", cat, "", "a", encoded(photo(1))), by=ADA)
    assert (again.digest, new) == (digest, True)  # but whoever chooses it again gets it back


def test_people_delete_their_own_pictures_and_the_presenter_all(store: CollectionStore, pets: str) -> None:
    cat = store.add_class(pets, "cat", by=ADA)
    first, second = send(store, pets, cat, 1)[0], send(store, pets, cat, 2)[0]
    with pytest.raises(RightsError, match="belongs to another person"):
        delete_picture(store.settings, pets, first, by=BEN)
    delete_picture(store.settings, pets, first, by=ADA)
    delete_picture(store.settings, pets, second, by=GRACE)
    assert counts(store, pets) == {"cat": 0}


def test_a_class_is_its_makers_until_others_have_pictures_in_it(store: CollectionStore, pets: str) -> None:
    cat = store.add_class(pets, "cat", by=ADA)
    send(store, pets, cat, 1)
    store.rename_class(pets, cat, "  Katze \u202e", by=ADA)
    with pytest.raises(RightsError, match="ask the presenter"):
        store.rename_class(pets, cat, "dog", by=BEN)
    send(store, pets, cat, 2, by=BEN)
    for change in (
        lambda: store.rename_class(pets, cat, "dog", by=ADA),
        lambda: store.switch_class(pets, cat, True, by=ADA),
        lambda: store.delete_class(pets, cat, by=ADA),
    ):
        with pytest.raises(RightsError, match="Other people's photos are in 'Katze'"):
            change()
    store.switch_class(pets, cat, True, by=GRACE)
    (item,) = store.view(pets).collection.shown
    assert (item.name, item.off) == ("Katze", True)
    assert may_change_class(store.view(pets), item, GRACE)
    assert not may_change_class(store.view(pets), item, ADA)


def test_a_name_makes_one_class_whoever_enters_it(store: CollectionStore, pets: str) -> None:
    with ThreadPoolExecutor(12) as pool:
        made = list(pool.map(lambda name: store.add_class(pets, name, by=ADA), ["cat", "Cat", " cat "] * 4))
    assert len(set(made)) == 1
    dog = store.add_class(pets, "dog", by=ADA)
    with pytest.raises(CollectionError, match="merge the two"):
        store.rename_class(pets, dog, "CAT", by=ADA)
    for name in ("", " \u200b ", "x" * (MAX_NAME + 1)):
        with pytest.raises(CollectionError, match="The name is"):
            store.add_class(pets, name, by=ADA)


def test_a_collection_has_so_many_classes_and_no_more(store: CollectionStore, pets: str) -> None:
    for number in range(MAX_CLASSES):
        store.add_class(pets, f"class {number}", by=ADA)
    with pytest.raises(CollectionError, match="classes already"):
        store.add_class(pets, "one more", by=GRACE)
    assert store.add_class(pets, "CLASS 3", by=ADA)


def test_pictures_follow_a_merged_class_and_so_do_those_that_are_on_their_way(
    store: CollectionStore, pets: str
) -> None:
    cat, kitten, dog = (store.add_class(pets, name, by=ADA) for name in ("cat", "kitten", "dog"))
    send(store, pets, cat, 1)
    send(store, pets, kitten, 2)
    store.merge_class(pets, kitten, cat, by=ADA)
    store.merge_class(pets, cat, cat, by=ADA)  # with itself: nothing
    send(store, pets, kitten, 3)
    assert counts(store, pets) == {"cat": 3, "dog": 0}
    store.merge_class(pets, cat, dog, by=ADA)
    store.merge_class(pets, dog, kitten, by=ADA)  # kitten is dog by now: no circle
    assert counts(store, pets) == {"dog": 3}
    store.delete_class(pets, dog, by=ADA)
    with pytest.raises(CollectionError, match=r"'dog' was deleted: choose another one"):
        send(store, pets, kitten, 4)


def test_a_change_of_a_class_that_was_merged_meanwhile_does_not_hit_the_other(
    store: CollectionStore, pets: str
) -> None:
    cat, kitten = (store.add_class(pets, name, by=ADA) for name in ("cat", "kitten"))
    send(store, pets, kitten, 1)
    store.merge_class(pets, kitten, cat, by=ADA)
    store.delete_class(pets, kitten, by=ADA)
    for change in (
        lambda: store.rename_class(pets, kitten, "dog", by=ADA),
        lambda: store.switch_class(pets, kitten, True, by=ADA),
        lambda: store.merge_class(pets, kitten, cat, by=ADA),
    ):
        with pytest.raises(CollectionError, match="deleted or merged meanwhile"):
            change()
    assert counts(store, pets) == {"cat": 1}


@pytest.mark.parametrize("_", range(5))
def test_two_people_delete_the_same_class(store: CollectionStore, pets: str, _: int) -> None:
    cat = store.add_class(pets, "cat", by=ADA)
    for seed in range(5):
        send(store, pets, cat, seed)
    presenter = Actor("p-2", "Hopper", presenter=True)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda by: store.delete_class(pets, cat, by=by), [GRACE, presenter, ADA, GRACE]))
    assert counts(store, pets) == {}
    assert list((store.place(pets) / PICTURES).iterdir()) == []
    assert list((store.place(pets) / THUMBS).iterdir()) == []


def test_a_closed_collection_takes_nothing_but_from_the_presenter(store: CollectionStore, pets: str) -> None:
    cat = store.add_class(pets, "cat", by=ADA)
    digest, _ = send(store, pets, cat, 1)
    store.set_open(pets, False, by=GRACE)
    for forbidden in (
        lambda: send(store, pets, cat, 2),
        lambda: delete_picture(store.settings, pets, digest, by=ADA),
        lambda: store.add_class(pets, "dog", by=ADA),
        lambda: store.delete_class(pets, cat, by=ADA),
    ):
        with pytest.raises(NotNowError, match="open it again"):
            forbidden()
    assert send(store, pets, cat, 3, by=GRACE)[1]
    store.set_open(pets, True, by=GRACE)
    assert send(store, pets, cat, 2)[1]


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"\0\0\0\x18ftypisom" + bytes(100), "is a video"),
        (encoded(photo(1))[:300], "is cut off or damaged|is damaged"),
        (b"", "is empty"),
        (encoded(photo(1)) + bytes(MAX_BYTES), "is larger than 8 MB"),
    ],
)
def test_what_is_no_picture_is_refused_with_its_name(
    store: CollectionStore, pets: str, data: bytes, sentence: str
) -> None:
    cat = store.add_class(pets, "cat", by=ADA)
    with pytest.raises(ImageError, match=sentence) as refused:
        add_picture(store.settings, pets, Sent("00000001", cat, "", "My clip", data), by=ADA)
    assert str(refused.value).startswith("My clip")
    assert counts(store, pets) == {"cat": 0}


@pytest.mark.parametrize(("picture_id", "group"), [("../../x", ""), ("a" * 40, ""), ("00000001", "../b"), ("A1", "")])
def test_ids_from_a_browser_are_never_paths(store: CollectionStore, pets: str, picture_id: str, group: str) -> None:
    cat = store.add_class(pets, "cat", by=ADA)
    with pytest.raises(CollectionError, match="no valid id"):
        add_picture(store.settings, pets, Sent(picture_id, cat, group, "a", encoded(photo(1))), by=ADA)


def test_locked_uploads_full_disks_and_limits_of_the_room_hold_here_too(store: CollectionStore, pets: str) -> None:
    cat = store.add_class(pets, "cat", by=ADA)
    full = dataclasses.replace(store.settings, min_free_bytes=2**60)
    small = dataclasses.replace(store.settings, room_bytes=1)
    send(store, pets, cat, 1)
    for settings, sentence in ((full, "The disk is too full"), (small, "This room uses")):
        with pytest.raises(QuotaError, match=sentence):
            add_picture(settings, pets, Sent("00000002", cat, "", "a", encoded(photo(2))), by=ADA)
    lock_uploads(store.settings, True, GRACE)
    with pytest.raises(QuotaError, match="locked uploads"):
        send(store, pets, cat, 2)
    assert send(store, pets, cat, 2, by=GRACE)[1]


def test_twelve_phones_that_write_at_once_lose_and_double_nothing(store: CollectionStore, pets: str) -> None:
    people = [Actor(f"p-{number}", f"Person {number}") for number in range(12)]
    made = [store.add_class(pets, name, by=ADA) for name in ("cat", "dog", "hare")]

    def film(number: int) -> list[bool]:
        news = []
        for frame in range(8):
            seed = 100 * number + frame
            again = (send(store, pets, made[number % 3], seed, by=people[number], group=f"b{number}") for _ in range(2))
            news.extend(new for _, new in again)
        return news

    with ThreadPoolExecutor(12) as pool:
        news = [item for found in pool.map(film, range(12)) for item in found]
    assert (len(news), sum(news)) == (192, 96)
    view = store.view(pets)
    assert counts(store, pets) == {"cat": 32, "dog": 32, "hare": 32}
    assert sorted(view.people.values()) == [8] * 12
    assert list(verify_collection(store.place(pets))) == []
    assert store.view(pets).pictures == view.pictures


def test_a_view_is_never_older_than_the_last_change(store: CollectionStore, pets: str) -> None:
    cat = store.add_class(pets, "cat", by=ADA)
    for seed in range(20):
        send(store, pets, cat, seed)
        assert counts(store, pets) == {"cat": seed + 1}
    folder = store.place(pets)
    old = 1_600_000_000
    for path in (folder / PICTURES, folder / COLLECTION):
        os.utime(path, (old, old))
    assert view_collection(folder) is view_collection(folder)  # settled: read once for all phones


KILLED = """
import sys
from core.actor import Actor
from core.collection.picture_intake import Sent, add_picture
from core.settings import Settings
from tests.support.images import encoded, photo
settings, pets, cat, first = Settings.from_environment(), sys.argv[1], sys.argv[2], int(sys.argv[3])
number = first
while True:
    add_picture(settings, pets, Sent(f"{number:08}", cat, "", "a", encoded(photo(number))), by=Actor("p-ada", "Ada"))
    print(number, flush=True)
    number += 1
"""


def test_a_killed_server_loses_nothing_that_it_answered(store: CollectionStore, pets: str) -> None:
    cat = store.add_class(pets, "cat", by=ADA)
    answered = 0
    for attempt in range(2):
        process = subprocess.Popen(
            [sys.executable, "-c", KILLED, pets, cat, str(1000 * attempt)], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        seen = [process.stdout.readline() for _ in range(15)]
        process.send_signal(signal.SIGKILL)
        answered += len([line for line in [*seen, *process.stdout.read().split("\n")] if line.strip()])
        process.wait(10)
        process.stdout.close()
    there = counts(store, pets)["cat"]
    assert answered <= there <= answered + 2  # one in each life was written and not answered
    send(store, pets, cat, 5000)  # the lock is free
    problems = list(verify_collection(store.place(pets)))
    assert {problem.kind for problem in problems} <= {Kind.LEFT_OVER}


def test_a_class_whose_deletion_was_interrupted_stays_deleted(store: CollectionStore, pets: str) -> None:
    cat, dog = (store.add_class(pets, name, by=ADA) for name in ("cat", "dog"))
    send(store, pets, cat, 1)
    kept = store.place(pets) / PICTURES
    copy = shutil.copytree(kept, kept.parent.parent / "copy")
    store.delete_class(pets, cat, by=ADA)
    for path in copy.iterdir():
        shutil.copy(path, kept / path.name)  # as if the process had died before it removed them
    assert counts(store, pets) == {"dog": 0}
    store.rename_class(pets, dog, "hound", by=ADA)
    assert list(kept.iterdir()) == []


def test_what_is_wrong_with_a_collection_is_found(store: CollectionStore, pets: str) -> None:
    cat = store.add_class(pets, "cat", by=ADA)
    for seed in range(3):
        send(store, pets, cat, seed)
    folder = store.place(pets)
    damaged, gone, _ = sorted((folder / PICTURES).iterdir())
    damaged.write_bytes(b"other")
    gone.unlink()
    (folder / PICTURES / "notes.txt").write_text("x", encoding="utf-8")
    found = {(problem.kind, problem.path.parent.name) for problem in verify_collection(folder)}
    assert found == {(Kind.DAMAGED, PICTURES), (Kind.ORPHANED, PICTURES), (Kind.LEFT_OVER, THUMBS)}
    (folder / COLLECTION).write_text("{", encoding="utf-8")
    assert Kind.DAMAGED in {problem.kind for problem in verify_collection(folder)}
    with pytest.raises(TuneMyPetsError, match="is damaged"):
        store.view(pets)
