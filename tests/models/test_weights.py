"""Downloads from a real server: good ones, and everything that can go wrong in a room with bad Wi-Fi."""

import hashlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch

from models import weights
from models.catalog import CATALOG, NetworkEntry, Weights
from models.errors import WeightsError
from models.weights.files import SURPLUS_BYTES

CONTENT = bytes(range(256)) * 40
FILE_NAME = f"tiny-{hashlib.sha256(CONTENT).hexdigest()[:8]}.pth"


@dataclass
class Mirror:
    """A web server of this test: what it serves, and how it misbehaves."""

    url: str
    files: dict[str, bytes]
    cut_after_bytes: int | None = None
    tells_length: bool = True
    asked: list[str] = field(default_factory=list)


@pytest.fixture
def mirror() -> Iterator[Mirror]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served.asked.append(self.path)
            body = served.files.get(self.path)
            if body is None:
                self.send_error(404)
                return
            self.send_response(200)
            if served.tells_length:
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: served.cut_after_bytes])

        def log_message(self, *args: object) -> None:
            """Keep quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    served = Mirror(f"http://127.0.0.1:{server.server_port}/models", {f"/models/{FILE_NAME}": CONTENT})
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield served
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where weights go in this test; not made yet."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.delenv(weights.MIRROR_VARIABLE, raising=False)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return tmp_path / "torch" / "hub" / "checkpoints"


def entry_at(url: str) -> NetworkEntry:
    tiny = Weights(FILE_NAME, f"{url}/{FILE_NAME}", len(CONTENT), "none", "this test")
    return replace(CATALOG["resnet18"], weights=tiny)


def refused(entry: NetworkEntry, folder: Path) -> str:
    """The sentence with which a download fails; nothing may be left behind."""
    with pytest.raises(WeightsError) as caught:
        list(weights.fetch(entry))
    if folder.is_dir():
        assert list(folder.iterdir()) == []
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert sentence.endswith(".")
    return sentence


def test_a_download_reports_its_progress_and_ends_in_a_whole_file(mirror: Mirror, folder: Path) -> None:
    entry = entry_at(mirror.url)
    assert weights.find(entry) is None
    reports = list(weights.fetch(entry, chunk_bytes=4096))
    total = len(CONTENT)
    assert reports == [(0, total), (4096, total), (8192, total), (total, total)]
    path = weights.find(entry)
    assert path == folder / FILE_NAME
    assert path.read_bytes() == CONTENT
    assert list(folder.iterdir()) == [path]


def test_a_file_that_is_there_is_used_as_it_is(mirror: Mirror, folder: Path) -> None:
    folder.mkdir(parents=True)
    (folder / FILE_NAME).write_bytes(b"converted elsewhere")
    assert list(weights.fetch(entry_at(mirror.url))) == [(19, 19)]
    assert mirror.asked == []
    assert (folder / FILE_NAME).read_bytes() == b"converted elsewhere"


def test_the_mirror_variable_replaces_the_official_address(
    mirror: Mirror, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(weights.MIRROR_VARIABLE, f"{mirror.url}/")
    list(weights.fetch(entry_at("http://127.0.0.1:9/nobody")))
    assert mirror.asked == [f"/models/{FILE_NAME}"]
    assert (folder / FILE_NAME).read_bytes() == CONTENT


def test_a_mirror_that_is_no_web_address_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(weights.MIRROR_VARIABLE, "file:///etc")
    assert "TUNEMYPETS_WEIGHTS_URL is 'file:///etc': set it to" in refused(entry_at("http://127.0.0.1:9"), folder)


@pytest.mark.parametrize("tells_length", [True, False])
def test_a_file_with_the_wrong_hash_is_refused(mirror: Mirror, folder: Path, tells_length: bool) -> None:
    mirror.files[f"/models/{FILE_NAME}"] = CONTENT[:-1] + b"!"
    mirror.tells_length = tells_length
    sentence = refused(entry_at(mirror.url), folder)
    assert f"The file {FILE_NAME} from " in sentence
    assert "is not the official one" in sentence
    assert "python -m core prefetch resnet18" in sentence


def test_an_endless_answer_is_ended_early(mirror: Mirror, folder: Path) -> None:
    mirror.files[f"/models/{FILE_NAME}"] = bytes(10 * SURPLUS_BYTES)
    mirror.tells_length = False
    reports: list[tuple[int, int]] = []
    with pytest.raises(WeightsError, match="is not the official one"):
        reports.extend(weights.fetch(entry_at(mirror.url), chunk_bytes=4096))
    assert list(folder.iterdir()) == []


def test_a_connection_that_breaks_off_leaves_nothing(mirror: Mirror, folder: Path) -> None:
    mirror.cut_after_bytes = 5000
    sentence = refused(entry_at(mirror.url), folder)
    assert f"broke off after 5000 of {len(CONTENT)} bytes" in sentence


def test_a_missing_file_on_the_server_is_reported_with_all_ways_out(mirror: Mirror, folder: Path) -> None:
    mirror.files.clear()
    sentence = refused(entry_at(mirror.url), folder)
    assert FILE_NAME in sentence
    assert "answered 404" in sentence
    assert "put it into hub/checkpoints in the folder TORCH_HOME" in sentence
    assert str(folder) not in sentence
    assert "python -m core prefetch resnet18" in sentence


def test_without_a_network_the_sentence_names_file_folder_and_command(folder: Path) -> None:
    with socket.socket() as taken:  # bound and not listening: connections are refused
        taken.bind(("127.0.0.1", 0))
        sentence = refused(entry_at(f"http://127.0.0.1:{taken.getsockname()[1]}"), folder)
    assert FILE_NAME in sentence
    assert "refused the connection" in sentence
    assert str(folder) not in sentence
    assert "python -m core prefetch resnet18" in sentence


def test_a_silent_server_is_given_up(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.weights.files.TIMEOUT_SECONDS", 0.2)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        sentence = refused(entry_at(f"http://127.0.0.1:{silent.getsockname()[1]}"), folder)
    assert "did not answer for" in sentence


def test_a_password_in_the_mirror_is_not_shown(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        monkeypatch.setenv(weights.MIRROR_VARIABLE, f"http://me:secret@127.0.0.1:{port}/models")
        assert "secret" not in refused(entry_at("http://127.0.0.1:9"), folder)


def test_a_folder_that_cannot_be_written_is_named(
    mirror: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocked = tmp_path / "a file"
    blocked.write_text("in the way")
    monkeypatch.setenv("TORCH_HOME", str(blocked))
    with pytest.raises(WeightsError, match=r"cannot be written into .*set TORCH_HOME to a folder that you may write"):
        list(weights.fetch(entry_at(mirror.url)))


def test_a_cancelled_download_leaves_nothing(mirror: Mirror, folder: Path) -> None:
    download = weights.fetch(entry_at(mirror.url), chunk_bytes=1024)
    next(download)
    assert next(download) == (1024, len(CONTENT))
    assert len(list(folder.iterdir())) == 1
    download.close()
    assert list(folder.iterdir()) == []


def test_two_downloads_at_the_same_time_do_not_disturb_each_other(mirror: Mirror, folder: Path) -> None:
    first = weights.fetch(entry_at(mirror.url), chunk_bytes=1024)
    second = weights.fetch(entry_at(mirror.url), chunk_bytes=1024)
    third = weights.fetch(entry_at(mirror.url), chunk_bytes=1024)
    for download in (first, second, third):
        next(download)
        next(download)
    third.close()
    list(first)
    assert (folder / FILE_NAME).read_bytes() == CONTENT
    list(second)
    assert (folder / FILE_NAME).read_bytes() == CONTENT
    assert [path.name for path in folder.iterdir()] == [FILE_NAME]


def test_a_network_without_weights_has_nothing_to_find_or_fetch(folder: Path) -> None:
    assert weights.find(CATALOG["scratch_cnn"]) is None
    assert "has no pretrained weights" in refused(CATALOG["scratch_cnn"], folder)


@pytest.mark.parametrize("variables", [{"TORCH_HOME": "~/a"}, {"XDG_CACHE_HOME": "b"}, {}])
def test_the_folder_is_the_one_torch_uses(variables: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TORCH_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(torch.hub, "_hub_dir", None)
    assert weights.checkpoint_dir() == Path(torch.hub.get_dir()) / "checkpoints"
