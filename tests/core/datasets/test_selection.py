"""What an import makes of copies: kept together, listed where their labels differ, counted where they straddle."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps

from core.datasets.dataset import Dataset
from core.datasets.dataset_store import DatasetStore
from core.datasets.importing import import_dataset
from core.datasets.sources.source import MemorySource
from core.datasets.splits import SplitPlan
from core.settings import Settings
from core.steps import run_step
from tests.support.images import class_files, encoded, photo

Files = list[tuple[str, bytes]]
SIZE = (240, 180)


def bring(settings: Settings, files: Files, name: str = "pets", plan: str = "70/15/15") -> Dataset:
    source = MemorySource("memory", files)
    return DatasetStore(settings).get(
        run_step(import_dataset(settings, source, name=name, plan=SplitPlan.parse(plan), seed=0))
    )


def splits_by(dataset: Dataset, photo_of: dict[str, int]) -> dict[int, set[str]]:
    """Photo number -> the splits that its versions are in."""
    found: dict[int, set[str]] = {}
    for row in dataset.rows:
        found.setdefault(photo_of[row.name], set()).add(row.split)
    return found


def jpeg(image: Image.Image, quality: int = 90) -> bytes:
    return encoded(image, "JPEG", quality=quality)


def test_three_sizes_of_each_photo_stay_together(settings: Settings) -> None:
    files, photo_of = [], {}
    for number in range(40):
        label, image = ("cat", "dog")[number % 2], photo(number, SIZE)
        versions = (jpeg(image), jpeg(image.resize((96, 72), Image.Resampling.LANCZOS), 80), jpeg(image, 40))
        for place, data in enumerate(versions):
            # names that share nothing
            name = f"{label}/{(number * 3 + place) * 7919 % 10_007}.jpg"
            files.append((name, data))
            photo_of[name] = number
    dataset = bring(settings, files)
    assert all(len(found) == 1 for found in splits_by(dataset, photo_of).values())
    assert dataset.counts == {label: {"train": 42, "val": 9, "test": 9} for label in ("cat", "dog")}
    assert dataset.report().straddling == {}


def test_augmented_copies_stay_together_by_their_names(settings: Settings) -> None:
    files, photo_of = [], {}
    for number in range(40):
        label, image = ("cat", "dog")[number % 2], photo(number, SIZE)
        changed = (
            image,
            ImageOps.mirror(image),
            ImageEnhance.Brightness(image.rotate(11, Image.Resampling.BICUBIC)).enhance(1.15),
            image.crop((20, 20, 200, 160)),
        )
        for place, version in enumerate(changed):
            name = f"{label}/{number}_jpg.rf.{number * 4 + place:032x}.jpg"
            files.append((name, jpeg(version)))
            photo_of[name] = number
    dataset = bring(settings, files)
    assert all(len(found) == 1 for found in splits_by(dataset, photo_of).values())
    assert dataset.counts["cat"] == {"train": 56, "val": 12, "test": 12}


def frames(label: int, count: int) -> list[bytes]:
    """A webcam that stands still, noise and all, before which something small moves."""
    rng = np.random.default_rng(label)
    scene = np.asarray(photo(7, (160, 120))).astype(float)
    made = []
    for _ in range(count):
        frame = scene + rng.normal(0, 4, scene.shape)
        x, y = (int(value) for value in rng.integers(40, 80, 2))
        frame[y : y + 14, x : x + 8 + 3 * label] = (224, 172, 105)
        made.append(jpeg(Image.fromarray(np.clip(frame, 0, 255).astype(np.uint8))))
    return made


def test_a_webcam_that_stands_still_is_split_with_a_note(settings: Settings) -> None:
    files = [(f"{label}/{n}.jpg", data) for label in range(3) for n, data in enumerate(frames(label, 40))]
    dataset = bring(settings, files)
    assert all(found == {"train": 28, "val": 6, "test": 6} for found in dataset.counts.values())
    report = dataset.report()
    assert report.straddling == {"val": 18, "test": 18}
    assert report.contradictory_near == []
    notes = "\n".join(report.notes)
    assert "40 pictures of '0', 40 pictures of '1' and 40 pictures of '2' look alike" in notes
    assert "18 test pictures look like copies of training pictures" in notes


def test_a_burst_that_stays_together_is_noted_with_what_it_costs(settings: Settings) -> None:
    files = [(f"fist/{n}.jpg", data) for n, data in enumerate(frames(0, 80))]
    files += class_files({"fist": 20, "other": 60}, start=1000)
    dataset = bring(settings, files)
    report = dataset.report()
    assert dataset.counts == {
        "fist": {"train": 80, "val": 10, "test": 10},
        "other": {"train": 42, "val": 9, "test": 9},
    }
    assert any(
        note
        == "80 pictures of 'fist' look alike and stay together: the class has 10 validation pictures instead of 15 "
        "and 10 test pictures instead of 15."
        for note in report.notes
    )
    assert report.straddling == {}


def test_pictures_that_all_look_alike_are_imported_however_few_they_are(settings: Settings) -> None:
    files = [(f"{label}/{n}.jpg", data) for label in range(2) for n, data in enumerate(frames(label, 5))]
    dataset = bring(settings, files)
    assert all(found == {"train": 3, "val": 1, "test": 1} for found in dataset.counts.values())
    assert any("5 pictures of '0' and 5 pictures of '1' look alike" in note for note in dataset.report().notes)


def test_near_copies_with_different_labels_are_listed_and_in_one_split(settings: Settings) -> None:
    files = class_files({"cat": 30, "dog": 30})
    again = {f"dog/again_{n}.jpg": f"cat/{n}.png" for n in range(8)}
    files += [(name, jpeg(photo(n), 85)) for n, name in enumerate(again)]
    dataset = bring(settings, files)
    report = dataset.report()
    pairs = {name: other for group in report.contradictory_near for other, name in [sorted(row[0] for row in group)]}
    assert pairs == again
    assert {label for group in report.contradictory_near for _, label, _ in group} == {"cat", "dog"}
    assert all((dataset.folder / thumbnail).exists() for group in report.contradictory_near for *_, thumbnail in group)
    split_of = {row.name: row.split for row in dataset.rows}
    assert len(split_of) == 68
    assert all(split_of[one] == split_of[other] for one, other in again.items())
    assert any(note.startswith("16 pictures look almost like a picture of another class") for note in report.notes)


def test_classes_that_are_each_others_mirror_image_are_not_called_wrong_labels(settings: Settings) -> None:
    files = []
    for number in range(12):
        picture = photo(number, (96, 96))
        files += [(f"left/{number}.jpg", jpeg(picture)), (f"right/{number}.jpg", jpeg(ImageOps.mirror(picture)))]
    report = bring(settings, files).report()
    assert sum(len(group) for group in report.contradictory_near) == 24
    notes = [note for note in report.notes if "look almost like" in note]
    assert len(notes) == 1
    assert notes[0].startswith("24 pictures look almost like a mirrored or turned picture of another class")
    assert "turn random flips off" in notes[0]


def test_copies_across_given_splits_are_counted(settings: Settings) -> None:
    files = [(f"train/{name}", data) for name, data in class_files({"a": 6, "b": 6})]
    files += [(f"val/{name}", data) for name, data in class_files({"a": 2, "b": 2}, start=50)]
    files += [(f"test/{name}", data) for name, data in class_files({"a": 2, "b": 2}, start=70)]
    files += [(f"test/a/{n}.jpg", jpeg(ImageOps.mirror(photo(n)).resize((120, 90)))) for n in range(3)]
    report = bring(settings, files).report()
    assert report.straddling == {"test": 3}
    assert any(note.startswith("3 test pictures look like copies of training pictures") for note in report.notes)


def test_a_validation_split_that_is_made_has_no_copies_of_training_pictures(settings: Settings) -> None:
    files = [(f"train/{name}", data) for name, data in class_files({"a": 30, "b": 30})]
    files += [(f"train/{'ab'[n // 30]}/{n}.jpg", jpeg(photo(n).resize((120, 90)))) for n in range(60)]
    files += [(f"test/{name}", data) for name, data in class_files({"a": 4, "b": 4}, start=100)]
    dataset = bring(settings, files)
    assert dataset.report().straddling == {}
    assert dataset.counts["a"] == {"train": 50, "val": 10, "test": 4}


@pytest.mark.parametrize("missing", [["contradictory_near"], ["straddling"], ["contradictory_near", "straddling"]])
def test_reports_of_older_imports_are_read(settings: Settings, missing: list[str]) -> None:
    dataset = bring(settings, class_files({"a": 5, "b": 5}))
    path: Path = dataset.folder / "report.json"
    values = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({name: value for name, value in values.items() if name not in missing}))
    report = dataset.report()
    assert (report.contradictory_near, report.straddling) == ([], {})
