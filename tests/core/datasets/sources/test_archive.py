"""Zip archives as people really have them: names of other countries, zips in zips, parts, whole computers' paths."""

import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest

from core.datasets.dataset_store import DatasetStore
from core.datasets.importing import import_dataset
from core.datasets.sources.archive import InnerZips, ZipSource
from core.datasets.sources.opening import open_source
from core.datasets.splits import SplitPlan
from core.errors import DatasetError, ImageError
from core.settings import Settings
from core.steps import run_step
from tests.support.images import class_files

MANY = 10**7
Files = list[tuple[str, bytes]]
OPENED: list[ZipSource] = []


@pytest.fixture(autouse=True)
def closed_afterwards() -> Iterator[None]:
    yield
    while OPENED:
        OPENED.pop().close()


def zipped(files: Files, how: int = zipfile.ZIP_DEFLATED, extra: dict[str, bytes] | None = None) -> bytes:
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", how) as archive:
        for name, data in files:
            info = zipfile.ZipInfo("x")
            info.filename, info.compress_type = name, how  # as it is written
            info.extra = (extra or {}).get(name, b"")
            archive.writestr(info, data)
    return buffer.getvalue()


def zipped_in(page: str, files: Files, path_field: bool = False) -> bytes:
    """An archive whose names are in a code page, without the UTF-8 flag."""
    raws = {f"{number:->{len(name.encode(page))}}": name for number, (name, _) in enumerate(files)}
    extra = {}
    for placeholder, name in raws.items():
        body = b"\1" + zlib.crc32(name.encode(page)).to_bytes(4, "little") + name.encode()
        extra[placeholder] = b"up" + len(body).to_bytes(2, "little") + body if path_field else b""
    written = zipped([(placeholder, files[n][1]) for n, placeholder in enumerate(raws)], extra=extra)
    for placeholder, name in raws.items():
        written = written.replace(placeholder.encode(), name.encode(page))
    return written


def patched(data: bytes, record: bytes, at: int, value: bytes) -> bytes:
    """Bytes written into every record of a kind."""
    found = bytearray(data)
    place = -1
    while (place := found.find(record, place + 1)) >= 0:
        found[place + at : place + at + len(value)] = value
    return bytes(found)


def opened(data: bytes, **options: object) -> ZipSource:
    OPENED.append(ZipSource(BytesIO(data), "pets.zip", inner=InnerZips(10**8), **options))  # type: ignore[arg-type]
    return OPENED[-1]


def names_of(source: ZipSource) -> list[str]:
    return [entry.name for entry in source.entries()]


def few(first: str, second: str) -> Files:
    return [(f"{label}/{number}.jpg", os.urandom(50)) for label in (first, second) for number in range(3)]


@pytest.mark.parametrize(
    ("page", "files", "title"),
    [
        ("cp932", few("猫", "犬"), "Shift-JIS (Japanese)"),
        ("cp932", few("ソース", "表"), "Shift-JIS (Japanese)"),  # their second bytes are a backslash's
        ("gbk", few("猫", "狗"), "GBK (simplified Chinese)"),
        ("cp866", few("Кошка", "Собака"), "code page 866 (Cyrillic)"),
        ("cp1252", few("Kätzchen", "Hündchen"), "Windows-1252 (Western Europe)"),
    ],
)
def test_names_in_a_code_page_are_guessed_and_noted(page: str, files: Files, title: str) -> None:
    source = opened(zipped_in(page, files))
    assert [(entry.name, source.read(entry, MANY)) for entry in source.entries()] == files
    (note,) = source.notes
    assert note.startswith(f"The names in pets.zip are not in Unicode; they were read as {title}: import with ")
    assert " --names " in note
    assert source.code_page == page


def test_a_code_page_can_be_chosen_and_one_that_does_not_fit_is_refused() -> None:
    data = zipped_in("cp866", few("Кошка", "Собака"))
    chosen = opened(data, encoding="cp1251")
    assert names_of(chosen)[0] == "Кошка/0.jpg".encode("cp866").decode("cp1251")
    assert chosen.notes == [
        "The names in pets.zip are not in Unicode; they were read as Windows-1251 (Cyrillic), as chosen."
    ]
    with pytest.raises(DatasetError, match="are not in UTF-8: choose another code page"):
        opened(data, encoding="utf-8")
    marked = opened(zipped(few("Кошка", "Собака")), encoding="cp437")  # with the flag of Unicode
    assert names_of(marked)[0] == "Кошка/0.jpg"
    assert marked.notes == []


def test_unmarked_utf_8_and_the_unicode_field_are_facts_and_not_guesses() -> None:
    for data in (zipped_in("utf-8", few("猫", "犬")), zipped_in("cp932", few("猫", "犬"), path_field=True)):
        source = opened(data)
        assert names_of(source)[::3] == ["猫/0.jpg", "犬/0.jpg"]
        assert source.notes == []
        assert len(source.read(source.entries()[0], MANY)) == 50


def test_names_of_two_computers_in_one_archive_are_each_read_in_their_own_way() -> None:
    data = zipped_in("latin-1", [
        *((name.encode("cp866").decode("latin-1"), data) for name, data in few("кошка", "лошадь")),
        *((name.encode().decode("latin-1"), data) for name, data in few("Собака", "猫咪")),
    ])  # fmt: skip
    source = opened(data)
    assert names_of(source)[::3] == ["кошка/0.jpg", "лошадь/0.jpg", "Собака/0.jpg", "猫咪/0.jpg"]
    assert source.code_page == "cp866"


@pytest.mark.parametrize(
    ("names", "what"),
    [
        (("[Content_Types].xml", "word/document.xml", "word/media/image1.jpeg"), "an Office document"),
        (("mimetype", "META-INF/container.xml", "OEBPS/images/1.jpg"), "an electronic book"),
        (("AndroidManifest.xml", "classes.dex", "res/drawable/a.png", "res/mipmap/b.png"), "an Android app"),
    ],
)
def test_documents_and_programs_that_are_zips_inside_are_called_so(names: tuple[str, ...], what: str) -> None:
    with pytest.raises(DatasetError, match=f"pets.zip is {what}.*, not an archive of pictures"):
        opened(zipped([(name, b"x") for name in names]))


@pytest.mark.parametrize("behind", [b"", b"\0" * 200_000])
def test_names_marked_as_utf_8_that_are_not_are_guessed_like_others(behind: bytes) -> None:
    files = few("Кошка", "Собака")
    data = patched(zipped_in("cp866", files), b"PK\x01\x02", 8, b"\0\x08")
    source = opened(patched(data, b"PK\x03\x04", 6, b"\0\x08") + behind)
    assert names_of(source)[::3] == ["Кошка/0.jpg", "Собака/0.jpg"]
    assert source.code_page == "cp866"
    assert [source.read(entry, MANY) for entry in source.entries()] == [data for _, data in files]


def test_backslashes_of_old_windows_programs_part_folders() -> None:
    source = opened(zipped([("pets\\", b""), ("pets\\cat\\", b""), ("pets\\cat\\1.jpg", b"x"), ("pets\\owl\\", b"")]))
    assert names_of(source) == ["pets/cat/1.jpg"]
    assert source.empty_folders == ["pets/owl"]


@pytest.mark.parametrize("start", ["/", "//", "C:/", "C:\\", "../", "../../", "/../"])
def test_paths_of_another_computer_lose_their_start(start: str) -> None:
    source = opened(zipped([(start + name, data) for name, data in few("home/cat", "home/dog")]))
    assert names_of(source)[::3] == ["home/cat/0.jpg", "home/dog/0.jpg"]
    assert source.notes == [f"Every name in pets.zip begins with {start.replace(chr(92), '/')}, which was left out."]
    assert len(source.read(source.entries()[0], MANY)) == 50


def test_detours_in_names_are_resolved_and_names_that_climb_out_are_refused() -> None:
    source = opened(zipped([("pets/../pets/cat/1.jpg", b"x"), ("pets/../../evil.jpg", b"y"), ("dog/..", b"z")]))
    assert names_of(source) == ["pets/cat/1.jpg", "pets/../../evil.jpg", "dog/.."]
    assert source.read(source.entries()[0], MANY) == b"x"
    for entry in source.entries()[1:]:
        with pytest.raises(ImageError, match="climbs out"):
            source.read(entry, MANY)


def test_dots_in_names_make_no_folder() -> None:
    source = opened(zipped([("./", b""), ("./cat/", b""), ("./cat/1.jpg", b"x"), ("./dog/", b"")]))
    assert source.empty_folders == ["dog"]
    assert source.notes == []


@pytest.mark.parametrize(
    ("method", "name"), [(9, "Deflate64"), (93, "Zstandard"), (95, "xz"), (98, "PPMd"), (50, "method 50")]
)
def test_a_method_that_is_not_read_is_named_once_for_all_files(method: int, name: str) -> None:
    code = method.to_bytes(2, "little")
    data = zipped(few("cat", "dog"))
    with pytest.raises(DatasetError, match=rf"pets\.zip is packed with {name}, .*ordinary Deflate"):
        opened(patched(patched(data, b"PK\x03\x04", 8, code), b"PK\x01\x02", 10, code))
    last = data.rfind(b"PK\x01\x02")
    source = opened(data[:last] + patched(data[last:], b"PK\x01\x02", 10, code))
    assert "1 of 6 files in pets.zip are packed in a way that cannot be read here" in source.notes[0]
    with pytest.raises(ImageError, match=rf"dog/2\.jpg is packed with {name}"):
        source.read(source.entries()[-1], MANY)
    assert len(source.read(source.entries()[0], MANY)) == 50


def test_an_archive_locked_as_a_whole_asks_for_one_without_a_password() -> None:
    with pytest.raises(DatasetError, match=r"pets\.zip is encrypted: pack it again without a password\."):
        opened(patched(zipped(few("cat", "dog")), b"PK\x01\x02", 8, b"\1"))


@pytest.mark.parametrize("how", [zipfile.ZIP_STORED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_methods_that_python_reads_are_read(how: int) -> None:
    files = few("cat", "dog")
    source = opened(zipped(files, how))
    assert [(entry.name, source.read(entry, MANY)) for entry in source.entries()] == files


@pytest.mark.parametrize(
    "change",
    [
        lambda data: b"MZ" + bytes(4000) + data,
        lambda data: data + bytes(300),
        lambda data: data + bytes(100_000),
        lambda data: patched(data, b"PK\x05\x06", 8, b"\3\0\3\0"),
    ],
    ids=["a program before it", "zeros behind it", "many zeros behind it", "a count that wrapped"],
)
def test_what_stands_around_an_archive_does_not_matter(change) -> None:  # type: ignore[no-untyped-def]
    files = few("cat", "dog")
    source = opened(change(zipped(files)))
    assert [(entry.name, source.read(entry, MANY)) for entry in source.entries()] == files


def test_many_zeros_behind_an_archive_leave_no_file_open(tmp_path: Path) -> None:
    (tmp_path / "pets.zip").write_bytes(zipped(few("cat", "dog")) + bytes(100_000))
    source = ZipSource(tmp_path / "pets.zip")
    assert len(source.read(source.entries()[-1], MANY)) == 50
    source.close()


def test_a_cut_off_archive_of_zips_is_not_taken_for_the_last_whole_one_in_it() -> None:
    data = zipped([("train.zip", zipped(few("a", "b"))), ("test.zip", bytes(200_000))], zipfile.ZIP_STORED)
    for length in (1_500, 150_000):
        assert b"PK\x05\x06" in data[:length]
        with pytest.raises(DatasetError, match="its end is missing"):
            opened(data[:length])


@pytest.mark.skipif(shutil.which("zip") is None, reason="The program zip splits the archive.")
def test_each_part_of_a_split_archive_says_that_it_is_one(tmp_path: Path) -> None:
    (tmp_path / "cat").mkdir()
    for number in range(4):
        (tmp_path / "cat" / f"{number}.jpg").write_bytes(os.urandom(60_000))
    subprocess.run(["zip", "-q", "-r", "-s", "64k", "pets.zip", "cat"], cwd=tmp_path, check=True)
    parts = sorted(tmp_path.glob("pets.z*"))
    assert len(parts) > 3
    for part in parts:
        with pytest.raises(DatasetError, match=rf"{part.name} is only one part of a split archive.*put all its parts"):
            open_source(part)
        part.rename(tmp_path / "alone.zip")
        with pytest.raises(DatasetError, match=r"part of a split archive|part of several|cut off or damaged"):
            open_source(tmp_path / "alone.zip")


def test_an_archive_without_its_beginning_is_not_called_hostile() -> None:
    data = zipped(few("cat", "dog"))
    with pytest.raises(DatasetError, match=r"lacks its beginning: .*the last part of a split archive"):
        opened(data[len(data) // 3 :])


@pytest.mark.skipif(sys.platform == "win32", reason="The file of 4 GB must be sparse.")
def test_offsets_that_wrapped_at_4_gb_are_mended(tmp_path: Path) -> None:
    """macOS packs more than 4 GB so; the file here is sparse."""
    small = zipped([("cat/1.jpg", b"first"), ("cat/2.jpg", b"hole"), ("dog/1.jpg", b"last")], zipfile.ZIP_STORED)
    third, index = (small.find(b"dog/1") - 30, small.find(b"PK\x01\x02"))
    size = 2**32 - 2
    records = bytearray(small[index:])
    at = records.find(b"cat/2") - 46
    records[at + 20 : at + 28] = size.to_bytes(4, "little") * 2
    at = records.find(b"dog/1") - 46
    moved = size - 4
    records[at + 42 : at + 46] = ((third + moved) % 2**32).to_bytes(4, "little")
    end = records.find(b"PK\x05\x06")
    records[end + 16 : end + 20] = ((index + moved) % 2**32).to_bytes(4, "little")
    path = tmp_path / "big.zip"
    with path.open("wb") as file:
        file.write(small[: third - 4])
        file.seek(third + moved)
        file.write(small[third:index] + records)
    source = ZipSource(path)
    first, _, last = source.entries()
    assert (source.read(first, MANY), source.read(last, MANY)) == (b"first", b"last")
    source.close()


def test_zips_of_splits_and_of_classes_are_opened_one_level_deep(tmp_path: Path) -> None:
    train, test = few("cat", "dog"), few("cat", "dog")
    kaggle = [
        ("train.zip", zipped(train)),
        ("test1.zip", zipped([(f"test1/{n}", d) for n, d in test])),
        ("s.csv", b"id"),
    ]
    path = tmp_path / "pets.zip"
    path.write_bytes(zipped(kaggle, zipfile.ZIP_STORED))
    source = open_source(path, scratch=tmp_path / "scratch")
    found = {entry.name: source.read(entry, MANY) for entry in source.entries() if entry.name != "s.csv"}
    assert found == {f"train/{n}": d for n, d in train} | {f"test1/{n}": d for n, d in test}
    assert source.notes == ["The zips in pets.zip were opened (train.zip, test1.zip)."]
    source.close()
    assert list((tmp_path / "scratch").iterdir()) == []
    classes = [
        ("pets/cat.zip", zipped([("1.jpg", b"c"), ("2.jpg", b"d")])),
        ("pets/dog.zip", zipped([("1.jpg", b"e")])),
    ]
    assert names_of(opened(zipped(classes))) == ["pets/cat/1.jpg", "pets/cat/2.jpg", "pets/dog/1.jpg"]


def test_a_zip_among_class_folders_stays_closed() -> None:
    source = opened(zipped([*few("cat", "dog"), ("cat/old.zip", zipped(few("a", "b")))]))
    assert names_of(source)[-1] == "cat/old.zip"
    assert len(names_of(source)) == 7


def test_names_in_inner_zips_have_code_pages_of_their_own() -> None:
    source = opened(
        zipped([("train.zip", zipped_in("cp932", few("猫", "犬"))), ("val.zip", zipped_in("cp932", few("猫", "犬")))])
    )
    assert names_of(source)[0] == "train/猫/0.jpg"
    assert len(source.notes) == 2
    assert "The names in the zips in pets.zip are not in Unicode" in source.notes[0]
    assert source.code_page == "cp932"


@pytest.mark.parametrize(
    ("inner", "words"),
    [
        (lambda: zipped([("train.zip", zipped(few("a", "b")))]), "holds zips in turn"),
        (lambda: b"Rar!\x1a\x07\x01\0" + bytes(50), r"train\.zip in pets\.zip is a RAR archive"),
        (lambda: patched(zipped(few("a", "b")), b"PK\x01\x02", 8, b"\1"), r"train\.zip in pets\.zip is encrypted"),
        (lambda: zipped(few("a", "b"))[:-40], r"train\.zip in pets\.zip is not a readable zip"),
    ],
)  # fmt: skip
def test_an_inner_zip_that_cannot_be_read_is_named_with_its_cause(inner, words: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(DatasetError, match=words):
        opened(zipped([("train.zip", inner()), ("test.zip", zipped(few("a", "b")))]))


def test_other_archives_in_a_zip_are_named() -> None:
    with pytest.raises(DatasetError, match=r"pets\.zip holds no pictures but another archive \(train\.tar\.gz\)"):
        opened(zipped([("train.tar.gz", b"\x1f\x8b..."), ("labels.csv", b"a,b")]))


def test_inner_zips_are_bounded_in_number_and_in_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small = zipped([("1.jpg", b"x")])
    with pytest.raises(DatasetError, match="holds 101 zips, and at most 100 are opened"):
        opened(zipped([(f"class{n}.zip", small) for n in range(101)]))
    two = zipped([("cat.zip", zipped(few("a", "b"))), ("dog.zip", zipped(few("a", "b")))])
    with pytest.raises(DatasetError, match="more than 8 files"):
        ZipSource(BytesIO(two), "pets.zip", 8, inner=InnerZips(10**8))
    large = zipped([("cat.zip", os.urandom(2**21))])
    with pytest.raises(DatasetError, match="at most 1 MB are taken"):
        ZipSource(BytesIO(large), "pets.zip", inner=InnerZips(2**20))
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(1, 1, 0))  # type: ignore[attr-defined]
    with pytest.raises(DatasetError, match="make room"):
        opened(two)


def test_a_bomb_in_an_inner_zip_and_an_inner_zip_that_is_one_are_refused(tmp_path: Path) -> None:
    bomb = zipped([("bomb.jpg", bytes(30_000_000)), ("fine.jpg", b"fine")])
    source = opened(zipped([("cat.zip", bomb), ("dog.zip", zipped([("1.jpg", b"x")]))], zipfile.ZIP_STORED))
    found = {entry.name: entry for entry in source.entries()}
    with pytest.raises(ImageError, match="far more than it says"):
        source.read(found["cat/bomb.jpg"], 10**8)
    assert source.read(found["cat/fine.jpg"], MANY) == b"fine"
    padded = zipped([("1.jpg", b"x")]) + bytes(60_000)
    blown = zipped([("cat.zip", bytes(40_000_000) + padded), ("dog.zip", padded)])
    with pytest.raises(DatasetError, match=r"cat\.zip unpacks to far more than it says"):
        opened(blown)
    liar = zipped([("cat.zip", padded), ("dog.zip", padded)])
    with pytest.raises(DatasetError, match=r"pack it again|far more"):
        opened(patched(liar, b"PK\x01\x02", 24, (10).to_bytes(4, "little")))
    overlapping = zipped([("1.jpg", b"x" * 900), ("2.jpg", b"y" * 900)], zipfile.ZIP_STORED)
    with pytest.raises(DatasetError, match=r"cat\.zip in pets\.zip has entries that overlap"):
        opened(zipped([("cat.zip", patched(overlapping, b"PK\x01\x02", 42, bytes(4)))]))


def test_nothing_stays_open_or_on_the_disk_when_an_inner_zip_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = []
    real = tempfile.TemporaryFile
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda **options: files.append(real(**options)) or files[-1])
    data = zipped([("cat.zip", zipped(few("a", "b"))), ("dog.zip", b"no zip at all")])
    with pytest.raises(DatasetError, match=r"dog\.zip in pets\.zip"):
        ZipSource(BytesIO(data), "pets.zip", inner=InnerZips(10**8, tmp_path))
    assert [file.closed for file in files] == [True, True]
    assert list(tmp_path.iterdir()) == []


def test_the_notes_of_an_archive_reach_the_report_and_the_name_its_title(settings: Settings, tmp_path: Path) -> None:
    path = tmp_path / "猫と犬.zip"
    path.write_bytes(
        zipped_in(
            "cp932",
            [(name.replace("a/", "猫/").replace("b/", "犬/"), data) for name, data in class_files({"a": 6, "b": 6})],
        )
    )
    ids = []
    for name in ("猫と犬", "犬と猫"):
        source = open_source(path)
        steps = import_dataset(settings, source, name=name, plan=SplitPlan.parse("60/20/20"), seed=0)
        ids.append(run_step(steps, lambda _: None))
        source.close()
    dataset = DatasetStore(settings).get(ids[0])
    assert dataset.classes == ("犬", "猫")
    assert dataset.title == "猫と犬"
    assert "read as Shift-JIS (Japanese)" in dataset.report().notes[0]
    assert len(set(ids)) == 2
