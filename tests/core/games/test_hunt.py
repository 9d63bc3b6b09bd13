"""A hunt for planted labels: what is planted, who may do what, until when, and what is on the disk."""

import dataclasses
import math
import random
from itertools import pairwise

import pytest

from core.actor import OPERATOR, Actor
from core.datasets.dataset import Dataset
from core.datasets.dataset_store import DatasetStore
from core.errors import GameError, RightsError
from core.games import hunt
from core.games.hunt import HuntStore
from core.games.hunt_scores import count_found, doubt, expect_by_chance, vote
from core.settings import Settings

SEED = 1  # of what is planted, where the doctor looks for it
ADA, BEN = Actor("p-ada", "Ada"), Actor("p-ben", "Ben")


@pytest.fixture
def store(settings: Settings, drawn: Dataset) -> HuntStore:
    return HuntStore(settings)


def start(store: HuntStore, planted: int = 5, pictures: int = 40, seconds: float = 300) -> str:
    return store.start("drawn", planted=planted, pictures=pictures, seconds=seconds, by=OPERATOR)


def test_so_many_labels_of_the_copy_are_wrong_and_the_rest_is_as_it_was(store: HuntStore, drawn: Dataset) -> None:
    hunt_id = start(store)
    copy = store.copy(hunt_id)
    store.end(hunt_id, by=OPERATOR)
    truth = store.truth(hunt_id)
    labels = {row.sha256: row.label for row in drawn.rows}
    wrong = {row.index for row in copy.rows if row.label != labels[row.sha256]}
    assert wrong == truth.keys()
    assert len(wrong) == 5
    assert all(labels[copy.rows[row].sha256] == label for row, label in truth.items())
    assert copy.title == "drawn, 5 labels wrong"
    assert "on purpose" in copy.report().notes[0]
    assert copy.image_path(copy.rows[0]).samefile(drawn.folder / copy.rows[0].path)


def test_nothing_trains_on_the_copy_and_no_list_shows_it(store: HuntStore, settings: Settings) -> None:
    start(store)
    assert DatasetStore(settings).ids() == ["drawn"]


def test_neither_names_nor_order_give_a_planted_label_away(store: HuntStore, drawn: Dataset) -> None:
    original = {row.sha256: row.name for row in drawn.rows}
    in_order = 0
    for _ in range(3):
        copy = store.copy(start(store))
        assert [row.name for row in copy.rows] == [f"{copy.classes[row.label]}/{row.index + 1}" for row in copy.rows]
        names = [original[row.sha256] for row in copy.rows]
        in_order += sum(a < b for a, b in pairwise(names))
    assert in_order < 3 * 39 * 0.7


def test_the_truth_is_kept_to_the_end_and_readable_by_this_user_alone(store: HuntStore) -> None:
    hunt_id = start(store)
    with pytest.raises(GameError, match="at the end"):
        store.truth(hunt_id)
    path = store.folder / hunt_id / "truth.json"
    assert path.stat().st_mode & 0o077 == 0
    store.end(hunt_id, by=OPERATOR)
    assert len(store.truth(hunt_id)) == 5


def test_the_time_ends_a_hunt_by_itself(store: HuntStore, monkeypatch: pytest.MonkeyPatch) -> None:
    hunt_id = start(store, seconds=60)
    store.mark(hunt_id, 3, True, by=ADA)
    begun = store.view(hunt_id).hunt.begun
    monkeypatch.setattr(hunt.time, "time", lambda: begun + 60)
    with pytest.raises(GameError, match="Time is up"):
        store.mark(hunt_id, 4, True, by=ADA)
    view = store.view(hunt_id)
    assert view.over
    assert view.marks == {"p-ada": (3,)}
    assert len(store.truth(hunt_id)) == 5


def test_marks_are_toggled_and_as_many_as_were_planted(store: HuntStore) -> None:
    hunt_id = start(store)
    for row in (7, 1, 9, 3, 4):
        store.mark(hunt_id, row, True, by=ADA)
    with pytest.raises(GameError, match="All your 5 marks"):
        store.mark(hunt_id, 5, True, by=ADA)
    assert store.mark(hunt_id, 1, False, by=ADA) == (7, 9, 3, 4)
    store.mark(hunt_id, 5, True, by=ADA)
    store.mark(hunt_id, 5, True, by=ADA)  # a second tap that was on its way
    store.mark(hunt_id, 5, True, by=BEN)
    assert HuntStore(store.settings).view(hunt_id).marks == {"p-ada": (7, 9, 3, 4, 5), "p-ben": (5,)}
    with pytest.raises(GameError, match="no such picture"):
        store.mark(hunt_id, 40, True, by=BEN)


def test_a_hunt_on_many_pictures_takes_some_of_each_class(store: HuntStore) -> None:
    copy = store.copy(start(store, planted=3, pictures=20))
    assert len(copy.rows) == 20
    assert {row.label for row in copy.rows} == {0, 1}


@pytest.mark.parametrize(
    ("planted", "pictures", "words"),
    [(2, 40, "Plant 3 to 60"), (20, 40, "too many"), (3, 5, "Take 8 to 40"), (3, 700, "Take 8 to 40")],
)
def test_impossible_numbers_are_refused(store: HuntStore, planted: int, pictures: int, words: str) -> None:
    with pytest.raises(GameError, match=words):
        start(store, planted, pictures)
    assert store.current() is None


def test_only_the_presenter_starts_and_ends_a_hunt(store: HuntStore) -> None:
    with pytest.raises(RightsError):
        store.start("drawn", by=ADA)
    hunt_id = start(store)
    with pytest.raises(RightsError):
        store.end(hunt_id, by=ADA)


def test_a_damaged_hunt_is_passed_over(store: HuntStore) -> None:
    first, second = start(store), start(store)
    newest = max(first, second)
    (store.folder / newest / "hunt.json").write_text("{", encoding="utf-8")
    found = store.current()
    assert found is not None
    assert found.id == min(first, second)
    with pytest.raises(GameError, match="no such hunt"):
        store.view("../hunts")


@pytest.mark.slow
def test_the_doctor_hunts_too_in_a_process_of_its_own(
    store: HuntStore, ended_processes: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.support.processes import wait_for

    monkeypatch.setattr("core.games.planting.random.SystemRandom", lambda: random.Random(SEED))
    hunt_id = start(store)
    store.start_doctor(hunt_id, by=OPERATOR)
    wait_for(lambda: store.look_at_doctor(hunt_id).result is not None, 120)
    store.end(hunt_id, by=OPERATOR)
    findings = store.look_at_doctor(hunt_id).result
    assert findings is not None
    found = count_found([item.index for item in findings.suspicions[:5]], store.truth(hunt_id), 40)
    assert found.found >= 3
    assert not (store.settings.cache_dir / "doctor").exists()


def test_chance_is_the_hypergeometric_distribution() -> None:
    def exactly(hits: int) -> float:
        return math.comb(20, hits) * math.comb(180, 30 - hits) / math.comb(200, 30)

    chance = expect_by_chance(200, 20, 30)
    assert chance.expected == pytest.approx(sum(hits * exactly(hits) for hits in range(21)))
    assert sum(exactly(hits) for hits in range(chance.low)) <= 0.025
    assert sum(exactly(hits) for hits in range(chance.high + 1)) >= 0.975
    assert sum(exactly(hits) for hits in range(chance.high)) < 0.975


def test_the_room_votes_and_two_who_agree_raise_a_doubt() -> None:
    marks = {"ada": (4, 1, 9), "ben": (9, 4), "chidi": (7, 9)}
    assert vote(marks, 2) == [9, 4]
    assert vote(marks, 10) == [9, 4, 7, 1]
    assert doubt(marks, [4]) == [9]
    found = count_found(vote(marks, 2), [4, 9], 100)
    assert (found.found, found.marked, found.beyond_chance) == (2, 2, True)
    assert dataclasses.replace(found, found=1).beyond_chance is False
