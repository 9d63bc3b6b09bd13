"""What is no zip archive gets its true cause and the remedy."""

import tarfile
from io import BytesIO
from pathlib import Path

import pytest

from core.datasets.sources.archive_faults import METHODS, READABLE_METHODS, method_sentence
from core.datasets.sources.opening import open_source
from core.errors import DatasetError
from core.settings import Settings
from tests.support.sentences import assert_plain


def packed_tar() -> bytes:
    buffer = BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("cat/1.png"))
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"Rar!\x1a\x07\x01\0" + bytes(500), "is a RAR archive, not a zip: unpack it"),
        (b"7z\xbc\xaf\x27\x1c\0\x04" + bytes(500), "is a 7-Zip archive"),
        (b"\x1f\x8b\x08\0" + bytes(500), r"is a gzip archive \(.tar.gz\)"),
        (b"\xfd7zXZ\0" + bytes(500), "is an xz archive"),
        (b"BZh91AY" + bytes(500), "is a bzip2 archive"),
        (packed_tar(), "is a tar archive"),
        (b"<!DOCTYPE html><html><title>Virus scan warning</title></html>", "is a web page, not an archive: open"),
        (b"\xef\xbb\xbf\r\n<!-- saved -->\n<HTML lang=en>", "is a web page"),
        (b"<!-- -->" * 500, "it is text"),
        (b'<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', "is an XML message from a server"),
        (b'{"message": "401 - Unauthorized"}', "is a JSON file"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n", "git lfs pull"),
        (b"\xff\xd8\xff\xe0" + bytes(500), "is a picture, not an archive"),
        (b"%PDF-1.7", "is a PDF"),
        (b"", r"not a readable zip archive \(it is empty\)"),
        (bytes(5000), r"not a readable zip archive \(it is filled with zeros\)"),
        (b"PK\x07\x08PK\x03\x04" + bytes(500), "one part of a split archive"),
        (b"PK\x03\x04" + bytes(500), r"its end is missing.*if it is the first part"),
        (b"Quota exceeded: try later", r"not a readable zip archive \(it is text\)"),
        (b"\x8a\x01" * 500, r"cut off or damaged"),
    ],
)
def test_a_file_called_zip_that_is_none_says_what_it_is(
    settings: Settings, tmp_path: Path, data: bytes, words: str
) -> None:
    path = tmp_path / "pets.zip"
    path.write_bytes(data)
    with pytest.raises(DatasetError, match=words) as caught:
        open_source(path)
    assert_plain(str(caught.value).replace("git lfs pull", "fetch"), "pets.zip", settings=settings)


@pytest.mark.parametrize("name", ["pets.z01", "pets.zip.002", "pets.003"])
def test_a_part_of_an_archive_is_recognised_by_its_name(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"\x8a\x01" * 300)
    with pytest.raises(DatasetError, match=rf"{name} is only one part of a split archive"):
        open_source(tmp_path / name)


@pytest.mark.parametrize("name", ["labels.csv", "train-00000-of-00001.parquet", "metadata.jsonl"])
def test_a_table_by_itself_is_no_archive(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"file_name,label\n")
    with pytest.raises(DatasetError, match=r"is a table, not an archive: import the folder that holds it"):
        open_source(tmp_path / name)


def test_every_method_that_is_not_read_has_a_name() -> None:
    assert not set(METHODS) & set(READABLE_METHODS)
    assert "packed with Deflate64" in method_sentence("x.zip", 9)
    assert "packed with method 77" in method_sentence("x.zip", 77)
