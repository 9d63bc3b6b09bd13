"""Nicknames, tokens and rights."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from core.actor import OPERATOR, Actor
from core.errors import PeopleError, RightsError
from core.room.people import MAX_NICKNAME, PeopleStore, is_token, new_token, person_id
from core.settings import Settings


def test_a_token_brings_its_holder_back(settings: Settings) -> None:
    store, token = PeopleStore(settings), new_token()
    assert store.holder(token) is None
    named = store.name(token, "  Ada   L. ")
    assert named.nickname == "Ada L."
    assert PeopleStore(settings).holder(token) == named
    assert store.holder(new_token()) is None


def test_the_token_is_never_written(settings: Settings) -> None:
    store, token = PeopleStore(settings), new_token()
    person = store.name(token, "Ada")
    written = (settings.people_dir / f"{person.id}.json").read_text(encoding="utf-8")
    assert token not in written
    assert set(json.loads(written)) == {"nickname", "created", "presenter"}


@pytest.mark.parametrize("text", ["", "short", "../../etc/passwd" * 3, "a" * 100, "ä" * 40])
def test_an_invalid_token_belongs_to_no_one(settings: Settings, text: str) -> None:
    assert not is_token(text)
    assert PeopleStore(settings).holder(text) is None
    with pytest.raises(PeopleError, match="blocks cookies for this page: allow them"):
        PeopleStore(settings).name(text, "Ada")


@pytest.mark.parametrize(
    ("nickname", "sentence"), [("", "empty"), (" \u202e\u200b ", "empty"), ("x" * (MAX_NICKNAME + 1), "too long")]
)
def test_a_nickname_that_cannot_be_shown_is_refused(settings: Settings, nickname: str, sentence: str) -> None:
    with pytest.raises(PeopleError, match=sentence):
        PeopleStore(settings).name(new_token(), nickname)


def test_invisible_characters_are_left_out_of_a_nickname(settings: Settings) -> None:
    assert PeopleStore(settings).name(new_token(), "Ada\u202e<img>\n\x00").nickname == "Ada<img>"


def test_a_nickname_belongs_to_one_person(settings: Settings) -> None:
    store, token = PeopleStore(settings), new_token()
    store.name(token, "Ada")
    with pytest.raises(PeopleError, match="is taken: choose another"):
        store.name(new_token(), "ada")
    assert store.name(token, "ADA").nickname == "ADA"


def test_of_thirty_who_want_one_name_at_once_one_gets_it(settings: Settings) -> None:
    def ask(token: str) -> bool:
        try:
            PeopleStore(settings).name(token, "Ada")
        except PeopleError:
            return False
        return True

    with ThreadPoolExecutor(30) as pool:
        assert sum(pool.map(ask, [new_token() for _ in range(30)])) == 1
    assert len(PeopleStore(settings).all()) == 1


def test_a_damaged_file_makes_a_stranger_and_harms_no_one_else(settings: Settings) -> None:
    store, token = PeopleStore(settings), new_token()
    store.name(new_token(), "Bert")
    person = store.name(token, "Ada")
    (settings.people_dir / f"{person.id}.json").write_text("{", encoding="utf-8")
    assert store.holder(token) is None
    assert [other.nickname for other in store.all()] == ["Bert"]
    assert store.name(token, "Ada").nickname == "Ada"


def test_a_presenter_stays_one_under_another_name(settings: Settings) -> None:
    store, token = PeopleStore(settings), new_token()
    store.appoint(store.name(token, "Ada").id)
    assert store.name(token, "Ada L.").actor == Actor(person_id(token), "Ada L.", presenter=True)


def test_a_stranger_cannot_be_made_presenter(settings: Settings) -> None:
    with pytest.raises(PeopleError, match="nickname first"):
        PeopleStore(settings).appoint(person_id(new_token()))


def test_only_the_owner_and_the_presenter_may_change_something() -> None:
    ada, bert = Actor("p-a", "Ada"), Actor("p-b", "Bert")
    ada.check_may_change("p-a", "Run 1")
    OPERATOR.check_may_change("p-a", "Run 1")
    with pytest.raises(RightsError, match="Run 1 belongs to another person"):
        bert.check_may_change("p-a", "Run 1")
    with pytest.raises(RightsError, match="Pause the queue is for the presenter"):
        bert.check_presenter("Pause the queue")
