"""Import: what comes in, what is reported, and that nothing half is ever left."""

import shutil
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from core.datasets.dataset import Dataset
from core.datasets.dataset_store import DatasetStore
from core.datasets.importing import ImportProgress, import_dataset
from core.datasets.pictures import picture_formats
from core.datasets.sources.opening import open_source
from core.datasets.sources.source import MemorySource, Source
from core.datasets.splits import SplitPlan
from core.errors import DatasetError
from core.settings import Settings
from core.steps import run_step
from tests.support.images import HEIC, class_files, encoded, photo

Files = list[tuple[str, bytes]]


def bring(settings: Settings, source: Source, name: str = "pets", plan: str = "70/15/15", seed: int = 0) -> Dataset:
    return DatasetStore(settings).get(
        run_step(import_dataset(settings, source, name=name, plan=SplitPlan.parse(plan), seed=seed))
    )


def memory(files: Files) -> MemorySource:
    return MemorySource("memory", files)


def left_over(settings: Settings) -> list[str]:
    return [path.name for path in settings.datasets_dir.iterdir()] if settings.datasets_dir.exists() else []


def write_zip(path: Path, files: Sequence[tuple[str, bytes]]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files:
            archive.writestr(name, data)
    return path


@pytest.mark.parametrize("prefix", ["", "pets/", "a/b/"])
def test_class_folders_are_found_however_they_are_wrapped(settings: Settings, prefix: str) -> None:
    files = [(prefix + name, data) for name, data in class_files({"Cat": 10, "Dog": 10})]
    dataset = bring(settings, memory(files))
    assert dataset.classes == ("Cat", "Dog")
    assert len(dataset.rows) == 20


def test_folder_zip_and_memory_give_the_same_dataset(settings: Settings, tmp_path: Path) -> None:
    files = class_files({"cat": 8, "dog": 9})
    for name, data in files:
        (tmp_path / "folder" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "folder" / name).write_bytes(data)
    archive = write_zip(tmp_path / "pets.zip", files)
    found = [
        bring(settings, source, name=f"d{place}").fingerprint
        for place, source in enumerate((open_source(tmp_path / "folder"), open_source(archive), memory(files)))
    ]
    assert len(set(found)) == 1


def test_any_number_of_threads_gives_the_same_table_and_report(home: Path) -> None:
    files = class_files({"cat": 60, "dog": 60})
    files[10:10] = [(f"cat/not {number}.png", b"just a text") for number in range(20)]
    files[90:90] = [("dog/again.png", files[0][1]), ("dog/again too.png", files[95][1])]
    found = []
    for threads in ("1", "2", "7"):
        settings = Settings.from_environment({"TUNEMYPETS_HOME": str(home), "TUNEMYPETS_THREADS": threads})
        dataset = bring(settings, memory(files), name=f"d{threads}")
        thumbs = [dataset.thumbnail_path(row).read_bytes() for row in dataset.rows]
        found.append((dataset.fingerprint, dataset.rows, dataset.report(), thumbs))
    assert found[0] == found[1] == found[2]
    report = found[0][2]
    assert [name for name, _ in report.rejected] == [name for name, data in files if data == b"just a text"]


def test_given_splits_are_kept(settings: Settings) -> None:
    files = []
    for place, split in enumerate(("train", "Validation", "test")):
        files += [(f"{split}/{name}", data) for name, data in class_files({"a": 4, "b": 4}, start=100 * place)]
    dataset = bring(settings, memory(files))
    for row in dataset.rows:
        folder = row.name.split("/")[0].lower()
        assert row.split == {"train": "train", "validation": "val", "test": "test"}[folder]


def test_without_a_validation_folder_training_pictures_are_set_apart_and_it_is_said(settings: Settings) -> None:
    files = [(f"train/{name}", data) for name, data in class_files({"a": 20, "b": 20})]
    files += [(f"test/{name}", data) for name, data in class_files({"a": 5, "b": 5}, start=500)]
    dataset = bring(settings, memory(files))
    assert len(dataset.rows_of("test")) == 10
    assert 4 <= len(dataset.rows_of("val")) <= 10
    assert any("no validation folder" in note for note in dataset.report().notes)


def test_names_and_order_do_not_change_the_split(settings: Settings) -> None:
    files = class_files({"a": 15, "b": 15})
    renamed = [(f"{name.split('/')[0]}/x{place:03d}.png", data) for place, (name, data) in enumerate(reversed(files))]
    first, second = bring(settings, memory(files), "one"), bring(settings, memory(renamed), "two")
    assert first.fingerprint == second.fingerprint
    assert {r.pixel_hash: r.split for r in first.rows} == {r.pixel_hash: r.split for r in second.rows}


def test_copies_are_kept_once_and_contradictions_are_set_aside(settings: Settings) -> None:
    files = class_files({"rose": 6, "tulip": 6})
    copy = files[0][1]
    double = files[7][1]
    files += [("rose/copy.png", copy), ("tulip/again.png", double), ("rose/again.png", double)]
    dataset = bring(settings, memory(files))
    report = dataset.report()
    assert [pair[0] for pair in report.duplicates] == ["rose/copy.png"]
    assert {(name, label) for group in report.contradictory for name, label, _ in group} == {
        ("tulip/1.png", "tulip"),
        ("tulip/again.png", "tulip"),
        ("rose/again.png", "rose"),
    }
    assert len(dataset.rows) == 11
    for group in report.contradictory:
        assert all((dataset.folder / thumbnail).exists() for _, _, thumbnail in group)


def test_a_copy_in_train_and_test_stays_in_test(settings: Settings) -> None:
    files = [(f"train/{name}", data) for name, data in class_files({"a": 6, "b": 6})]
    files += [(f"val/{name}", data) for name, data in class_files({"a": 2, "b": 2}, start=50)]
    files += [("test/a/leak.png", files[0][1]), ("test/b/x.png", encoded(photo(999), "PNG"))]
    dataset = bring(settings, memory(files))
    assert [row.name for row in dataset.rows if row.split == "test"] == ["test/a/leak.png", "test/b/x.png"]


def test_what_is_rejected_is_listed_and_the_rest_goes_on(settings: Settings) -> None:
    files = class_files({"a": 5, "b": 5})
    files += [("a/broken.jpg", b"\xff\xd8\xff nothing"), ("a/note.txt", b"hello"), ("b/empty.png", b"")]
    files += [("loose.png", encoded(photo(77), "PNG"))]
    report = bring(settings, memory(files)).report()
    assert {name for name, _ in report.rejected} == {"a/broken.jpg", "a/note.txt", "b/empty.png", "loose.png"}
    assert all(reason.endswith(".") for _, reason in report.rejected)


def test_progress_is_told_with_an_estimate(settings: Settings) -> None:
    events = list(import_dataset(settings, memory(class_files({"a": 9, "b": 9})), name="x", plan=SplitPlan(), seed=0))
    told = [event for event in events if isinstance(event, ImportProgress) and event.phase == "Reading pictures"]
    assert told[-1].done == told[-1].total == 18
    assert told[-1].eta_seconds == 0


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ([], "no files"),
        ([("readme.txt", b"x")], "no pictures"),
        ([("one/a.png", b"x"), ("one/b.png", b"y")], "at least two"),
        ([("a.png", b"x"), ("b.png", b"y")], "have no labels"),
        ([("a/1.png", b"x"), ("b/1.png", b"x")], r"Two classes are needed, .*: a/1\.png \(and 1 like it\) is text"),
        ([("a/1.png", encoded(photo(1), "PNG")), ("b/1.png", encoded(photo(1), "PNG"))], "keep each in one"),
        ([("model_unquant.tflite", b"x"), ("labels.txt", b"0 cat")], "only a trained network .*Teachable Machine"),
        ([("cat/1.mp4", b"x"), ("dog/1.mp4", b"x")], "only videos .*save single frames"),
        ([("train.zip", b"x"), ("test.zip", b"x")], r"only archives \(train.zip and test.zip\): import one of them"),
    ],
)
def test_an_unusable_source_gets_a_sentence_and_leaves_nothing(settings: Settings, files: Files, words: str) -> None:
    with pytest.raises(DatasetError, match=words):
        bring(settings, memory(files))
    assert left_over(settings) == []


def test_a_name_that_is_taken_is_refused(settings: Settings) -> None:
    bring(settings, memory(class_files({"a": 5, "b": 5})), "Pets!")
    with pytest.raises(DatasetError, match="already: choose another name"):
        bring(settings, memory(class_files({"a": 5, "b": 5})), "pets")
    assert left_over(settings) == ["pets"]


def test_an_import_that_is_closed_in_the_middle_leaves_nothing(settings: Settings) -> None:
    events = import_dataset(settings, memory(class_files({"a": 60, "b": 60})), name="x", plan=SplitPlan(), seed=0)
    next(events)
    events.close()  # type: ignore[attr-defined]
    assert left_over(settings) == []


def test_a_full_disk_leaves_nothing(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=10))
    with pytest.raises(DatasetError, match="make room"):
        bring(settings, memory(class_files({"a": 5, "b": 5})))
    assert left_over(settings) == []


HOSTILE = [
    ("../evil.png", "climbs out"),
    ("/a/evil.png", "absolute"),
    ("C:/a/evil.png", "absolute"),
]


@pytest.mark.parametrize(("name", "words"), HOSTILE)
def test_hostile_names_in_a_zip_are_never_paths(settings: Settings, tmp_path: Path, name: str, words: str) -> None:
    files = [(f"pets/{inner}", data) for inner, data in class_files({"a": 5, "b": 5})]
    archive = write_zip(tmp_path / "x.zip", [*files, (name, encoded(photo(50), "PNG"))])
    try:
        report = bring(settings, open_source(archive)).report()
    except DatasetError:
        assert left_over(settings) == []
        return
    reasons = dict(report.rejected)
    assert any(words in reason or "outside any class" in reason for reason in reasons.values())
    assert not (tmp_path / "evil.png").exists()


def test_a_bomb_inside_a_zip_is_rejected_while_it_is_read(settings: Settings, tmp_path: Path) -> None:
    files = [*class_files({"a": 5, "b": 5}), ("a/bomb.png", b"\0" * 50_000_000)]
    report = bring(settings, open_source(write_zip(tmp_path / "x.zip", files))).report()
    assert [name for name, _ in report.rejected] == ["a/bomb.png"]
    assert "far more than it says" in report.rejected[0][1]


def test_overlapping_entries_are_refused(tmp_path: Path) -> None:
    path = write_zip(tmp_path / "x.zip", [("a/1.png", b"x" * 2000), ("b/1.png", b"y" * 2000)])
    data = bytearray(path.read_bytes())
    second = data.rfind(b"PK\x01\x02")
    data[second + 42 : second + 46] = (0).to_bytes(4, "little")  # points at the first entry's bytes
    path.write_bytes(data)
    with pytest.raises(DatasetError, match="overlap"):
        open_source(path)


def test_a_class_that_is_missing_in_a_split_is_noted(settings: Settings) -> None:
    files = class_files({"train/a": 3, "train/b": 3, "train/c": 3, "val/b": 2, "val/c": 2, "test/a": 1})
    notes = bring(settings, memory(files)).report().notes
    assert "No picture of 'a' is in the validation split, so results there do not cover it: add pictures." in notes
    assert "No picture of 'b' and 'c' is in the test split, so results there do not cover them: add pictures." in notes


def test_a_class_of_one_picture_gets_one_note(settings: Settings) -> None:
    notes = bring(settings, memory(class_files({"cat": 8, "dog": 8, "fox": 1}))).report().notes
    assert notes == [
        "No picture of 'fox' is in the validation and test splits, so results there do not cover it: add pictures."
    ]


def test_a_class_whose_training_pictures_cannot_be_read_is_left_out_with_all_its_files(settings: Settings) -> None:
    files = class_files({"train/a": 3, "train/b": 3, "test/a": 2, "test/b": 2, "test/c": 2})
    dataset = bring(settings, memory([*files, ("train/c/1.png", b"broken")]))
    assert dataset.classes == ("a", "b")
    assert any("'c' has no usable training picture" in note for note in dataset.report().notes)
    assert len(list(dataset.folder.glob("images/*/*"))) == len(dataset.rows)
    assert len(list(dataset.folder.glob("thumbs/*/*"))) == len(dataset.rows)


def test_training_pictures_that_are_all_in_test_too_get_their_true_cause(settings: Settings) -> None:
    files = class_files({"a": 3, "b": 3})
    with pytest.raises(DatasetError, match="Every training picture is also in the validation or test folder"):
        bring(settings, memory([(f"{split}/{name}", data) for split in ("train", "test") for name, data in files]))


def test_pictures_that_lose_their_ends_to_the_crop_are_noted(settings: Settings) -> None:
    wide = [(f"{label}/{n}.png", encoded(photo(n, (240, 60)), "PNG")) for n, label in enumerate("ab" * 5)]
    notes = bring(settings, memory(wide)).report().notes
    assert any(note.startswith("10 of 10 pictures are more than twice as long as wide") for note in notes)


@pytest.mark.parametrize("cut", [0.3, 0.8])
def test_a_cut_off_zip_gets_a_sentence(tmp_path: Path, cut: float) -> None:
    path = write_zip(tmp_path / "x.zip", class_files({"a": 5, "b": 5}))
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * cut)])
    with pytest.raises(DatasetError, match="not a readable zip"):
        open_source(path)


def test_system_files_are_ignored_and_counted(settings: Settings) -> None:
    files = class_files({"a": 5, "b": 5})
    archive_like = [*files, ("__MACOSX/a/._1.png", b"x"), ("a/.DS_Store", b"x"), ("b/Thumbs.db", b"x")]
    path = settings.home.parent / "x.zip"
    dataset = bring(settings, open_source(write_zip(path, archive_like)))
    assert dataset.report().ignored == 3
    assert dataset.report().rejected == []


ACCOMPANYING = [
    ".DS_Store", "a/.DS_Store", "a/._1.png", "a/Thumbs.db", "a/desktop.ini", "b/ehthumbs_vista.db", "b/Picasa.ini",
    "a/.ipynb_checkpoints/1-checkpoint.png", ".ipynb_checkpoints/notes-checkpoint.ipynb", "__MACOSX/a/._1.png",
    "@eaDir/a/1.png/SYNOPHOTO_THUMB_M.jpg", "#recycle/old/1.png", "lost+found/1.png", "__pycache__/load.pyc",
    "a/~$names.docx", "README.md", "a/README.txt", "LICENSE", "LICENCE.txt", "b/COPYING", "CITATION.cff",
    "a/credits.txt", "b/checksums.md5", "CHANGELOG", ".git/objects/ab/cd", ".gitattributes",
]  # fmt: skip


@pytest.mark.parametrize("packed", [True, False])
def test_what_every_real_folder_has_is_neither_class_nor_reject_nor_note(
    settings: Settings, tmp_path: Path, packed: bool
) -> None:
    picture = encoded(photo(99), "PNG")
    others = [(name, picture if name.endswith((".png", ".jpg")) else b"made by a program") for name in ACCOMPANYING]
    files = [*class_files({"a": 8, "b": 8}), *others]
    if packed:
        source = open_source(write_zip(tmp_path / "x.zip", files))
    else:
        for name, data in files:
            (tmp_path / "x" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "x" / name).write_bytes(data)
        source = open_source(tmp_path / "x")
    dataset = bring(settings, source)
    report = dataset.report()
    assert dataset.classes == ("a", "b")
    assert len(dataset.rows) == 16
    assert (report.rejected, report.notes, report.converted) == ([], [], [])
    assert report.ignored >= 20


def test_what_phones_and_google_takeout_put_next_to_each_picture_is_counted_only(settings: Settings) -> None:
    pictures = class_files({"a": 8, "b": 8})
    companions = [
        (f"{name.rpartition('.')[0]}{ending}", b"of this picture")
        for name, _ in pictures
        for ending in (".AAE", ".mov", ".xmp", ".png.supplemental-metadata.json")
    ]
    report = bring(
        settings, memory([*pictures, *companions, ("a/metadata.json", b"{}"), ("a/other.mov", b"x")])
    ).report()
    assert report.ignored == len(companions) + 1
    assert [name for name, _ in report.rejected] == ["a/other.mov"]


def test_an_archive_next_to_the_pictures_is_named(settings: Settings) -> None:
    report = bring(settings, memory([*class_files({"a": 8, "b": 8}), ("more.zip", b"PK")])).report()
    assert report.notes == [
        "Not opened: 1 archive next to the pictures (more.zip). Unpack what belongs to the classes."
    ]


def test_heic_photos_are_pictures_like_others(settings: Settings) -> None:
    pytest.importorskip("pi_heif", reason="pip install -r requirements-heif.txt")
    dataset = bring(settings, memory([*class_files({"a": 8, "b": 8}), ("a/IMG_1.HEIC", HEIC)]))
    assert dataset.report().rejected == []
    (row,) = [row for row in dataset.rows if row.name == "a/IMG_1.HEIC"]
    assert (row.width, row.height, row.path[-5:]) == (48, 32, ".heic")
    assert dataset.read_image(row) == HEIC
    assert dataset.thumbnail_path(row).is_file()


def test_without_pi_heif_one_sentence_says_what_heic_photos_need(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(picture_formats, "HEIC_IS_READ", False)
    heic = [(f"{label}/IMG_{number}.HEIC", HEIC) for label in "ab" for number in range(3)]
    dataset = bring(settings, memory([*class_files({"a": 8, "b": 8}), *heic]))
    assert len(dataset.rows) == 16
    assert len(dataset.report().rejected) == 6
    assert dataset.report().notes == [
        "6 HEIC photos left out: install pi-heif (pip install -r requirements-heif.txt) or export as JPEG."
    ]
    with pytest.raises(DatasetError, match=r"\(and 5 like it\) .*install pi-heif"):
        bring(settings, memory(heic), "only")


def test_a_tampered_table_is_refused(settings: Settings) -> None:
    dataset = bring(settings, memory(class_files({"a": 5, "b": 5})))
    table = dataset.folder / "pictures.csv"
    table.write_text(table.read_text(encoding="utf-8").replace("images/", "../../etc/", 1), encoding="utf-8")
    with pytest.raises(DatasetError, match=r"pictures\.csv"):
        DatasetStore(settings).get("pets")


def test_an_unknown_dataset_is_told_with_what_there_is(settings: Settings) -> None:
    bring(settings, memory(class_files({"a": 5, "b": 5})))
    with pytest.raises(DatasetError, match="there are: pets"):
        DatasetStore(settings).get("../pets")


def test_leaves_are_imported_with_their_trouble_reported(settings: Settings, shared_data: Path) -> None:
    report = bring(settings, open_source(shared_data / "data" / "leaves")).report()
    notes = " ".join(note for _, note in report.converted)
    for word in ("named .jpg but is PNG", "MPO", "CMYK", "turned upright"):
        assert word in notes
    assert report.rejected == []
    assert len(report.duplicates) >= 1


def test_flowers_have_four_contradictions_and_two_copies(settings: Settings, shared_data: Path) -> None:
    report = bring(settings, open_source(shared_data / "data" / "flowers")).report()
    assert [sorted(label for _, label, _ in group) for group in report.contradictory] == [["rose", "tulip"]] * 4
    assert len(report.duplicates) == 2
    assert all("sunflower" in name for pair in report.duplicates for name in pair)


def grey_16(number: int, low: int, high: int, faulty: int | None = None) -> bytes:
    shares = np.asarray(photo(number).convert("L")).astype(float) / 255
    values = (low + (high - low) * shares).astype(np.uint16)
    if faulty is not None:
        values[5, 5] = faulty
    return encoded(Image.fromarray(values), "PNG")


def test_a_16_bit_picture_that_leaves_the_others_few_shades_is_named(settings: Settings) -> None:
    files = [
        (f"{label}/{number}.png", grey_16(100 * place + number, 500, 2500 + 1000 * place))
        for place, label in enumerate(("cold", "hot"))
        for number in range(10)
    ]
    plain = bring(settings, memory(files), "plain").report().notes
    assert [note for note in plain if "few shades left" in note] == []
    for name, odd in {"faulty": grey_16(999, 500, 2500, 65_535), "units": grey_16(998, 0, 65_535)}.items():
        notes = bring(settings, memory([*files, ("hot/odd.png", odd)]), name).report().notes
        assert len([note for note in notes if "few shades left, because hot/odd.png goes from" in note]) == 1


def test_a_class_that_is_brighter_throughout_is_no_unusual_picture(settings: Settings) -> None:
    files = [(f"cold/{number}.png", grey_16(number, 8000, 16_000)) for number in range(10)]
    files += [(f"hot/{number}.png", grey_16(100 + number, 40_000, 48_000)) for number in range(10)]
    notes = bring(settings, memory(files)).report().notes
    assert [note for note in notes if "few shades left" in note] == []
