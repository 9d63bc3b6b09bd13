"""`python -m core serve` as a real process, asked as curl does."""

import http.client
import json
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from core.cli.main import main
from core.datasets.drawn_sample import draw_sample
from core.predict.predictor import Predictor
from core.runs.run_store import RunStore
from core.settings import PROJECT_ROOT, Settings

pytestmark = pytest.mark.slow
PICTURE = list(draw_sample(1, size_px=80))


@pytest.fixture(scope="module")
def served(race_template: Path) -> Iterator[tuple[Settings, str, "subprocess.Popen[str]", int]]:
    """A service of the first run, which answers pictures of a MB at most."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TUNEMYPETS_HOME", str(race_template))
        patch.setenv("TUNEMYPETS_MAX_PICTURE_MB", "1")
        settings = Settings.from_environment()
        run = RunStore(settings).all()[0].id
        process = subprocess.Popen(
            [sys.executable, "-m", "core", "serve", run, "--port", "0"],
            cwd=PROJECT_ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert process.stderr is not None
    lines = iter(process.stderr.readline, "")
    port = next(int(found[1]) for line in lines if (found := re.search(r"127\.0\.0\.1:(\d+)", line)))
    yield settings, run, process, port
    process.kill()
    process.wait()
    process.stderr.close()
    assert process.stdout is not None
    process.stdout.close()


@pytest.fixture(scope="module")
def picture() -> bytes:
    return PICTURE[0][1]


def ask(
    port: int, path: str = "/predict", body: bytes | None = None, method: str = "POST", **headers: str
) -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request(method, path, body, {key.replace("_", "-"): value for key, value in headers.items()})
        answer = connection.getresponse()
        assert answer.headers["content-type"] == "application/json"
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def form_of(data: bytes, name: str = "cat.jpg") -> tuple[bytes, str]:
    head = f'--line\r\nContent-Disposition: form-data; name="picture"; filename="{name}"\r\n\r\n'.encode()
    return head + data + b"\r\n--line--\r\n", "multipart/form-data; boundary=line"


def test_a_picture_gets_the_answer_of_predict_as_body_and_as_form(served: Any, picture: bytes) -> None:
    settings, run, _, port = served
    (wanted,) = Predictor(settings).predict(RunStore(settings).get(run), [("x", picture)], 2)
    status, plain = ask(port, body=picture)
    form, kind = form_of(picture)
    status_of_form, posted = ask(port, body=form, content_type=kind)
    assert (status, status_of_form) == (200, 200)
    assert plain["run"] == run
    assert (plain["file"], posted["file"]) == ("The picture", "cat.jpg")
    for answer in (plain, posted):
        assert answer["label"] == wanted.label
        assert answer["top"][0][1] == pytest.approx(wanted.probability, abs=1e-6)
        assert "not_sure" in answer
    assert len(ask(port, "/predict?top=1", picture)[1]["top"]) == 1


def test_it_describes_itself(served: Any) -> None:
    _, run, _, port = served
    status, found = ask(port, "/", method="GET")
    assert status == 200
    assert (found["status"], found["run"], found["classes"]) == ("ok", run, ["cat", "dog"])
    assert found["limits"]["bytes"] == 2**20


def test_what_cannot_be_answered_is_a_status_and_a_sentence(served: Any, picture: bytes) -> None:
    port = served[3]
    empty, kind = form_of(b"")
    for status, words, given in (
        (400, "no picture", {"body": b""}),
        (400, "no picture", {"body": empty, "content_type": kind}),
        (400, "form cannot be read", {"body": b"nonsense", "content_type": "multipart/form-data"}),
        (400, "top is", {"path": "/predict?top=0", "body": picture}),
        (422, "not a picture", {"body": b"not a picture"}),
        (422, "damaged", {"body": picture[:300]}),
        (413, "larger than 1 MB", {"body": bytes(2**20 + 1)}),
        (413, "larger than 1 MB", {"body": form_of(bytes(2**21))[0], "content_type": kind}),
        (404, "nothing at /other", {"path": "/other", "body": picture}),
        (405, "GET is not possible", {"path": "/predict", "method": "GET"}),
        (403, "Only this machine", {"body": picture, "host": "evil.example"}),
        (403, "Only this machine", {"body": picture, "origin": "https://evil.example"}),
    ):
        found, answer = ask(port, **given)  # type: ignore[arg-type]
        assert found == status, (words, answer)
        assert words in answer["error"]
    assert ask(port, body=picture)[0] == 200


def test_a_body_without_length_is_counted_too(served: Any) -> None:
    port = served[3]
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    pieces = iter([bytes(2**18)] * 5)
    connection.request("POST", "/predict", pieces, {"transfer-encoding": "chunked"}, encode_chunked=True)
    answer = connection.getresponse()
    assert (answer.status, "larger than" in json.loads(answer.read())["error"]) == (413, True)
    connection.close()


def test_twenty_ask_at_once_and_more_than_it_takes_are_sent_away(served: Any, picture: bytes) -> None:
    port = served[3]
    with ThreadPoolExecutor(20) as pool:
        found = list(pool.map(lambda _: ask(port, body=picture), range(20)))
    assert [status for status, _ in found] == [200] * 20
    assert len({answer["label"] for _, answer in found}) == 1
    slow = []
    try:
        for _ in range(32):  # each announces a picture and sends nothing
            waiting = socket.create_connection(("127.0.0.1", port))
            waiting.sendall(b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n")
            slow.append(waiting)
        for _ in range(100):
            status, answer = ask(port, body=picture)
            if status == 503:
                break
        assert (status, "try again" in answer["error"]) == (503, True)
    finally:
        for waiting in slow:
            waiting.close()


def test_a_port_in_use_is_a_sentence(served: Any, capsys: pytest.CaptureFixture[str]) -> None:
    settings, run, _, port = served
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TUNEMYPETS_HOME", str(settings.home))
        assert main(["serve", run, "--port", str(port)]) == 1
        assert "choose another one with --port" in capsys.readouterr().err
        assert main(["serve", run, "--port", "70000"]) == 2


def test_ctrl_c_ends_it_cleanly(served: Any) -> None:
    process = served[2]
    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 0
    assert process.stdout.read() == "The service has ended.\n"
    rest = process.stderr.read()
    assert "Traceback" not in rest
    assert "training continues" not in rest
