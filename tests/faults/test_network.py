"""What comes over the network: wrong names, strange pages, wrong passcodes; and what every answer carries.

A real server; clients speak HTTP by hand where a library would be too polite.
"""

import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from core.room.access import RoomStore
from core.room.people import PeopleStore, new_token, person_id
from core.runs.run_store import RunStore
from core.settings import PROJECT_ROOT, Settings
from pages.server.visitor_cookie import COOKIE
from tests.faults.servers import HTML, Start, ask
from tests.support.load.ledger import Ledger
from tests.support.load.session import Session
from tests.support.processes import run_apart
from tests.support.server import Server

pytestmark = pytest.mark.slow


def handshake(server: Server, **headers: str) -> int:
    """The status of opening a websocket."""
    try:
        with connect(
            f"ws://127.0.0.1:{server.port}/_stcore/stream", additional_headers=headers, subprotocols=["streamlit"]
        ):
            return 101
    except InvalidStatus as refused:
        return refused.response.status_code


# ---- names


@pytest.mark.parametrize("host", ["evil.example.com", "127.0.0.1.evil.com", "localhost.evil.com", "", "a@localhost"])
def test_a_foreign_name_in_host_is_refused_with_a_sentence(server: Server, host: str) -> None:
    for path in ("/", "/train", "/_stcore/health", "/media/x.png"):
        reply, body = ask(server, path, Host=host)
        assert reply.status in (400, 403)
        assert b"root" not in body
    reply, body = ask(server, "/", Host="evil.example.com")
    assert body.decode() == (
        "This app is not known as evil.example.com: its operator can add the name to TUNEMYPETS_HOSTS."
    )


def test_this_machines_names_and_those_of_the_operator_are_let_in(start: Start) -> None:
    server = start(TUNEMYPETS_HOSTS="pets.example.com, *.lab.example.com")
    names = ["localhost", "127.0.0.1", "[::1]", socket.gethostname(), "pets.example.com:80", "a.lab.example.com"]
    assert [ask(server, "/_stcore/health", Host=name)[0].status for name in names] == [200] * len(names)
    assert ask(server, "/_stcore/health", Host="lab.example.com")[0].status == 403


def test_a_websocket_opens_only_for_our_own_page(start: Start) -> None:
    server = start(TUNEMYPETS_HOSTS="pets.example.com")
    here = f"127.0.0.1:{server.port}"
    assert handshake(server) == 101  # a program, not a browser
    assert handshake(server, Origin=f"http://{here}") == 101
    assert handshake(server, Origin="https://pets.example.com") == 101  # behind a proxy that rewrites Host
    for origin in ("http://evil.example.com", "null", "http://localhost:3000", f"http://{here}.evil.com", "file://"):
        began = time.monotonic()
        assert handshake(server, Origin=origin) == 403
        assert time.monotonic() - began < 1.0  # the server asks nobody on the internet who it is
    assert handshake(server, Host="evil.example.com") == 403
    assert handshake(server, Host="evil.example.com", Origin="http://evil.example.com") == 403


# ---- what is served


def test_what_tells_about_the_server_is_closed(server: Server) -> None:
    for path in (
        "/_stcore/metrics",
        "/_stcore/metrics/",
        "/_stcore/script-health-check",
        "/_stcore/agent/openapi.json",
        "/_stcore/agent/mcp",
    ):
        assert ask(server, path)[0].status == 404, path
    assert ask(server, "/_stcore/agent/interact", "POST")[0].status == 404
    assert ask(server, "/_stcore/health")[0].status == 200


def test_the_operator_can_open_the_metrics(start: Start) -> None:
    reply, body = ask(start(TUNEMYPETS_METRICS="1"), "/_stcore/metrics")
    assert reply.status == 200
    assert b"active_sessions" in body


@pytest.mark.parametrize(
    "path", ["/", "/train", "/favicon.png", "/_stcore/health", "/media/nothing", "/_stcore/metrics"]
)
def test_every_answer_carries_the_headers(server: Server, path: str) -> None:
    reply, _ = ask(server, path, Accept="text/html")
    policy = str(reply.getheader("content-security-policy"))
    assert "frame-ancestors 'none'" in policy
    assert "unsafe-eval" not in policy
    assert "script-src 'self' 'sha256-" in policy
    assert "'unsafe-inline'" not in policy.partition("script-src")[2].partition(";")[0]
    assert reply.getheader("x-content-type-options") == "nosniff"
    assert reply.getheader("x-frame-options") == "DENY"
    assert reply.getheader("referrer-policy") == "no-referrer"
    assert str(reply.getheader("permissions-policy")).startswith("camera=(self)")


def test_a_refusal_carries_the_headers_too(server: Server) -> None:
    reply, _ = ask(server, "/", Host="evil.example.com")
    assert reply.getheader("x-content-type-options") == "nosniff"


def test_a_visitor_gets_a_cookie_that_no_script_and_no_other_site_can_use(server: Server) -> None:
    first = ask(server, "/", **HTML)[0].getheader("set-cookie", "")
    assert first.startswith(f"{COOKIE}=")
    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= set(first.split("; "))
    token = first.split(";")[0].partition("=")[2]
    assert f"{COOKIE}={token};" in ask(server, "/", Cookie=f"{COOKIE}={token}", **HTML)[0].getheader("set-cookie", "")
    other = ask(server, "/", Cookie=f"{COOKIE}=short", **HTML)[0].getheader("set-cookie", "")
    assert "short" not in other
    assert ask(server, "/favicon.png")[0].getheader("set-cookie") is None


def test_behind_https_the_cookie_is_for_https_only(server: Server) -> None:
    cookie = ask(server, "/", X_Forwarded_Proto="https", **HTML)[0].getheader("set-cookie", "")
    assert "Secure" in cookie.split("; ")


def test_no_frame_of_the_server_names_its_folders(server: Server) -> None:
    seen: list[bytes] = []

    async def visit() -> None:
        async with Session(server.address, "reader", Ledger()) as session:
            session.on_frame = lambda way, data: seen.append(data) if way == "received" else None
            await session.open("train", "run=nothing")

    run_apart(visit())
    assert seen
    assert not [
        data for data in seen if str(PROJECT_ROOT).encode() in data or str(server.settings.home).encode() in data
    ]


# ---- the room


def test_before_the_passcode_nothing_of_the_room_is_served(raced: Settings, start: Start) -> None:
    server = start(TUNEMYPETS_ROOM="1")
    seen: list[bytes] = []

    async def visit() -> list[str]:
        async with Session(server.address, "stranger", Ledger()) as session:
            session.on_frame = lambda way, data: seen.append(data) if way == "received" else None
            texts = []
            for page, query in (
                ("", ""),
                ("explore", "dataset=drawn"),
                ("train", ""),
                ("compare", ""),
                ("predict", ""),
            ):
                await session.open(page, query)
                texts += session.page.texts()
            return texts

    texts = run_apart(visit())
    assert any("Join" in text or "asscode" in text for text in texts)
    names = [b"drawn", *(run.id.encode() for run in RunStore(raced).all())]
    assert not [name for name in names if any(name in data for data in seen)]
    # nor by address, whoever knows one
    assert ask(server, "/media/0123456789abcdef.png")[0].status == 403
    assert ask(server, "/take-home/a/pytorch/b.zip")[0].status == 403
    assert ask(server, "/collect/api/state")[0].status == 403
    assert ask(server, "/_stcore/upload_file/a/b", "PUT", Content_Length="0")[0].status == 403
    rooms, token = RoomStore(raced), new_token()
    room = rooms.current()
    assert room is not None
    rooms.enter(token, room.passcode, None)
    assert ask(server, "/media/0123456789abcdef.png", Cookie=f"{COOKIE}={token}")[0].status == 404
    assert ask(server, "/take-home/a/pytorch/b.zip", Cookie=f"{COOKIE}={token}")[0].status == 404


def test_20_wrong_passcodes_open_nothing_and_lock_nobody_else_out(settings: Settings, start: Start) -> None:
    server = start(TUNEMYPETS_ROOM="1")
    room = RoomStore(settings).current()
    assert room is not None
    wrong = f"{(int(room.passcode) + 1) % 10**8:08d}"

    async def visits() -> tuple[list[str], list[str], float]:
        async with Session(server.address, "guesser", Ledger()) as guesser:
            heard = []
            for _ in range(20):
                await guesser.open("train", f"passcode={wrong}")
                heard += [text for text in guesser.page.texts() if "Wrong passcode" in text or "wait" in text]
                await guesser.close()
        began = time.monotonic()
        async with Session(server.address, "guest", Ledger()) as guest:
            await guest.open("train", f"run=nothing&passcode={room.passcode}")
            return heard, guest.page.texts(), time.monotonic() - began

    heard, seen, seconds = run_apart(visits())
    assert len(heard) == 20
    assert ["Wrong passcode" in text for text in heard[:6]] == [True] * 5 + [False]
    assert sum("Wrong passcode" in text for text in heard) <= 7  # one more for each waiting time that was kept
    assert any("nickname" in text for text in seen)
    assert not any("Passcode" in text for text in seen)
    assert seconds < 5


def test_many_can_come_in_at_once(settings: Settings, start: Start) -> None:
    start(TUNEMYPETS_ROOM="1")
    rooms, people = RoomStore(settings), PeopleStore(settings)
    room = rooms.current()
    assert room is not None
    tokens = [new_token() for _ in range(30)]

    def come_in(number: int) -> None:
        rooms.enter(tokens[number], room.passcode, f"10.0.0.{number}")
        people.name(tokens[number], f"Guest {number}")

    with ThreadPoolExecutor(30) as pool:
        list(pool.map(come_in, range(30)))
    assert len(people.all()) == 30
    assert all(rooms.is_admitted(person_id(token)) for token in tokens)
    assert json.loads((settings.room_dir / "room.json").read_text(encoding="utf-8"))["passcode"] == room.passcode


def test_the_log_of_the_server_holds_no_secret(settings: Settings, start: Start) -> None:
    server = start(TUNEMYPETS_ROOM="1")
    room = RoomStore(settings).current()
    assert room is not None
    log = Path(settings.home.parent / "server.log")
    announced = log.read_text(encoding="utf-8")
    assert room.secret in announced  # in the terminal of the presenter, and only there
    ask(server, f"/train?passcode={room.passcode}", **HTML)
    ask(server, f"/room?secret={room.secret}", **HTML)
    assert log.read_text(encoding="utf-8") == announced
