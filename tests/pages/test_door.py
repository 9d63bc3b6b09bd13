"""The door: what stands before every page of an open room."""

import threading
from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

from core.actor import OPERATOR
from core.errors import PeopleError
from core.room.access import Room, RoomStore
from core.room.people import PeopleStore, new_token, person_id
from core.runs.run_store import RunStore
from core.settings import Settings
from pages.components.shared import door
from pages.server import farewell
from tests.pages.test_pages import PAGES, Open, texts


@pytest.fixture
def room(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Room:
    """An open room on this test's data root."""
    monkeypatch.setenv("TUNEMYPETS_ROOM", "1")
    settings.home.mkdir(parents=True, exist_ok=True)
    return RoomStore(settings).open()


@pytest.fixture
def come_as(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Let the next pages see a person's cookie; AppTest has no cookies."""

    def come(token: str) -> None:
        monkeypatch.setattr(door, "browser_token", lambda: token)
        monkeypatch.setattr(door, "_address", lambda: "10.0.0.1")

    return come


@pytest.mark.parametrize("path", PAGES)
def test_every_page_stands_behind_the_door(
    raced: Settings, room: Room, come_as: Callable[[str], None], open_page: Open, path: str
) -> None:
    come_as(new_token())
    app = open_page(path, dataset="drawn", run=RunStore(raced).all()[0].id)
    assert not app.exception
    assert [item.label for item in app.text_input] == ["Your nickname", "Room passcode"]
    assert len(app.button) == 1  # of the form: nothing of the page
    assert "drawn" not in texts(app)
    assert not app.get("page_link")


def test_an_attendee_enters_with_passcode_and_nickname_and_stays(
    settings: Settings, room: Room, come_as: Callable[[str], None], open_page: Open
) -> None:
    token = new_token()
    come_as(token)
    app = open_page("streamlit_app.py")
    assert "is no protection against" in texts(app)
    app.text_input(key="door-passcode").set_value(room.shown_passcode)
    app.text_input(key="door-nickname").set_value("  Ada ")
    app.button[0].click().run()
    assert "Hello, **Ada**" in texts(app)
    assert [person.nickname for person in PeopleStore(settings).all()] == ["Ada"]
    assert "Hello, **Ada**" in texts(open_page("streamlit_app.py"))


def test_a_wrong_passcode_and_a_taken_nickname_give_a_sentence(
    settings: Settings, room: Room, come_as: Callable[[str], None], open_page: Open
) -> None:
    PeopleStore(settings).name(new_token(), "Ada")
    come_as(new_token())
    app = open_page("streamlit_app.py")
    app.text_input(key="door-nickname").set_value("ada")
    app.button[0].click().run()
    assert [error.value.replace("\\", "") for error in app.error] == [
        "The passcode is missing: enter the one on the screen."
    ]
    app.text_input(key="door-passcode").set_value("00")
    app.button[0].click().run()
    assert [error.value.replace("\\", "") for error in app.error] == ["Wrong passcode: check the screen."]
    app.text_input(key="door-passcode").set_value(room.passcode)
    app.button[0].click().run()
    assert "is taken: choose another" in app.error[0].value.replace("\\", "")
    app.text_input(key="door-nickname").set_value("Ben")
    app.button[0].click().run()
    assert not app.text_input
    assert {person.nickname for person in PeopleStore(settings).all()} == {"Ada", "Ben"}


def test_after_a_new_passcode_a_known_person_gives_only_that(
    settings: Settings, room: Room, come_as: Callable[[str], None], open_page: Open
) -> None:
    token, rooms = new_token(), RoomStore(settings)
    rooms.enter(token, room.passcode, None)
    PeopleStore(settings).name(token, "Ada")
    come_as(token)
    assert not open_page("streamlit_app.py").text_input
    changed = rooms.change_passcode(OPERATOR, "")
    app = open_page("streamlit_app.py")
    assert "Welcome back, **Ada**" in texts(app)
    assert [item.label for item in app.text_input] == ["Room passcode"]
    app.text_input(key="door-passcode").set_value(changed.passcode)
    app.button[0].click().run()
    assert not app.text_input


def test_a_link_with_the_passcode_opens_and_leaves_a_clean_address(
    room: Room, come_as: Callable[[str], None], open_page: Open
) -> None:
    come_as(new_token())
    app = open_page("pages/train.py", run="x", passcode=room.passcode)
    assert [item.label for item in app.text_input] == ["Your nickname"]
    assert dict(app.query_params) == {"run": "x"}


def test_the_presenters_link_makes_a_presenter(
    settings: Settings, room: Room, come_as: Callable[[str], None], open_page: Open
) -> None:
    come_as(new_token())
    app = open_page("streamlit_app.py", secret=room.secret)
    assert dict(app.query_params) == {}
    app.text_input(key="door-nickname").set_value("Grace")
    app.button[0].click().run()
    assert [person.presenter for person in PeopleStore(settings).all()] == [True]


def test_a_wrong_secret_makes_no_presenter(
    settings: Settings, room: Room, come_as: Callable[[str], None], open_page: Open
) -> None:
    come_as(new_token())
    app = open_page("streamlit_app.py", secret="guess", passcode=room.passcode)
    assert "Wrong presenter address" in app.error[0].value
    assert [item.label for item in app.text_input] == ["Your nickname", "Room passcode"]
    assert not PeopleStore(settings).all()


def test_a_browser_without_cookies_gets_a_sentence(room: Room, come_as: Callable[[str], None], open_page: Open) -> None:
    come_as("")
    app = open_page("streamlit_app.py")
    assert [error.value for error in app.error] == ["Your browser blocks cookies for this page: allow them and reload."]


def test_who_acts_is_the_operator_alone_or_the_visitor_of_a_room(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, come_as: Callable[[str], None]
) -> None:
    assert door.actor(settings) == OPERATOR
    monkeypatch.setenv("TUNEMYPETS_ROOM", "1")
    opened = Settings.from_environment()
    opened.home.mkdir(parents=True)
    rooms, token = RoomStore(opened), new_token()
    room = rooms.open()
    come_as(token)
    with pytest.raises(PeopleError, match="reload the page"):
        door.actor(opened)
    rooms.enter(token, room.passcode, None)
    PeopleStore(opened).name(token, "Ada")
    actor = door.actor(opened)
    assert (actor.id, actor.name, actor.presenter) == (person_id(token), "Ada", False)
    rooms.change_passcode(OPERATOR, "")
    with pytest.raises(PeopleError, match="reload the page"):
        door.actor(opened)


def test_a_signed_in_person_is_the_same_in_every_browser(
    settings: Settings, room: Room, come_as: Callable[[str], None], open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    class User(dict[str, object]):
        is_logged_in = True

    monkeypatch.setattr(door.st, "user", User(iss="https://issuer.example", sub="42", name="Ada Lovelace"))
    ids = set()
    for _ in range(2):
        come_as(new_token())
        app = open_page("streamlit_app.py", passcode=room.passcode)
        if app.text_input:
            assert app.text_input(key="door-nickname").value == "Ada Lovelace"
            app.button[0].click().run()
        ids |= {person.id for person in PeopleStore(settings).all()}
    assert len(ids) == 1


def test_every_page_says_goodbye_before_the_server_ends(
    room: Room, come_as: Callable[[str], None], open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(farewell, "_said", threading.Event())
    come_as(new_token())
    assert "Goodbye" not in texts(open_page("streamlit_app.py"))
    farewell.say_goodbye()
    for path in PAGES:
        app = open_page(path)
        assert "Goodbye" in texts(app)
        assert not app.text_input
        assert not app.button


def test_a_closed_room_asks_for_no_passcode(open_page: Callable[..., AppTest]) -> None:
    assert not open_page("streamlit_app.py").text_input
