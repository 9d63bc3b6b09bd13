"""Sources: every entry is bytes or a sentence, and no name is ever a path."""

import os
import tarfile
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from core.datasets.sources.archive import ZipSource
from core.datasets.sources.folder import FolderSource
from core.datasets.sources.opening import open_source
from core.datasets.sources.source import MemorySource, SourceEntry, is_junk
from core.errors import DatasetError, ImageError

MANY = 10**7


def packed(path: Path, files: list[tuple[str, bytes]], how: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", how) as archive:
        for name, data in files:
            archive.writestr(zipfile.ZipInfo(name), data, compress_type=how)
    return path


def refused(source: ZipSource, entry: SourceEntry, max_bytes: int = MANY) -> str:
    with pytest.raises(ImageError) as caught:
        source.read(entry, max_bytes)
    return str(caught.value)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("../evil.png", "climbs out"),
        ("a/../../evil.png", "climbs out"),
        ("/etc/evil.png", "absolute"),
        ("C:/evil.png", "absolute"),
        ("C:\\evil.png", "absolute"),
        ("..\\evil.png", "climbs out"),
        ("a/" * 600 + "evil.png", "unusable name"),
    ],
)
def test_a_hostile_name_is_refused_when_it_is_read(tmp_path: Path, name: str, words: str) -> None:
    source = ZipSource(packed(tmp_path / "x.zip", [(name, b"data"), ("a/fine.png", b"fine")]))
    hostile, fine = source.entries()
    assert words in refused(source, hostile)
    assert source.read(fine, MANY) == b"fine"
    source.close()


def test_an_encrypted_entry_says_to_pack_without_a_password(tmp_path: Path) -> None:
    path = packed(tmp_path / "x.zip", [("a/0.png", b"fine"), ("a/1.png", b"data")])
    data = bytearray(path.read_bytes())
    data[data.rfind(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    source = ZipSource(path)
    fine, locked = source.entries()
    assert "without a password" in refused(source, locked)
    assert source.read(fine, MANY) == b"fine"
    assert source.notes == ["1 of 2 files in x.zip are encrypted, and were left out: pack it again without a password."]


def test_a_symbolic_link_in_a_zip_is_refused(tmp_path: Path) -> None:
    info = zipfile.ZipInfo("a/link.png")
    info.create_system, info.external_attr = 3, 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr(info, "/etc/passwd")
    source = ZipSource(tmp_path / "x.zip")
    assert "is a link" in refused(source, source.entries()[0])


def test_the_second_file_of_a_name_is_refused_and_the_first_is_read(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="Duplicate name"):
        path = packed(tmp_path / "x.zip", [("a/1.png", b"first"), ("a/1.png", b"second")])
    source = ZipSource(path)
    first, second = source.entries()
    assert source.read(first, MANY) == b"first"
    assert "twice" in refused(source, second)


@pytest.mark.parametrize("claimed", [10, 2**31 - 1])
def test_an_entry_that_lies_about_its_size_is_refused(tmp_path: Path, claimed: int) -> None:
    path = packed(tmp_path / "x.zip", [("a/1.png", os.urandom(5000))])
    data = bytearray(path.read_bytes())
    index = data.rfind(b"PK\x01\x02")
    data[index + 24 : index + 28] = claimed.to_bytes(4, "little")
    path.write_bytes(data)
    source = ZipSource(path)
    sentence = refused(source, source.entries()[0])
    assert "a/1.png" in sentence
    assert sentence.endswith(".")


def test_damaged_bytes_inside_a_zip_are_noticed(tmp_path: Path) -> None:
    path = packed(tmp_path / "x.zip", [("a/1.png", b"x" * 500)], zipfile.ZIP_STORED)
    data = bytearray(path.read_bytes())
    data[100] ^= 255
    path.write_bytes(data)
    source = ZipSource(path)
    assert "damaged inside the archive" in refused(source, source.entries()[0])


def test_a_file_above_the_limit_is_refused_from_every_source(tmp_path: Path) -> None:
    big = os.urandom(3 * 2**20)
    (tmp_path / "folder" / "a").mkdir(parents=True)
    (tmp_path / "folder" / "a" / "1.png").write_bytes(big)
    for source in (
        FolderSource(tmp_path / "folder"),
        ZipSource(packed(tmp_path / "x.zip", [("a/1.png", big)])),
        MemorySource("m", [("a/1.png", big)]),
    ):
        with pytest.raises(ImageError, match=r"a/1\.png is larger than 2 MB"):
            source.read(source.entries()[0], 2 * 2**20)
        source.close()


def test_an_entry_that_reaches_into_the_index_is_refused(tmp_path: Path) -> None:
    path = packed(tmp_path / "x.zip", [("a/1.png", b"x" * 50)], zipfile.ZIP_STORED)
    data = bytearray(path.read_bytes())
    index = data.rfind(b"PK\x01\x02")
    data[index + 20 : index + 24] = (5000).to_bytes(4, "little")
    path.write_bytes(data)
    with pytest.raises(DatasetError, match="overlap"):
        ZipSource(path)


@pytest.mark.parametrize("name", ["x.tar", "x.rar", "x.7z"])
def test_other_archives_are_told_to_become_a_zip(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    with tarfile.open(path, "w") as archive:
        archive.addfile(tarfile.TarInfo("cat/1.png"))
    with pytest.raises(DatasetError, match=r"as a \.zip"):
        open_source(path)


def test_a_path_that_is_not_there_gets_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="is not there"):
        open_source(tmp_path / "none")


@pytest.mark.skipif(os.name != "posix", reason="Symbolic links need rights on Windows.")
def test_linked_folders_are_followed_and_files_come_sorted(tmp_path: Path) -> None:
    for name in ("outside/3.png", "in/b/2.png", "in/a/1.png", "in/a/.hidden"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "in" / "linked").symlink_to(tmp_path / "outside")
    source = FolderSource(tmp_path / "in")
    assert [entry.name for entry in source.entries()] == ["a/1.png", "b/2.png", "linked/3.png"]
    assert source.ignored == 1
    assert not source.notes


@pytest.mark.skipif(os.name != "posix", reason="Windows lets only administrators make links.")
def test_a_link_in_a_circle_and_a_link_to_nothing_are_noted_and_left_out(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "1.png").write_bytes(b"x")
    (tmp_path / "a" / "up").symlink_to(tmp_path)
    (tmp_path / "a" / "gone.png").symlink_to(tmp_path / "nowhere")
    source = FolderSource(tmp_path)
    assert [entry.name for entry in source.entries()] == ["a/1.png"]
    assert source.notes == [
        "The link a/gone.png leads to nothing and was left out.",
        "The link a/up leads to a folder that holds it and was not followed.",
    ]


def test_a_folder_that_cannot_be_read_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("fish/1.png", "cat/1.png"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(b"x")
    scan = os.scandir

    def refuse(place: Path) -> Iterator[os.DirEntry[str]]:  # the tests may run as one who may read everything
        if Path(place).name == "fish":
            raise PermissionError(13, "Permission denied")
        return scan(place)

    monkeypatch.setattr(os, "scandir", refuse)
    source = FolderSource(tmp_path)
    assert [entry.name for entry in source.entries()] == ["cat/1.png"]
    assert source.notes == [
        "The folder fish cannot be read (Permission denied) and was left out: check its permissions."
    ]


@pytest.mark.parametrize("name", ["locked", "locked.zip"])
def test_a_place_that_cannot_be_read_is_not_called_empty_or_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    place = tmp_path / name
    place.mkdir() if name == "locked" else packed(place, [("a/1.png", b"x")])

    def refuse(*_: object) -> None:  # the tests may run as one who may read everything
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "listdir", refuse)
    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(DatasetError, match=rf"^{name} cannot be read \(Permission denied\): check its permissions\.$"):
        open_source(place)


@pytest.mark.skipif(os.name != "posix", reason="Windows has no named pipes among files.")
def test_what_is_not_a_regular_file_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    os.mkfifo(tmp_path / "a" / "1.png")
    source = FolderSource(tmp_path)
    with pytest.raises(ImageError, match="not a regular file"):
        source.read(source.entries()[0], MANY)


@pytest.mark.parametrize(
    ("name", "junk"),
    [("a/._1.png", True), ("__MACOSX/a/1.png", True), ("a/Thumbs.db", True), ("a/1.png", False), ("a.b/c.png", False)],
)
def test_system_files_are_told_from_pictures(name: str, junk: bool) -> None:
    assert is_junk(name) == junk


def test_several_threads_read_one_archive(tmp_path: Path) -> None:
    files = [(f"a/{number}.png", os.urandom(200_000)) for number in range(40)]
    source = ZipSource(packed(tmp_path / "x.zip", files))
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda entry: source.read(entry, MANY), source.entries()))
    assert found == [data for _, data in files]
    source.close()


@pytest.mark.skipif(not Path("/proc/version").exists(), reason="This test reads a file whose size Linux tells as 0.")
def test_a_file_of_untold_size_is_read_whole_and_not_beyond_the_limit() -> None:
    source, entry = FolderSource(Path("/proc")), SourceEntry("version", 0)
    whole = Path("/proc/version").read_bytes()
    assert source.read(entry, len(whole)) == whole
    with pytest.raises(ImageError, match="larger than"):
        source.read(entry, len(whole) - 1)
