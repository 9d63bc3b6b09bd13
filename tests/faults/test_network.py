"""What comes over the network: wrong names, strange pages, too much, too slow, and connections that break.

A real server; clients speak HTTP by hand where a library would be too polite.
"""

import asyncio
import dataclasses
import json
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path

import psutil
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from core.actor import OPERATOR
from core.collection.collection_store import CollectionStore
from core.config.train_config import TrainConfig
from core.room.access import RoomStore
from core.room.people import PeopleStore, new_token, person_id
from core.runs.run import RunState
from core.runs.run_store import RunStore
from core.settings import PROJECT_ROOT, Settings
from pages.server.visitor_cookie import COOKIE
from tests.support.load.ledger import Ledger
from tests.support.load.session import LostError, Session
from tests.support.processes import end_processes, run_apart, wait_for
from tests.support.server import Server

pytestmark = pytest.mark.slow

Start = Callable[..., Server]
MB = 2**20
HTML = {"Accept": "text/html"}


@pytest.fixture
def start(settings: Settings, ended_processes: None) -> Iterator[Start]:
    """Start the app with more variables of the environment."""
    with ExitStack() as stack:

        def started(**environment: str) -> Server:
            server = Server(settings, environment=environment)
            server.start()
            stack.callback(server.kill)
            return server

        yield started


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The app on an empty data root; the tests of this file share it."""
    home = tmp_path_factory.mktemp("network") / "workspace"
    settings = dataclasses.replace(Settings.from_environment(), home=home)
    server = Server(settings, environment={"TUNEMYPETS_HOME": str(home)})
    server.start()
    yield server
    server.kill()
    end_processes(home)


def ask(server: Server, path: str, method: str = "GET", **headers: str) -> tuple[HTTPResponse, bytes]:
    """One request; a header's underscores are hyphens."""
    connection = HTTPConnection("127.0.0.1", server.port, timeout=20)
    with closing(connection):
        connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        reply = connection.getresponse()
        return reply, reply.read()


def server_pid(server: Server) -> int:
    assert server.process is not None
    return server.process.pid


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


# ---- too much


def upload(server: Server, megabytes: float, times: int = 1) -> list[str]:
    """Send a file from one session, several times; what the server answered to each."""

    async def send() -> list[str]:
        answers = []
        async with Session(server.address, "sender", Ledger()) as session:
            await session.open("explore", "add=1")
            uploader = next(item for item in session.page.find("file_uploader", "Zip file"))
            for _ in range(times):
                try:
                    await session.upload(uploader, "pets.zip", bytes(int(megabytes * MB)))
                    answers.append("taken")
                except LostError as refused:
                    answers.append(str(refused))
        return answers

    return run_apart(send())


def test_an_upload_beyond_the_limit_is_refused_before_it_is_read(start: Start) -> None:
    server = start(TUNEMYPETS_UPLOAD_MB="2")
    assert upload(server, 1) == ["taken"]
    assert upload(server, 3.5) == [
        "the upload was answered with 413: The upload is larger than 2 MB: send a smaller one."
    ]
    # a liar gets its answer before a single byte of the body was sent
    head = f"PUT /_stcore/upload_file/a/b HTTP/1.1\r\nHost: localhost\r\nContent-Length: {10**12}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as raw:
        raw.sendall(head.encode())
        assert b" 413 " in raw.recv(200)


def test_a_photo_of_200_mb_for_a_collection_is_refused_before_it_is_read(server: Server) -> None:
    place = CollectionStore(server.settings).start("Our mugs", by=OPERATOR)
    address, memory = f"/collect/api/{place}/pictures/00000001", psutil.Process(server_pid(server)).memory_info
    before = memory().rss
    for size, status in ((200 * MB, b" 413 "), (10**12, b" 413 "), ("none", b" 400 ")):
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as raw:
            raw.sendall(f"PUT {address} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {size}\r\n\r\n".encode())
            assert status in raw.recv(200)
    assert memory().rss - before < 20 * MB
    reply, body = ask(server, address, "PUT", Origin="http://evil.example.com", Content_Length="0")
    assert (reply.status, body) == (403, b"This connection was opened by a page of another site.")


def test_uploads_of_one_session_are_limited_together(start: Start) -> None:
    server = start(TUNEMYPETS_UPLOAD_MB="3", TUNEMYPETS_SESSION_UPLOAD_MB="4")
    first, second, third = upload(server, 2, times=3)
    assert (first, second) == ("taken", "taken")
    assert "413: You have 4 MB of uploads open" in third
    assert upload(server, 2) == ["taken"]  # somebody else


def test_uploads_of_all_sessions_are_limited_together(start: Start) -> None:
    server = start(TUNEMYPETS_ALL_UPLOAD_MB="2")
    assert upload(server, 1.5) == ["taken"]
    assert "429: Others are uploading a lot" in upload(server, 5)[0]


def test_an_upload_without_a_length_is_refused(server: Server) -> None:
    reply, body = ask(server, "/_stcore/upload_file/a/b", "PUT", Transfer_Encoding="chunked")
    assert reply.status == 411
    assert body == b"An upload must announce its length."


# ---- too slow


def test_500_clients_that_never_finish_their_request_hold_nobody_up(server: Server) -> None:
    with ExitStack() as stack:
        for number in range(500):
            raw = stack.enter_context(socket.create_connection(("127.0.0.1", server.port), timeout=10))
            if number % 2:
                raw.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
            else:
                raw.sendall(
                    b"PUT /_stcore/upload_file/a/b HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nabc"
                )
        began = time.monotonic()
        assert ask(server, "/train", **HTML)[0].status == 200
        assert time.monotonic() - began < 1.0

        async def visit() -> float:
            async with Session(server.address, "other", Ledger()) as session:
                return await session.open("train")

        assert run_apart(visit()) < 5.0


def test_a_websocket_that_is_never_read_holds_nobody_up_and_takes_little_memory(raced: Settings, start: Start) -> None:
    server = start()
    run = RunStore(raced).all()[0]
    assert server.process is not None

    def resident_mb() -> float:
        return psutil.Process(server.process.pid).memory_info().rss / MB if server.process else 0.0

    async def visit() -> tuple[float, float]:
        async with Session(server.address, "reader", Ledger()) as reader:
            await reader.open("train", f"run={run.id}")
            before = resident_mb()
            async with Session(server.address, "sleeper", Ledger()) as sleeper:
                await sleeper.open("train", f"run={run.id}")
                assert sleeper._socket is not None
                transport = sleeper._socket._response.connection.transport  # type: ignore[union-attr]
                assert transport is not None
                transport.pause_reading()  # type: ignore[attr-defined]
                for _ in range(300):
                    await sleeper.ask("page", wait=False)
                    await asyncio.sleep(0.01)
                seconds = await reader.ask("page")
                return seconds, resident_mb() - before

    seconds, grown_mb = run_apart(visit())
    assert seconds < 2.0
    assert grown_mb < 150


# ---- connections that break


@pytest.fixture
def watched(settings: Settings, drawn: object, small_config: TrainConfig) -> str:
    """A run that goes on for longer than the test, unless it is stopped."""
    return (
        RunStore(settings)
        .create(small_config.model_copy(update={"epochs": 1000, "filters": (32, 64, 64), "image_size": 96}))
        .id
    )


@pytest.mark.parametrize("seconds", [1, pytest.param(30, marks=pytest.mark.slow)])
def test_a_dropped_connection_finds_its_session_again(
    settings: Settings, watched: str, start: Start, seconds: float
) -> None:
    server = start()

    async def visit() -> tuple[str, str, bool]:
        async with Session(server.address, "phone", Ledger()) as phone:
            await phone.open("train", f"run={watched}")
            before = phone._session_id
            await phone.drop()
            await asyncio.sleep(seconds)
            await phone.reconnect()
            return before, phone._session_id, phone.live

    before, after, live = run_apart(visit())
    assert before == after
    assert live
    assert RunStore(settings).get(watched).state().active


def test_after_a_drop_longer_than_sessions_are_kept_the_address_still_names_the_run(
    settings: Settings, watched: str, start: Start
) -> None:
    server = start(STREAMLIT_SERVER_DISCONNECTED_SESSION_TTL="1")
    run = RunStore(settings).get(watched)

    async def visit() -> tuple[str, str, bool]:
        async with Session(server.address, "phone", Ledger()) as phone:
            await phone.open("train", f"run={watched}")
            before = phone._session_id
            await phone.drop()
            wait_for(lambda: run.state() is RunState.RUNNING)
            await asyncio.sleep(6)
            async with Session(server.address, "other", Ledger()) as other:  # somebody comes: what is old is swept out
                await other.open("train")
            await phone.reconnect()
            return before, phone._session_id, phone.live

    before, after, live = run_apart(visit())
    assert live
    assert before != after
    assert run.state() is RunState.RUNNING


def test_a_reload_in_the_middle_shows_the_run_at_once(settings: Settings, watched: str, start: Start) -> None:
    server = start()
    run = RunStore(settings).get(watched)

    async def visit() -> bool:
        async with Session(server.address, "browser", Ledger()) as browser:
            await browser.open("train", f"run={watched}")
            wait_for(lambda: run.state() is RunState.RUNNING)
            await browser.drop()
            browser._session_id = ""  # a reload is another session
            await browser.open("train", f"run={watched}")
            return browser.live

    assert run_apart(visit())
    assert run.state() is RunState.RUNNING


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
