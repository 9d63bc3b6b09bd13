"""Clients that send too slowly and answers that take too long, over real sockets: a status, a sentence, and no stop."""

import json
import select
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn

from core.datasets.drawn_sample import draw_sample
from core.predict.predictor import Predictor
from core.predict.predictor_answers import Prediction
from core.runs.run_store import RunStore
from core.serving.endpoint import Endpoint, ServiceLimits
from core.settings import Settings
from tests.core.serving.test_endpoint import ask, form_of

SECONDS = 0.4
MOST_DRIPS = 150
PICTURE = next(iter(draw_sample(1, size_px=80)))[1]
FORM, KIND = form_of(PICTURE)


class Gate:
    """A predictor that answers only while it is open."""

    def __init__(self, predictor: Predictor) -> None:
        self.open, self.asked = threading.Event(), 0
        self._predict = predictor.predict
        self.open.set()

    def predict(self, *arguments: object) -> list[Prediction]:
        self.asked += 1
        assert self.open.wait(60)
        return self._predict(*arguments)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def served(race_template: Path) -> Iterator[tuple[int, Gate]]:
    """The port of a service that waits for a moment only, and its predictor."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TUNEMYPETS_HOME", str(race_template))
        settings = Settings.from_environment()
        limits = ServiceLimits(read_seconds=SECONDS, answer_seconds=SECONDS)
        endpoint = Endpoint(settings, RunStore(settings).all()[0], limits)
    gate = Gate(endpoint.predictor)
    endpoint.predictor.predict(endpoint.run, [("first", PICTURE)], 1)  # the first answer of a process takes long
    patch.setattr(endpoint.predictor, "predict", gate.predict)
    server = uvicorn.Server(uvicorn.Config(endpoint.app(), lifespan="off", ws="none", log_level="error"))
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        yield listener.getsockname()[1], gate
        server.should_exit = True
        thread.join()
    patch.undo()


def wait_for_answer(port: int) -> int:
    """How often it was asked until it answered, as a busy machine may take long."""
    for tries in range(1, 21):
        if ask(port, body=PICTURE)[0] == 200:
            return tries
    raise AssertionError("it answers no more")


def head_of(length: int, kind: str = "image/jpeg") -> bytes:
    lines = ("POST /predict HTTP/1.1", "Host: localhost", f"Content-Type: {kind}", f"Content-Length: {length}")
    return "\r\n".join((*lines, "", "")).encode()


def receive(connection: socket.socket) -> tuple[int, str]:
    """Status and error of the answer that arrives."""
    connection.settimeout(20)
    answer = b""
    while not answer.endswith(b"}"):
        piece = connection.recv(4096)
        assert piece, "closed without an answer"
        answer += piece
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)["error"]


@pytest.mark.parametrize(("body", "kind"), [(PICTURE, "image/jpeg"), (FORM, KIND)], ids=["body", "form"])
@pytest.mark.parametrize("drip", [False, True], ids=["stalls", "drips"])
def test_a_picture_that_does_not_arrive_in_time_is_a_408(
    served: tuple[int, Gate], body: bytes, kind: str, drip: bool
) -> None:
    port, gate = served
    before = gate.asked
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(head_of(len(body), kind) + body[:100])
        place = 100
        while drip and place < MOST_DRIPS and not select.select([client], [], [], SECONDS / 4)[0]:
            client.sendall(body[place : place + 1])
            place += 1
        assert place < MOST_DRIPS, "a byte now and then extends the time"
        status, sentence = receive(client)
    assert (status, sentence) == (408, "The picture did not arrive within 0.4 s: send it again.")
    assert gate.asked == before
    wait_for_answer(port)


def test_an_answer_that_takes_too_long_is_a_504_and_what_nobody_waits_for_is_not_computed(
    served: tuple[int, Gate],
) -> None:
    port, gate = served
    before = gate.asked
    gate.open.clear()
    try:
        found = [ask(port, body=PICTURE) for _ in range(3)]
    finally:
        gate.open.set()
    for status, answer in found:
        assert status == 504
        assert answer["error"] == "No answer within 0.4 s: the machine is busy, try again later."
    tries = wait_for_answer(port)
    assert before + 2 <= gate.asked <= before + 1 + tries, "the first, which was slow, and those at the end"


def test_it_says_how_long_it_waits(served: tuple[int, Gate]) -> None:
    limits = ask(served[0], "/", method="GET")[1]["limits"]
    assert (limits["seconds_to_send"], limits["seconds_to_answer"], limits["at_once"]) == (SECONDS, SECONDS, 32)
