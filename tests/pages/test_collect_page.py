"""The plain page on which phones collect photos, and its requests, behind the guard."""

import dataclasses
import json
import time
from collections.abc import Callable

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.testclient import TestClient

from core.actor import OPERATOR, Actor
from core.collection.collection_store import CollectionStore
from core.collection.picture_intake import MAX_BYTES
from core.errors import NotNowError
from core.room.access import RoomStore
from core.room.board import lock_uploads
from core.room.people import PeopleStore, new_token
from core.settings import Settings
from pages.server import collect_page
from pages.server.guard import Guard
from pages.server.visitor_cookie import COOKIE
from tests.support.images import encoded, photo

GRACE = Actor("p-grace", "Grace", presenter=True)
Phone = Callable[..., TestClient]


@pytest.fixture
def app(settings: Settings) -> Starlette:
    return Starlette(routes=collect_page.ROUTES, middleware=[Middleware(Guard)])


@pytest.fixture
def room(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """An open room on this test's data root."""
    monkeypatch.setenv("TUNEMYPETS_ROOM", "1")
    settings.home.mkdir(parents=True, exist_ok=True)
    opened = dataclasses.replace(settings, room=True)
    RoomStore(opened).open()
    return opened


@pytest.fixture
def phone(room: Settings, app: Starlette) -> Phone:
    """A phone in the room: `phone("Ada")`; without a name, before the door."""

    def come(name: str = "") -> TestClient:
        client = TestClient(app, base_url="http://localhost")
        client.cookies.set(COOKIE, new_token())
        if name:
            opened = RoomStore(room).current()
            assert opened is not None
            joined = client.post("/collect/join", json={"nickname": name, "passcode": opened.passcode})
            assert joined.status_code == 204, joined.text
        return client

    return come


@pytest.fixture
def mugs(room: Settings) -> str:
    """The address of an open collection."""
    return f"{collect_page.INSIDE}{CollectionStore(room).start('Our mugs', by=GRACE)}"


def classes(client: TestClient) -> dict[str, dict[str, object]]:
    found = client.get("/collect/api/state").json()["collection"]["classes"]
    return {item["name"]: item for item in found}


def add(client: TestClient, mugs: str, class_id: object, seed: int, **query: str) -> tuple[int, dict[str, object]]:
    params = {"class": str(class_id), "name": "IMG_1.jpg", **query}
    answer = client.put(f"{mugs}/pictures/{seed:08}", params=params, content=encoded(photo(seed)))
    return answer.status_code, answer.json()


def test_the_page_and_its_parts_come_with_a_cookie_and_the_policy(app: Starlette) -> None:
    client = TestClient(app, base_url="http://localhost")
    page = client.get("/collect", headers={"accept": "text/html"})
    assert page.status_code == 200
    assert COOKIE in page.headers["set-cookie"]
    assert "script-src 'self'" in page.headers["content-security-policy"]
    assert "<script>" not in page.text  # the policy would stop it
    assert " style=" not in page.text
    for name in ("page.css", "page.js", "cards.js", "queue.js", "frames.js"):
        assert f"collect/web/{name}" in page.text
        part = client.get(f"/collect/web/{name}")
        assert part.status_code == 200
        assert client.get(f"/collect/web/{name}", headers={"if-none-match": part.headers["etag"]}).status_code == 304
    assert client.get("/collect/web/../collect_page.py").status_code == 404
    assert client.get("/collect/web/%2e%2e/collect_page.py").status_code == 404


def test_nothing_but_the_page_is_before_the_door(phone: Phone, mugs: str, room: Settings) -> None:
    stranger = phone()
    assert stranger.get("/collect").status_code == 200
    for method, path in (
        ("GET", "state"),
        ("PUT", "x/pictures/00000001"),
        ("POST", "x/classes"),
        ("GET", "x/pictures/a"),
    ):
        refused = stranger.request(method, f"/collect/api/{path}")
        assert (refused.status_code, refused.text) == (403, "Enter the room passcode first.")
    wrong = stranger.post("/collect/join", json={"nickname": "Eve", "passcode": "00000000"})
    assert (wrong.status_code, wrong.json()["problem"]) == (401, "Wrong passcode: check the screen.")
    assert PeopleStore(room).all() == []
    for _ in range(10):
        wrong = stranger.post("/collect/join", json={"nickname": "Eve", "passcode": "00000000"})
    assert "Too many wrong attempts" in wrong.json()["problem"]


def test_an_admitted_browser_without_a_nickname_is_asked_for_one(phone: Phone, room: Settings, mugs: str) -> None:
    client = phone()
    opened = RoomStore(room).current()
    assert opened is not None
    RoomStore(room).enter(client.cookies[COOKIE], opened.passcode, None)
    asked = client.get("/collect/api/state")
    assert (asked.status_code, asked.json()["problem"]) == (401, "Enter a nickname first.")
    phone("Ada")
    taken = client.post("/collect/join", json={"nickname": "ada"})
    assert "is taken" in taken.json()["problem"]
    assert client.post("/collect/join", json={"nickname": "Ben"}).status_code == 204
    assert client.get("/collect/api/state").json()["me"] == "Ben"


def test_a_page_of_another_site_changes_nothing(phone: Phone, mugs: str) -> None:
    client = phone("Ada")
    refused = client.post(f"{mugs}/classes", json={"name": "cat"}, headers={"origin": "http://evil.example.com"})
    assert refused.status_code == 403
    made = client.post(f"{mugs}/classes", json={"name": "cat"}, headers={"origin": "http://localhost"})
    assert made.status_code == 200


def test_two_phones_add_to_one_class_and_each_deletes_its_own(phone: Phone, mugs: str) -> None:
    ada, ben = phone("Ada"), phone("Ben")
    cat = ada.post(f"{mugs}/classes", json={"name": "cat"}).json()["id"]
    assert ben.post(f"{mugs}/classes", json={"name": "CAT"}).json()["id"] == cat
    assert add(ada, mugs, cat, 1)[0] == 201
    status, repeated = add(ada, mugs, cat, 1)
    assert (status, repeated["new"]) == (200, False)
    assert add(ben, mugs, cat, 2, group="clip1")[0] == 201
    seen = classes(ben)["cat"]
    assert (seen["count"], seen["own"], seen["changeable"]) == (2, 1, False)
    assert [(by, mine) for _, by, mine in seen["pictures"]] == [("Ben", True), ("Ada", False)]  # type: ignore[attr-defined]
    refused = ben.delete(f"{mugs}/pictures/{repeated['digest']}")
    assert (refused.status_code, "belongs to another person" in refused.json()["problem"]) == (403, True)
    for client in (ada, ben):  # the second finds it gone
        assert client.delete(f"{mugs}/pictures/{repeated['digest']}").status_code == 204
    assert classes(ada)["cat"]["count"] == 1


def test_a_picture_is_served_small_and_whole_to_people_in_the_room(phone: Phone, mugs: str) -> None:
    ada = phone("Ada")
    cat = ada.post(f"{mugs}/classes", json={"name": "cat"}).json()["id"]
    data = encoded(photo(3, (640, 480)))
    digest = ada.put(f"{mugs}/pictures/00000003", params={"class": cat}, content=data).json()["digest"]
    small, whole = ada.get(f"{mugs}/pictures/{digest}"), ada.get(f"{mugs}/pictures/{digest}?full")
    assert whole.content == data
    assert len(small.content) < len(data)
    assert small.headers["content-type"] == whole.headers["content-type"] == "image/jpeg"
    assert "immutable" in small.headers["cache-control"]
    for name in ("../collection.json", "..%2Fcollection.json", "a" * 32):
        assert ada.get(f"{mugs}/pictures/{name}").status_code in (404, 405)
    assert ada.get(f"{collect_page.INSIDE}../runs/pictures/{digest}").status_code == 404
    assert ada.get(f"{collect_page.INSIDE}..%2Fruns/pictures/{digest}").status_code == 404


def test_classes_are_renamed_switched_off_merged_and_deleted(phone: Phone, mugs: str) -> None:
    ada = phone("Ada")
    cat, dog, hare = (ada.post(f"{mugs}/classes", json={"name": name}).json()["id"] for name in ("cat", "dog", "hare"))
    for values in ({"name": "Katze"}, {"off": True}):
        assert ada.patch(f"{mugs}/classes/{cat}", json=values).status_code == 204
    assert classes(ada)["Katze"]["off"] is True
    assert ada.patch(f"{mugs}/classes/{dog}", json={"into": cat}).status_code == 204
    assert add(ada, mugs, dog, 1)[0] == 201
    assert classes(ada)["Katze"]["count"] == 1
    for _ in range(2):
        assert ada.delete(f"{mugs}/classes/{hare}").status_code == 204
    assert add(ada, mugs, hare, 2) == (409, {"problem": "The class 'hare' was deleted: choose another one."})
    for values in ({"name": 3}, {"off": "yes"}, {}, {"other": 1}):
        assert ada.patch(f"{mugs}/classes/{cat}", json=values).status_code == 409


def test_what_phones_send_is_kept_until_the_collection_is_open_again(phone: Phone, mugs: str, room: Settings) -> None:
    ada = phone("Ada")
    cat = ada.post(f"{mugs}/classes", json={"name": "cat"}).json()["id"]
    store, place = CollectionStore(room), mugs.rsplit("/", 1)[1]
    store.set_open(place, False, by=GRACE)
    status, problem = add(ada, mugs, cat, 1)
    assert (status, problem) == (
        423,
        {"problem": "The presenter has closed the collection: ask them to open it again."},
    )
    store.set_open(place, True, by=GRACE)
    assert add(ada, mugs, cat, 1)[0] == 201
    lock_uploads(room, True, GRACE)
    assert add(ada, mugs, cat, 2)[0] == 429
    lock_uploads(room, False, GRACE)
    store.delete(place, by=GRACE)
    assert add(ada, mugs, cat, 1)[0] == 409
    assert "collection" not in ada.get("/collect/api/state").json()


def test_a_busy_collection_asks_a_phone_to_send_again(phone: Phone, mugs: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ada = phone("Ada")
    cat = ada.post(f"{mugs}/classes", json={"name": "cat"}).json()["id"]

    def busy(*_: object, **__: object) -> None:
        raise NotNowError("Many people are adding photos: try again in a few seconds.")

    monkeypatch.setattr(collect_page, "add_picture", busy)
    assert add(ada, mugs, cat, 1)[0] == 423
    monkeypatch.setattr(collect_page, "MAX_COMING_BYTES", 10)
    status, problem = add(ada, mugs, cat, 1)
    assert (status, problem) == (503, {"problem": "Many photos are arriving: try again in a few seconds."})


@pytest.mark.parametrize(
    ("data", "status", "sentence"),
    [
        (b"\0\0\0\x18ftypisom" + bytes(100), 422, "clip.mov is a video, not a picture"),
        (b"nothing", 422, "clip.mov is text, not a picture"),
        (b"", 422, "clip.mov is empty"),
        (encoded(photo(1))[:400], 422, "clip.mov is"),
        (b"x" * (MAX_BYTES + 1), 413, "clip.mov is larger than 8 MB: send a smaller one."),
    ],
)
def test_what_is_no_picture_is_refused_in_one_sentence(
    phone: Phone, mugs: str, data: bytes, status: int, sentence: str
) -> None:
    ada = phone("Ada")
    cat = ada.post(f"{mugs}/classes", json={"name": "cat"}).json()["id"]
    answer = ada.put(f"{mugs}/pictures/00000001", params={"class": cat, "name": "clip.mov"}, content=data)
    assert (answer.status_code, answer.json()["problem"].startswith(sentence)) == (status, True)
    assert classes(ada)["cat"]["count"] == 0


def test_requests_that_are_none_are_refused(phone: Phone, mugs: str) -> None:
    ada = phone("Ada")
    for body in (b"", b"[]", b"{", b'{"name": "' + b"x" * 5000 + b'"}', b"[" * 3000):
        assert ada.post(f"{mugs}/classes", content=body).status_code == 409
    chunks = ada.put(f"{mugs}/pictures/00000001", params={"class": "c"}, content=iter([b"a", b"b"]))
    assert (chunks.status_code, chunks.json()["problem"]) == (411, "The photo must announce its length.")


def test_the_state_is_sent_only_when_it_has_changed(phone: Phone, mugs: str) -> None:
    ada = phone("Ada")
    cat = ada.post(f"{mugs}/classes", json={"name": "cat"}).json()["id"]
    first = ada.get("/collect/api/state")
    known = {"if-none-match": first.headers["etag"]}
    assert ada.get("/collect/api/state", headers=known).status_code == 304
    add(ada, mugs, cat, 1)
    assert ada.get("/collect/api/state", headers=known).status_code == 200


def test_a_phone_sees_the_newest_pictures_of_all_and_more_of_its_own(phone: Phone, mugs: str) -> None:
    ada, ben = phone("Ada"), phone("Ben")
    cat = ada.post(f"{mugs}/classes", json={"name": "cat"}).json()["id"]
    for seed in range(20):
        add(ada, mugs, cat, seed)
    for seed in range(100, 115):
        add(ben, mugs, cat, seed)
    lengths = [len(classes(client)["cat"]["pictures"]) for client in (ada, ben)]  # type: ignore[arg-type]
    assert lengths == [collect_page.NEWEST_SHOWN + 20, 15]
    assert len(ada.get("/collect/api/state").content) < 4000


def test_without_a_room_this_machine_collects_alone(settings: Settings, app: Starlette) -> None:
    client = TestClient(app, base_url="http://localhost")
    assert client.get("/collect/api/state").json() == {"me": "", "presenter": True, "room": False}
    place = f"{collect_page.INSIDE}{CollectionStore(settings).start('Mine', by=OPERATOR)}"
    cat = client.post(f"{place}/classes", json={"name": "cat"}).json()["id"]
    assert add(client, place, cat, 1)[0] == 201
    assert classes(client)["cat"]["pictures"][0][1] == "this machine"  # type: ignore[index]
    assert client.post("/collect/join", json={}).status_code == 204


def test_the_state_of_a_full_collection_takes_milliseconds(phone: Phone, mugs: str, room: Settings) -> None:
    ada = phone("Ada")
    cat = ada.post(f"{mugs}/classes", json={"name": "cat"}).json()["id"]
    status, _ = add(ada, mugs, cat, 1)
    assert status == 201
    folder = CollectionStore(room).place(mugs.rsplit("/", 1)[1]) / "pictures"
    (path,) = folder.iterdir()
    parts = path.name.split(".")
    for number in range(3000):
        parts[5] = f"{number:032x}"
        (folder / ".".join(parts)).write_bytes(b"")
    state = ada.get("/collect/api/state")
    began = time.process_time()
    for _ in range(10):
        state = ada.get("/collect/api/state")
    assert (time.process_time() - began) / 10 < 0.1
    assert json.loads(state.content)["collection"]["classes"][0]["count"] == 3001
