"""Archives that are hostile, damaged or odd: what is usable comes in, the rest gets a sentence, nothing gets out."""

import os
import time
import warnings
import zipfile
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from core.datasets.dataset_store import DatasetStore
from core.jobs.import_jobs import ImportJobs, ImportRequest
from core.settings import Settings
from tests.support.images import class_files, encoded, photo
from tests.support.peak_memory import run_for_peak, wants_peak_memory
from tests.support.processes import wait_for
from tests.support.sentences import assert_plain
from tests.support.uploads import TITLE, Files, imported, upload

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("clean_afterwards")]

GOOD = class_files({"cat": 6, "dog": 6})
EXTRA = encoded(photo(70), "PNG")


def pack(path: Path, files: Files, how: int = zipfile.ZIP_DEFLATED) -> Path:
    """An archive whose names are written as they are, also twice."""
    with warnings.catch_warnings(), zipfile.ZipFile(path, "w", how) as archive:
        warnings.simplefilter("ignore", UserWarning)  # a name that is there twice
        for name, data in files:
            archive.writestr(zipfile.ZipInfo(name), data, compress_type=how)
    return path


def archive_of(tmp_path: Path, *extra: tuple[str, bytes]) -> Path:
    return pack(tmp_path / "x.zip", [*GOOD[:4], *extra, *GOOD[4:]])


def patch_index(path: Path, name: str, offset: int, size: int, value: int) -> None:
    """Write a number into the index's record of an entry."""
    data = bytearray(path.read_bytes())
    place = data.rfind(name.encode())  # the last one is that of the index
    record = place - 46
    assert data[record : record + 4] == b"PK\x01\x02"
    data[record + offset : record + offset + size] = value.to_bytes(size, "little")
    path.write_bytes(data)


def tree(folder: Path) -> set[str]:
    """Every file below a folder but those of the data root."""
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if "workspace" not in path.relative_to(folder).parts
    }


def assert_only_rejected(settings: Settings, archive: Path, name: str, words: str, told: str | None = None) -> None:
    """All the good pictures come in, and the one bad entry is told with a sentence."""
    dataset = imported(settings, archive)
    assert sorted(row.name for row in dataset.rows) == sorted(file for file, _ in GOOD)
    ((file, reason),) = dataset.report().rejected
    assert file == name
    assert words in reason
    assert_plain(reason, name if told is None else told, settings=settings)
    assert dataset.summary.source == TITLE


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("cat/../../evil.png", "climbs out of the archive"),
        ("cat/../../../../../../../../../../../../var/evil.png", "climbs out of the archive"),
        ("/cat/evil.png", "absolute name"),
        ("C:/cat/evil.png", "absolute name"),
        ("//server/share/evil.png", "absolute name"),
    ],
)
def test_a_name_that_leads_out_of_an_archive_is_refused_and_nothing_is_written_there(
    settings: Settings, tmp_path: Path, name: str, words: str
) -> None:
    archive = archive_of(tmp_path, (name, EXTRA))
    before = tree(tmp_path)
    dataset = imported(settings, archive)
    reasons = dict(dataset.report().rejected)
    assert list(reasons) == [name]
    assert words in reasons[name] or "outside any class folder" in reasons[name]
    assert_plain(reasons[name], name, settings=settings)
    assert len(dataset.rows) == 12
    assert tree(tmp_path) == before
    assert not Path("/var/evil.png").exists()


@pytest.mark.parametrize("name", ["cat\\..\\..\\evil.png", "C:\\cat\\evil.png", "\\\\server\\share\\evil.png"])
def test_a_windows_name_leads_nowhere_either(settings: Settings, tmp_path: Path, name: str) -> None:
    dataset = imported(settings, archive_of(tmp_path, (name, EXTRA)))
    ((file, reason),) = dataset.report().rejected
    assert file == name.replace("\\", "/")
    assert_plain(reason, file, settings=settings)
    assert len(dataset.rows) == 12


@pytest.mark.parametrize("target", ["/etc/passwd", "../../../secret.png", "1.png"])
def test_a_link_is_refused_wherever_it_points(settings: Settings, tmp_path: Path, target: str) -> None:
    archive = archive_of(tmp_path)
    info = zipfile.ZipInfo("cat/link.png")
    info.create_system, info.external_attr = 3, 0o120777 << 16
    with zipfile.ZipFile(archive, "a") as file:
        file.writestr(info, target)
    assert_only_rejected(settings, archive, "cat/link.png", "is a link")


def test_an_encrypted_picture_asks_for_an_archive_without_a_password(settings: Settings, tmp_path: Path) -> None:
    archive = archive_of(tmp_path, ("cat/locked.png", EXTRA))
    patch_index(archive, "cat/locked.png", 8, 2, 1)
    assert_only_rejected(settings, archive, "cat/locked.png", "is encrypted: pack the archive without a password")


def test_an_archive_that_is_encrypted_as_a_whole_says_so_once(settings: Settings, tmp_path: Path) -> None:
    archive = archive_of(tmp_path)
    for name, _ in GOOD:
        patch_index(archive, name, 8, 2, 1)
    status = upload(settings, archive)
    assert status.state == "failed"
    assert "without a password" in status.text
    assert_plain(status.text, TITLE, settings=settings)
    assert GOOD[0][0] not in status.text


def test_an_archive_inside_an_archive_is_opened_only_where_no_class_folders_lie_beside_it(
    settings: Settings, tmp_path: Path
) -> None:
    inner = pack(tmp_path / "inner.zip", GOOD).read_bytes()
    archive = archive_of(tmp_path, ("cat/inner.zip", inner))
    assert_only_rejected(settings, archive, "cat/inner.zip", "is a zip archive, not a picture: unpack it")
    alone = pack(tmp_path / "alone.zip", [("pets/inner.zip", inner)])
    dataset = imported(settings, alone, "alone")
    assert (dataset.classes, len(dataset.rows)) == (("cat", "dog"), 12)
    assert f"The zips in {TITLE} were opened (inner.zip)." in dataset.report().notes
    twice = pack(tmp_path / "twice.zip", [("outer.zip", alone.read_bytes())])
    status = upload(settings, twice, "twice")
    assert (status.state, "holds zips in turn" in status.text) == ("failed", True)
    assert_plain(status.text, TITLE, settings=settings)


@wants_peak_memory
@pytest.mark.parametrize("pieces", [1, 4, 400])
def test_a_bomb_of_200_mb_is_refused_in_little_memory_and_time(settings: Settings, tmp_path: Path, pieces: int) -> None:
    zeros = bytes(200_000_000 // pieces)
    archive = pack(tmp_path / "bomb.zip", [*GOOD, *((f"cat/bomb{n}.png", zeros) for n in range(pieces))])
    assert archive.stat().st_size < 400_000
    code = (
        "import time; from core.jobs.import_job import run_job; from core.settings import Settings\n"
        "started = time.process_time(); run_job(Settings.from_environment(), Path(sys.argv[1]))\n"
        "print(time.process_time() - started)"
    )
    folder = settings.imports_dir / "job"
    folder.mkdir(parents=True)
    archive.rename(folder / "upload.zip")
    request = f'{{"path": "{folder}/upload.zip", "name": "pets", "plan": "60/20/20", "seed": 0, "title": "{TITLE}"}}'
    (folder / "request.json").write_text(request, encoding="utf-8")
    (seconds,), peak = run_for_peak(code, folder)
    assert ImportJobs(settings).status("job").state == "finished"
    assert float(seconds) < 10
    assert peak < 250 * 10**6
    dataset = DatasetStore(settings).get("pets")
    assert len(dataset.rows) == 12
    assert len(dataset.report().rejected) == pieces
    for name, reason in dataset.report().rejected:
        assert_plain(reason, name, settings=settings)


def test_500_entries_that_overlap_are_refused(settings: Settings, tmp_path: Path) -> None:
    files = [(f"{'cat' if n % 2 else 'dog'}/{n:03d}.png", os.urandom(30)) for n in range(500)]
    archive = pack(tmp_path / "x.zip", files)
    for name, _ in files:
        patch_index(archive, name, 42, 4, 0)  # all of them begin where the first one does
    status = upload(settings, archive)
    assert (status.state, "overlap" in status.text) == ("failed", True)
    assert_plain(status.text, TITLE, settings=settings)
    assert DatasetStore(settings).ids() == []


@pytest.mark.parametrize("claimed", [0, 10, 2**20, 2**31 - 1])
def test_a_size_that_is_a_lie_costs_only_its_entry(settings: Settings, tmp_path: Path, claimed: int) -> None:
    archive = archive_of(tmp_path, ("cat/liar.png", os.urandom(5000)))
    patch_index(archive, "cat/liar.png", 24, 4, claimed)
    dataset = imported(settings, archive)
    ((file, reason),) = dataset.report().rejected
    assert file == "cat/liar.png"
    assert_plain(reason, file, settings=settings)
    assert len(dataset.rows) == 12


@pytest.mark.parametrize("claimed", [5, 2**31 - 1])
def test_a_packed_size_that_is_a_lie_never_reaches_other_entries(
    settings: Settings, tmp_path: Path, claimed: int
) -> None:
    archive = archive_of(tmp_path, ("cat/liar.png", os.urandom(5000)))
    patch_index(archive, "cat/liar.png", 20, 4, claimed)
    status = upload(settings, archive)
    if status.state == "finished":
        assert [name for name, _ in DatasetStore(settings).get("pets").report().rejected] == ["cat/liar.png"]
    else:
        assert_plain(status.text, TITLE, settings=settings)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99, 0.999])
def test_an_archive_that_is_cut_off_is_refused_by_its_name(settings: Settings, tmp_path: Path, share: float) -> None:
    archive = archive_of(tmp_path)
    archive.write_bytes(archive.read_bytes()[: int(share * archive.stat().st_size)])
    status = upload(settings, archive)
    assert (status.state, "is not a readable zip archive" in status.text) == ("failed", True)
    assert_plain(status.text, TITLE, settings=settings)
    assert DatasetStore(settings).ids() == []


def test_garbage_anywhere_in_an_archive_ends_in_a_sentence(settings: Settings, tmp_path: Path) -> None:
    import random

    whole = archive_of(tmp_path).read_bytes()
    for seed in range(60):
        rng = random.Random(seed)
        damaged = bytearray(whole)
        for _ in range(rng.randint(1, 30)):
            damaged[-rng.randrange(1, rng.choice((100, 1500, len(damaged))))] = rng.randrange(256)
        (tmp_path / "y.zip").write_bytes(damaged)
        status = upload(settings, tmp_path / "y.zip", f"pets{seed}")
        assert status.state in ("finished", "failed")
        assert "unexpectedly" not in status.text, status.text
        if status.state == "failed":
            assert TITLE in status.text
        else:
            for _, reason in DatasetStore(settings).get(f"pets{seed}").report().rejected:
                assert reason.endswith(".")
                assert "\n" not in reason


def test_the_second_file_of_a_name_is_told_and_the_first_one_stays(settings: Settings, tmp_path: Path) -> None:
    archive = archive_of(tmp_path, (GOOD[0][0], EXTRA))
    assert_only_rejected(settings, archive, GOOD[0][0], "in the archive twice: the first one is used")


def test_names_that_differ_only_in_capitals_are_different_pictures(settings: Settings, tmp_path: Path) -> None:
    dataset = imported(settings, archive_of(tmp_path, ("cat/TWIN.png", EXTRA), ("cat/twin.PNG", encoded(photo(71)))))
    assert {"cat/TWIN.png", "cat/twin.PNG"} < {row.name for row in dataset.rows}
    assert dataset.report().rejected == []
    classes = pack(tmp_path / "y.zip", [(f"{label}/{name}", data) for label in ("Cat", "cat") for name, data in (
        (f"{label}{n}.png", encoded(photo(200 + n + 50 * (label == "cat")), "PNG")) for n in range(6))])  # fmt: skip
    both = imported(settings, classes, "both")
    assert sorted(both.classes) == ["Cat", "cat"]
    assert any("differ only in capital letters" in note for note in both.report().notes)


@pytest.mark.parametrize(
    "name",
    [
        "n" * 300 + ".png",
        "🐈‍⬛ Mieze 喵.png",
        "a\u202egnp.exe.png",
        "nul.png",
        "con",
        "a\nb.png",
        " .png ",
        "a\x00b.png",
    ],
)
def test_an_odd_name_stays_a_name(settings: Settings, tmp_path: Path, name: str) -> None:
    dataset = imported(settings, archive_of(tmp_path, (f"cat/{name}", EXTRA)))
    assert len(dataset.rows) >= 12
    assert len(dataset.rows) + len(dataset.report().rejected) == 13
    for path in dataset.folder.rglob("*"):
        assert path.relative_to(dataset.folder).as_posix().isascii()


@pytest.mark.parametrize("label", ["c" * 300, "🐈‍⬛", "喵喵", "con", "..."])
def test_an_odd_class_stays_a_class(settings: Settings, tmp_path: Path, label: str) -> None:
    files = [(name.replace("cat/", f"{label}/"), data) for name, data in GOOD]
    status = upload(settings, pack(tmp_path / "x.zip", files))
    if label == "...":  # a hidden folder, as systems make them
        assert_plain(status.text.replace("one.jpg", "").replace("two.jpg", ""), TITLE, settings=settings)
        return
    dataset = DatasetStore(settings).get("pets")
    assert len(dataset.classes) == 2
    assert all(0 < len(name) <= 100 for name in dataset.classes)
    assert len(dataset.rows) == 12


def test_what_a_mac_adds_is_passed_over(settings: Settings, tmp_path: Path) -> None:
    added = [(f"__MACOSX/cat/._{n}.png", b"Mac OS X") for n in range(6)] + [("cat/.DS_Store", b"x")]
    dataset = imported(settings, archive_of(tmp_path, *added))
    assert (dataset.report().ignored, dataset.report().rejected) == (7, [])
    assert len(dataset.rows) == 12


def test_one_class_is_not_enough(settings: Settings, tmp_path: Path) -> None:
    status = upload(settings, pack(tmp_path / "x.zip", GOOD[:6]))
    assert status.state == "failed"
    assert "only the class 'cat'" in status.text
    assert_plain(status.text.replace("one.jpg", "").replace("two.jpg", ""), TITLE, settings=settings)


def test_an_empty_class_is_told_and_left_out(settings: Settings, tmp_path: Path) -> None:
    dataset = imported(
        settings, archive_of(tmp_path, ("bird/", b""), ("fish/deep/", b""), ("fish/", b""), ("cat/", b""))
    )
    assert dataset.classes == ("cat", "dog")
    notes = [note for note in dataset.report().notes if "empty" in note]
    assert notes == [
        "The folder 'bird' is empty and makes no class.",
        "The folder 'fish/deep' is empty and makes no class.",
    ]


def test_a_class_without_a_readable_picture_is_told_and_left_out(settings: Settings, tmp_path: Path) -> None:
    dataset = imported(settings, archive_of(tmp_path, ("bird/1.png", b""), ("bird/2.png", b"text")))
    assert dataset.classes == ("cat", "dog")
    assert "The class 'bird' has no usable picture and was left out." in dataset.report().notes


def test_two_classes_of_which_one_is_empty_are_one(settings: Settings, tmp_path: Path) -> None:
    status = upload(settings, pack(tmp_path / "x.zip", [*GOOD[:6], ("dog/", b"")]))
    assert status.state == "failed"
    assert "only the class 'cat'" in status.text


def stored(name: bytes, data: bytes, offset: int) -> tuple[bytes, bytes]:
    """An entry as it lies in an archive, and its record in the index: quicker by far than `zipfile`."""
    import zlib

    fields = b"\x14\0\0\0\0\0\0\0\x21\0" + zlib.crc32(data).to_bytes(4, "little")
    fields += len(data).to_bytes(4, "little") * 2 + len(name).to_bytes(2, "little") + b"\0\0"
    record = b"PK\x01\x02\x14\0" + fields + bytes(10) + offset.to_bytes(4, "little") + name
    return b"PK\x03\x04" + fields + name + data, record


def large_archive(path: Path, files: Sequence[tuple[str, bytes]]) -> Path:
    body, index = BytesIO(), BytesIO()
    for name, data in files:
        local, record = stored(name.encode(), data, body.tell())
        body.write(local)
        index.write(record)
    count = min(len(files), 2**16 - 1).to_bytes(2, "little")
    end = b"PK\x05\x06\0\0\0\0" + count * 2
    end += len(index.getvalue()).to_bytes(4, "little") + body.tell().to_bytes(4, "little") + b"\0\0"
    path.write_bytes(body.getvalue() + index.getvalue() + end)
    return path


def test_100_000_entries_are_read_in_bounded_time_and_every_bad_one_is_listed(
    settings: Settings, tmp_path: Path, open_page: Callable[..., AppTest]
) -> None:
    files = [*GOOD, *((f"{'cat' if n % 2 else 'dog'}/{n}.png", b"") for n in range(100, 100_088))]
    archive = large_archive(tmp_path / "x.zip", files)
    started = time.process_time()
    dataset = imported(settings, archive)
    assert time.process_time() - started < 60
    assert len(dataset.rows) == 12
    assert len(dataset.report().rejected) == 99_988
    app = open_page("pages/explore.py", dataset="pets")
    app.segmented_control(key="explore-section").set_value("Check").run()
    assert not app.exception
    assert len(app.dataframe[0].value) == 1000
    assert "The first 1,000 of 99,988." in [caption.value for caption in app.caption]


@wants_peak_memory
def test_more_entries_than_are_taken_are_counted_and_not_kept(tmp_path: Path, home: Path) -> None:
    archive = large_archive(tmp_path / "many.zip", [(f"cat/{n}.png", b"") for n in range(450_000)])
    code = (
        "from core.datasets.sources.opening import *; from core.errors import *\n"
        "try: open_source(Path(sys.argv[1]), 'my pets.zip')\n"
        "except DatasetError as error: print(error)"
    )
    started = time.process_time()
    (sentence,), peak = run_for_peak(code, archive)
    assert time.process_time() - started < 20
    assert "has more than 400,000 files" in sentence
    assert_plain(sentence, TITLE, settings=Settings.from_environment())
    assert peak < 100 * 10**6


def test_a_page_tells_a_bad_archive_by_the_name_it_was_uploaded_under(
    settings: Settings, open_page: Callable[..., AppTest], ended_processes: None
) -> None:
    app = open_page("pages/explore.py")
    app.segmented_control(key="bring-way").set_value("Zip").run()
    app.file_uploader(key="bring-zip-0").set_value(
        [("../../my [pets](x).zip", b"PK\x03\x04 cut off", "application/zip")]
    )
    app.run()
    app.button(key="bring-go").click().run()
    job = str(app.query_params["import"])
    wait_for(lambda: ImportJobs(settings).status(job).state == "failed")
    app.run()
    assert not app.exception
    (error,) = app.error
    assert "my \\[pets\\]\\(x\\)\\.zip" in error.value
    assert_plain(ImportJobs(settings).status(job).text, "my [pets](x).zip", settings=settings)
    assert "Traceback" not in (settings.imports_dir / job / "importer.log").read_text(encoding="utf-8")


def test_a_good_archive_comes_in_while_a_bad_one_fails(
    settings: Settings, tmp_path: Path, ended_processes: None
) -> None:
    jobs = ImportJobs(settings)
    good, bad = pack(tmp_path / "good.zip", GOOD), tmp_path / "bad.zip"
    bad.write_bytes(good.read_bytes()[:-30])
    started = []
    for path in (bad, good):
        with path.open("rb") as file:
            started.append(jobs.start(ImportRequest(None, path.stem, "60/20/20", 0, path.name), jobs.receive_zip(file)))
    wait_for(lambda: jobs.active() == [])
    assert [jobs.status(job).state for job in started] == ["failed", "finished"]
    assert_plain(jobs.status(started[0]).text, "bad.zip", settings=settings)
