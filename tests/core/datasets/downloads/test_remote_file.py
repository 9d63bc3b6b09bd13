"""Downloads from a real server: good ones, and what goes wrong in a room with bad Wi-Fi."""

import errno
import hashlib
from pathlib import Path

import pytest

from core.datasets.downloads import remote_file
from core.datasets.downloads.remote_file import PART, RemoteFile, fetch
from core.errors import DatasetError
from tests.support.web_server import WebServer

CONTENT = bytes(range(256)) * 800
MD5 = f"md5:{hashlib.md5(CONTENT).hexdigest()}"
NAME = "pets.zip"


@pytest.fixture
def file(web: WebServer) -> RemoteFile:
    web.files[f"/{NAME}"] = CONTENT
    return RemoteFile(f"{web.url}/{NAME}", NAME, len(CONTENT), MD5)


def refused(file: RemoteFile, folder: Path) -> str:
    with pytest.raises(DatasetError) as caught:
        list(fetch(file, folder))
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert sentence.endswith(".")
    assert not (folder / NAME).exists()
    return sentence


def test_a_download_reports_its_bytes_and_ends_in_the_file(file: RemoteFile, tmp_path: Path) -> None:
    reports = list(fetch(file, tmp_path / "new"))
    assert (tmp_path / "new" / NAME).read_bytes() == CONTENT
    assert reports == sorted(reports)
    assert reports[-1] == len(CONTENT)
    assert [path.name for path in (tmp_path / "new").iterdir()] == [NAME]


def test_a_file_that_is_there_is_not_asked_for_again(file: RemoteFile, web: WebServer, tmp_path: Path) -> None:
    list(fetch(file, tmp_path))
    web.asked.clear()
    assert list(fetch(file, tmp_path)) == [len(CONTENT)]
    assert web.asked == []


def test_a_connection_that_breaks_is_continued_at_once(file: RemoteFile, web: WebServer, tmp_path: Path) -> None:
    web.cut_after = 60_000
    list(fetch(file, tmp_path))
    assert (tmp_path / NAME).read_bytes() == CONTENT
    assert [asked for _, asked in web.asked] == ["", "bytes=60000-", "bytes=120000-", "bytes=180000-"]


def test_a_download_that_was_given_up_resumes_where_it_broke_off(
    file: RemoteFile, web: WebServer, tmp_path: Path
) -> None:
    steps = fetch(file, tmp_path)
    while next(steps) < 50_000:
        pass
    steps.close()
    there = (tmp_path / f"{NAME}{PART}").stat().st_size
    assert there >= 50_000
    web.asked.clear()
    list(fetch(file, tmp_path))
    assert web.asked == ([(f"/{NAME}", f"bytes={there}-")])
    assert (tmp_path / NAME).read_bytes() == CONTENT


@pytest.mark.parametrize("there", [len(CONTENT), len(CONTENT) + 10])
def test_bytes_that_are_all_there_or_too_many_are_no_dead_end(
    file: RemoteFile, web: WebServer, tmp_path: Path, there: int
) -> None:
    (tmp_path / f"{NAME}{PART}").write_bytes((CONTENT + b"surplus---")[:there])
    list(fetch(file, tmp_path))
    assert (tmp_path / NAME).read_bytes() == CONTENT


def test_a_server_that_cannot_continue_starts_again(file: RemoteFile, web: WebServer, tmp_path: Path) -> None:
    (tmp_path / f"{NAME}{PART}").write_bytes(CONTENT[:1000])
    web.ranges = False
    web.tells_length = False
    list(fetch(file, tmp_path))
    assert (tmp_path / NAME).read_bytes() == CONTENT


def test_a_server_that_never_ends_a_file_is_given_up_and_what_came_stays(
    file: RemoteFile, web: WebServer, tmp_path: Path
) -> None:
    web.cut_after = 0
    (tmp_path / f"{NAME}{PART}").write_bytes(CONTENT[:1000])
    sentence = refused(file, tmp_path)
    assert "broke off after 1 kB of 205 kB" in sentence
    assert "it resumes where it broke off" in sentence
    assert len(web.asked) == remote_file.TRIES
    assert (tmp_path / f"{NAME}{PART}").stat().st_size == 1000


@pytest.mark.parametrize("body", [CONTENT[:-1] + b"!", b"<html>Please sign in to the Wi-Fi</html>", bytes(10**6)])
def test_another_file_is_refused_and_removed(file: RemoteFile, web: WebServer, tmp_path: Path, body: bytes) -> None:
    web.files[f"/{NAME}"] = body
    sentence = refused(file, tmp_path)
    assert sentence.startswith(f"{NAME} from 127.0.0.1:")
    assert "is not the file that was published" in sentence
    assert list(tmp_path.iterdir()) == []
    web.files[f"/{NAME}"] = CONTENT
    list(fetch(file, tmp_path))


def test_a_missing_file_is_refused_at_once(file: RemoteFile, web: WebServer, tmp_path: Path) -> None:
    web.files.clear()
    assert f"refused {NAME} (answered 404)" in refused(file, tmp_path)
    assert len(web.asked) == 1


def test_a_server_that_is_overloaded_is_asked_again(file: RemoteFile, web: WebServer, tmp_path: Path) -> None:
    web.refusals[f"/{NAME}"] = (503, {})
    assert "(127.0.0.1:" in (sentence := refused(file, tmp_path))
    assert "answered 503" in sentence
    assert len(web.asked) == remote_file.TRIES


def test_without_a_network_the_sentence_names_the_server(tmp_path: Path, web: WebServer) -> None:
    sentence = refused(RemoteFile("http://127.0.0.1:9/pets.zip", NAME, 10, MD5), tmp_path)
    assert "(127.0.0.1:9: refused the connection)" in sentence
    assert "secret" not in RemoteFile("http://user:secret@127.0.0.1:9/pets.zip", NAME, 10, MD5).host


def test_a_full_disk_gets_its_sentence_and_is_not_kept_full(
    file: RemoteFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill(*_: object) -> bytes:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(remote_file, "_digest", fill)
    assert refused(file, tmp_path).startswith(f"The disk is full, so {NAME} was not downloaded")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["sha256", "git"])
def test_the_hashes_of_the_hub_are_checked(file: RemoteFile, web: WebServer, tmp_path: Path, kind: str) -> None:
    blob = hashlib.sha1(b"blob %d\0" % len(CONTENT) + CONTENT).hexdigest()
    right = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}" if kind == "sha256" else f"git:{blob}"
    list(fetch(RemoteFile(file.url, NAME, file.bytes, right), tmp_path))
    (tmp_path / NAME).unlink()
    assert "is not the file that was published" in refused(RemoteFile(file.url, NAME, file.bytes, right[:-1]), tmp_path)


def test_a_secret_header_stays_with_the_server_that_it_is_for(file: RemoteFile, web: WebServer, tmp_path: Path) -> None:
    web.refusals["/moved"] = (302, {"Location": f"{web.url}/{NAME}"})
    given = RemoteFile(f"{web.url}/moved", NAME, file.bytes, MD5, {"Authorization": "Bearer secret"})
    list(fetch(given, tmp_path))
    assert web.headers["/moved"]["Authorization"] == "Bearer secret"
    assert "Authorization" not in web.headers[f"/{NAME}"]
