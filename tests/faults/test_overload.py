"""What comes over the network too much or too slowly is refused, and holds up no other person."""

import asyncio
import socket
import time
from contextlib import ExitStack

import psutil
import pytest

from core.actor import OPERATOR
from core.collection.collection_store import CollectionStore
from core.runs.run_store import RunStore
from core.settings import Settings
from tests.faults.servers import HTML, Start, ask
from tests.support.load.ledger import Ledger
from tests.support.load.session import LostError, Session
from tests.support.processes import run_apart
from tests.support.server import Server

pytestmark = pytest.mark.slow

MB = 2**20


def server_pid(server: Server) -> int:
    assert server.process is not None
    return server.process.pid


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


# ---- too much


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
    assert upload(server, 2) == ["taken"]  # another visitor


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
