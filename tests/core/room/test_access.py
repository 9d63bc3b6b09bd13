"""The room's passcode and secret."""

import os
import stat
from concurrent.futures import ThreadPoolExecutor

import pytest

from core.actor import OPERATOR, Actor
from core.errors import PeopleError, RightsError
from core.room.access import Room, RoomStore
from core.room.people import new_token, person_id
from core.settings import Settings


@pytest.fixture
def rooms(settings: Settings) -> RoomStore:
    settings.home.mkdir(parents=True)
    return RoomStore(settings)


@pytest.fixture
def room(rooms: RoomStore) -> Room:
    return rooms.open()


def wrong(room: Room) -> str:
    return f"{(int(room.passcode) + 1) % 10**8:08d}"


def test_a_room_keeps_its_passcode_over_a_restart(settings: Settings, rooms: RoomStore) -> None:
    assert rooms.current() is None
    first = rooms.open()
    assert RoomStore(settings).open() == first
    assert len(first.passcode) == 8
    assert first.passcode.isdigit()


def test_two_rooms_share_nothing(room: Room, rooms: RoomStore) -> None:
    rooms.path.unlink()
    other = rooms.open()
    assert {room.passcode, room.secret, room.key}.isdisjoint({other.passcode, other.secret, other.key})


@pytest.mark.skipif(os.name != "posix", reason="POSIX rights")
def test_only_the_operator_can_read_the_passcode(room: Room, rooms: RoomStore) -> None:
    rooms.enter(new_token(), room.passcode, None)
    files = list(rooms.folder.rglob("*.json"))
    assert len(files) == 2
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    assert stat.S_IMODE(rooms.folder.stat().st_mode) == 0o700


def test_the_right_passcode_lets_a_browser_in_once_and_for_all(
    settings: Settings, room: Room, rooms: RoomStore
) -> None:
    token = new_token()
    assert not rooms.is_admitted(person_id(token))
    rooms.enter(token, f" {room.shown_passcode} ", "10.0.0.1")
    assert rooms.is_admitted(person_id(token))
    assert RoomStore(settings).is_admitted(person_id(token))
    assert not rooms.is_presenter(person_id(token))


@pytest.mark.parametrize("typed", ["", "0", "12345678901234567890", "passcode", "٤٨٢١٧٧٣٠", "\x00"])
def test_what_is_not_the_passcode_is_refused_in_one_sentence(room: Room, rooms: RoomStore, typed: str) -> None:
    token = new_token()
    with pytest.raises(PeopleError, match="Wrong passcode"):
        rooms.enter(token, typed, None)
    assert not rooms.is_admitted(person_id(token))


def test_a_browser_without_a_cookie_is_refused(room: Room, rooms: RoomStore) -> None:
    with pytest.raises(PeopleError, match="blocks cookies for this page: allow them"):
        rooms.enter("", room.passcode, None)


def test_of_100_wrong_passcodes_five_are_looked_at_and_no_one_else_waits(room: Room, rooms: RoomStore) -> None:
    token, sentences = new_token(), []
    for _ in range(100):
        with pytest.raises(PeopleError) as refused:
            rooms.enter(token, wrong(room), "10.0.0.1")
        sentences.append(str(refused.value))
    assert sum("Wrong passcode" in text for text in sentences) == 5
    assert "wait 15 s" in sentences[5]
    with pytest.raises(PeopleError, match="wait"):  # the right one too: else one could ask without end
        rooms.enter(token, room.passcode, "10.0.0.1")
    other = new_token()
    rooms.enter(other, room.passcode, "10.0.0.1")
    assert rooms.is_admitted(person_id(other))


def test_many_guesses_at_once_are_counted_one_by_one(room: Room, rooms: RoomStore) -> None:
    token = new_token()

    def guess(_: int) -> str:
        with pytest.raises(PeopleError) as refused:
            rooms.enter(token, wrong(room), "10.0.0.1")
        return str(refused.value)

    with ThreadPoolExecutor(16) as pool:
        sentences = list(pool.map(guess, range(40)))
    assert sum("Wrong passcode" in text for text in sentences) == 5


def test_the_right_passcode_resets_the_count(room: Room, rooms: RoomStore) -> None:
    token = new_token()
    for _ in range(4):
        with pytest.raises(PeopleError):
            rooms.enter(token, wrong(room), None)
    rooms.enter(token, room.passcode, None)
    for _ in range(5):
        with pytest.raises(PeopleError, match="Wrong passcode"):
            rooms.enter(token, wrong(room), None)


def test_a_new_passcode_asks_everyone_but_the_presenter_again(room: Room, rooms: RoomStore) -> None:
    attendee, presenter = new_token(), new_token()
    rooms.enter(attendee, room.passcode, None)
    rooms.prove_presenter(presenter, room.secret, None)
    changed = rooms.change_passcode(Actor("p-1", "Ada", presenter=True), presenter)
    assert changed.passcode != room.passcode
    assert changed.secret == room.secret
    assert not rooms.is_admitted(person_id(attendee))
    assert rooms.is_presenter(person_id(presenter))
    with pytest.raises(PeopleError):
        rooms.enter(attendee, room.passcode, None)


def test_an_attendee_cannot_change_the_passcode(room: Room, rooms: RoomStore) -> None:
    with pytest.raises(RightsError, match="presenter only"):
        rooms.change_passcode(Actor("p-1", "Ada"), new_token())
    assert rooms.current() == room


def test_the_secret_makes_a_presenter_and_a_wrong_one_waits(room: Room, rooms: RoomStore) -> None:
    token = new_token()
    rooms.prove_presenter(token, room.secret, None)
    assert rooms.is_presenter(person_id(token))
    other, sentences = new_token(), []
    for _ in range(7):
        with pytest.raises(PeopleError) as refused:
            rooms.prove_presenter(other, "guess", None)
        sentences.append(str(refused.value))
    assert sum("wait" in text for text in sentences) == 2
    assert not rooms.is_presenter(person_id(other))


@pytest.mark.parametrize("text", ["", "{}", '{"passcode": "", "secret": "", "key": "", "created": 0}', "[1]"])
def test_a_damaged_room_admits_no_one_until_it_is_opened_again(rooms: RoomStore, text: str) -> None:
    rooms.open()
    rooms.path.write_text(text, encoding="utf-8")
    assert rooms.current() is None
    with pytest.raises(PeopleError, match="not open"):
        rooms.enter(new_token(), "", None)
    assert rooms.open().passcode.isdigit()


def test_a_forged_ticket_admits_no_one(room: Room, rooms: RoomStore) -> None:
    token = new_token()
    folder = rooms.folder / "admitted"
    folder.mkdir()
    for text in ("", "{}", '{"ticket": "", "presenter": true}', '{"ticket": 1, "presenter": true}'):
        (folder / f"{person_id(token)}.json").write_text(text, encoding="utf-8")
        assert not rooms.is_admitted(person_id(token))
    assert not rooms.is_admitted("../room")


def test_a_person_who_signs_in_has_the_same_token_in_every_browser(room: Room) -> None:
    token = room.signed_in_token("https://issuer.example", "42")
    assert token == room.signed_in_token("https://issuer.example", "42")
    assert token != room.signed_in_token("https://issuer.example", "43")
    assert person_id(token).startswith("p-")


def test_the_operator_may_change_the_passcode(room: Room, rooms: RoomStore) -> None:
    assert rooms.change_passcode(OPERATOR, "").passcode != room.passcode


def test_a_script_that_comes_in_again_and_again_fills_no_disk(
    room: Room, rooms: RoomStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.room.access.MAX_BROWSERS", 3)
    known = [new_token() for _ in range(3)]
    for token in known:
        rooms.enter(token, room.passcode, None)
    with pytest.raises(PeopleError, match="admitted already"):
        rooms.enter(new_token(), room.passcode, None)
    rooms.enter(known[0], room.passcode, None)
