"""Listings that mislead: running numbers next to numbered classes, splits among other folders, tables in part."""

import pytest

from core.datasets.layouts.placing import LayoutQuestionError, read_layout
from core.errors import DatasetError
from tests.core.datasets.layouts.test_public_layouts import Listing, counts_of, source_of

PAIR = ("cat", "dog")
SIGNS = {f"GTSRB/Final_Training/Images/0000{c}/0000#_0000.ppm": 6 for c in (0, 1)} | {
    "GTSRB/Final_Test/Images/0000#.ppm": 4
}
PLANTS = ("Pepper__bell___healthy", "Potato___healthy")


def split_into(names: dict[str, int], classes: tuple[str, ...] = PAIR) -> Listing:
    return {f"{split}/{label}/#.jpg": count for split, count in names.items() for label in classes}


CERTAIN: dict[str, tuple[Listing, dict[str, str], dict[str, str]]] = {
    "traffic-signs-with-labels-of-the-test": (
        SIGNS,
        {"GTSRB/Final_Test/Images/GT-final_test.csv": "Filename;Width;Height;ClassId\n" + "".join(
            f"0000{n}.ppm;{20 + n};{30 + n};{(n + 1) % 2}\n" for n in range(4))},
        {"00000": "6/0/2", "00001": "6/0/2"},
    ),
    "traffic-signs-without": (SIGNS, {}, {"00000": "6", "00001": "6"}),
    "day-and-night": (
        split_into({"day_train": 6, "night_train": 5, "day_test": 3, "night_test": 2}),
        {},
        {"cat": "11/0/5", "dog": "11/0/5"},
    ),
    "german": (split_into({"Trainingsdaten": 6, "Validierung": 3, "Testdaten": 3}), {}, dict.fromkeys(PAIR, "6/3/3")),
    "spanish": (split_into({"entrenamiento": 6, "validación": 3, "prueba": 2}), {}, dict.fromkeys(PAIR, "6/3/2")),
    "chinese": (split_into({"训练集": 6, "验证集": 3, "测试集": 2}), {}, dict.fromkeys(PAIR, "6/3/2")),
    "plantvillage-twice": (
        {f"PlantVillage/{c}/#.jpg": 5 for c in PLANTS} | {f"plantvillage/PlantVillage/{c}/#.jpg": 5 for c in PLANTS},
        {},
        dict.fromkeys(PLANTS, "5"),
    ),
    "chest-xrays-in-numbered-folders": (
        {f"images_00{k}/images/0000{k}_00#.png": 4 for k in (1, 2, 3)},
        {"Data_Entry_2017.csv": "Image Index,Finding Labels,Patient ID\n" + "".join(
            f"0000{k}_00{n}.png,{'No Finding' if n % 2 else 'Mass'},{k}\n" for k in (1, 2, 3) for n in range(4))},
        {"Mass": "6", "No Finding": "6"},
    ),
    "labels-missing-for-the-test": (
        {"images/#.jpg": 12},
        {"labels.csv": "image,label,split\n" + "".join(
            f"{n}.jpg,{'' if n > 9 else 'ab'[n % 2]},{'test' if n > 9 else 'val' if n > 7 else 'train'}\n"
            for n in range(12))},
        {"a": "4/1/0", "b": "4/1/0"},
    ),
    "column-is-valid": (
        {"images/#.jpg": 12},
        {"labels.csv": "name,label,is_valid\n" + "".join(f"{n}.jpg,{'ab'[n % 2]},{n > 7}\n" for n in range(12))},
        {"a": "4/2/0", "b": "4/2/0"},
    ),
    "food-101": (
        {f"food-101/images/{c}/100#.jpg": 6 for c in PAIR},
        {f"food-101/meta/{split}.txt": "".join(f"{c}/100{n}\n" for c in PAIR for n in numbers)
         for split, numbers in (("train", range(4)), ("test", (4, 5)))} | {"food-101/meta/classes.txt": "cat\ndog\n"},
        {"cat": "4/0/2", "dog": "4/0/2"},
    ),
    "birds-with-flags": (
        {f"CUB/images/{c}/{c}_#.jpg": 4 for c in PAIR},
        {"CUB/images.txt": "".join(f"{4 * k + n + 1} {c}/{c}_{n}.jpg\n" for k, c in enumerate(PAIR) for n in range(4)),
         "CUB/train_test_split.txt": "".join(f"{n + 1} {int(n % 4 > 0)}\n" for n in range(8)),
         "CUB/image_class_labels.txt": "".join(f"{n + 1} {1 + n // 4}\n" for n in range(8))},
        {"cat": "3/0/1", "dog": "3/0/1"},
    ),
    "one-table-per-split": (
        {"images/#.jpg": 8},
        {f"{split}.csv": "image,label\n" + "".join(f"{n}.jpg,{'ab'[n % 2]}\n" for n in numbers)
         for split, numbers in (("train", range(4)), ("val", (4, 5)), ("test", (6, 7)))},
        {"a": "2/1/1", "b": "2/1/1"},
    ),
    "trainval-next-to-train-and-val": (
        {f"{c}/{c[0]}#.jpg": 4 for c in PAIR},
        {f"sets/{split}.txt": "".join(f"{c[0]}{n} 1\n" for c in PAIR for n in numbers)
         for split, numbers in (("trainval", range(3)), ("train", range(2)), ("val", (2,)), ("test", (3,)))},
        {"cat": "2/1/1", "dog": "2/1/1"},
    ),
    "lists-of-ten-divisions": (
        {f"dtd/images/{c}/{c}_#.jpg": 4 for c in PAIR},
        {f"dtd/labels/{split}{k}.txt": "".join(f"{c}/{c}_{(n + k) % 4}.jpg\n" for c in PAIR for n in numbers)
         for split, numbers in (("train", (0, 1)), ("val", (2,)), ("test", (3,))) for k in (1, 2)},
        {"cat": "4", "dog": "4"},
    ),
    "validation-inside-training": (
        split_into({"train": 6, "train/val": 3, "test": 2}),
        {},
        {"cat": "6/3/2", "dog": "6/3/2"},
    ),
    "validation-inside-training-alone": (
        split_into({"data/train": 6, "data/train/validation": 3}),
        {},
        {"cat": "6/3/0", "dog": "6/3/0"},
    ),
    "test-between-the-classes": (
        {f"{c}/#.jpg": 6 for c in PAIR} | split_into({"test": 3}),
        {},
        {"cat": "6/0/3", "dog": "6/0/3"},
    ),
    "masks-of-each-split": (
        split_into({"train_images": 6, "train_masks": 6, "test_images": 3, "test_masks": 3}),
        {},
        {"cat": "6/0/3", "dog": "6/0/3"},
    ),
    "one-test-picture-per-class": (
        {f"train/{c}/#.jpg": 6 for c in PAIR} | {f"test/{c}.jpg": 1 for c in PAIR},
        {},
        {"cat": "6/0/1", "dog": "6/0/1"},
    ),
    "masks-beside-each-class": (
        {f"{c}/#.png": 6 for c in (*PAIR, "cat_mask", "dog_mask")},
        {},
        {"cat": "6", "dog": "6"},
    ),
    "thumbnails-in-each-class": (
        {f"{c}/#.jpg": 6 for c in PAIR} | {f"{c}/thumbs/#.jpg": 6 for c in PAIR},
        {},
        {"cat": "6", "dog": "6"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CERTAIN)
def test_the_classes_and_splits_are_found(name: str) -> None:
    listing, tables, expected = CERTAIN[name]
    assert counts_of(read_layout(source_of(listing, tables))) == expected


ASKED: dict[str, tuple[Listing, dict[str, str], dict[str, dict[str, str]]]] = {
    "flat-extra-beside-splits": (
        {"train/#.png": 6, "test/#.png": 6, "extra/#.png": 9},
        {},
        {"level-1": {"train": "6", "test": "6", "extra": "9"}},
    ),
    "a-class-beside-splits": (
        {**split_into({"train": 6, "test": 3}), "fish/#.jpg": 8},
        {},
        {"splits": {"cat": "6/0/3", "dog": "6/0/3"}},
    ),
    "classes-at-two-depths": (
        {"animals/cat/#.jpg": 6, "animals/dog/#.jpg": 6, "car/#.jpg": 6},
        {},
        {"level-1": {"animals": "12", "car": "6"}, "level-2": {"cat": "6", "dog": "6", "car": "6"}},
    ),
    "patients": (
        {f"scans/patient_{n:03d}/#.png": 4 for n in range(3)},
        {},
        {"level-1": {"patient_000": "4", "patient_001": "4", "patient_002": "4"}},
    ),
    "unique-identifiers": (
        {f"jpeg/1.3.6.1.4.1.9590.{n}/1-#.jpg": 2 for n in range(2)},
        {},
        {"level-1": {"1.3.6.1.4.1.9590.0": "2", "1.3.6.1.4.1.9590.1": "2"}},
    ),
    "a-copy-of-one-class": (
        {"cat/#.jpg": 5, "dog/#.jpg": 5, "backup/cat/#.jpg": 4},
        {},
        {"level-1": {"cat": "5", "dog": "5", "backup": "4"}},
    ),
    "several-classes-per-picture": (
        {"train/a#.jpg": 6},
        {"train/_classes.csv": "filename,cat,dog\n" + "".join(f"a{n}.jpg,1,{n % 2}\n" for n in range(6))},
        {"table": {"0": "3", "1": "3"}},
    ),
    "a-count-of-rooms": (
        {"#.jpg": 12},
        {"homes.csv": "file,price,rooms\n" + "".join(f"{n}.jpg,{100 + n},{n % 3}\n" for n in range(12))},
        {"table": {"0": "4", "1": "4", "2": "4"}},
    ),
    "two-columns-called-labels": (
        {"train/#.jpg": 12},
        {"train.csv": "image_name,diagnosis,benign_malignant,target\n" + "".join(
            f"{n},{'nevus' if n % 3 else 'unknown'},{'malignant' if n > 8 else 'benign'},{int(n > 8)}\n"
            for n in range(12))},
        {"column benign_malignant": {"benign": "9", "malignant": "3"}},
    ),
    "half-of-one-folder-in-the-table": (
        {"images/Train_#.jpg": 8, "images/Test_#.jpg": 8},
        {"train.csv": "image_id,healthy,rust\n" + "".join(f"Train_{n},{n % 2},{1 - n % 2}\n" for n in range(8))},
        {"table": {"healthy": "4", "rust": "4"}},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ASKED)
def test_two_plausible_readings_are_a_question(name: str) -> None:
    listing, tables, answers = ASKED[name]
    with pytest.raises(LayoutQuestionError) as asked:
        read_layout(source_of(listing, tables))
    for key, expected in answers.items():
        assert key in [choice.key for choice in asked.value.choices]
        assert counts_of(read_layout(source_of(listing, tables), layout=key)) == expected


REFUSED: dict[str, tuple[Listing, dict[str, str], str]] = {
    "table-of-other-files": (
        {"images/a#.jpg": 8},
        {"project.csv": "image,choice\n" + "".join(f"/data/up/x-{n}.jpg,{'ab'[n % 2]}\n" for n in range(8))},
        "no row of project.csv names one of them",
    ),
    "captions": (
        {"#.jpg": 10},
        {"captions.txt": "image,caption\n" + "".join(f"{n // 2}.jpg,words {n}\n" for n in range(20))},
        "no column of captions.txt gives most of them one label each",
    ),
    "several-labels-in-a-list": (
        {"#.png": 8},
        {"a.jsonl": "".join(f'{{"image": "{n}.png", "labels": ["{"ab"[n % 2]}", "c"]}}\n' for n in range(8))},
        "no column of a.jsonl gives most of them one label each",
    ),
    "names-of-a-phone": ({"Screenshot 2020-01-0#.png": 5, "Photo 2020-01-0#.png": 5}, {}, "file name"),
    "coco": (
        {"train2017/#.jpg": 5},
        {"annotations/train.json": '{"images": [], "annotations": [], "categories": []}'},
        "boxes for detection",
    ),
    "text-files-called-labels-of-other-files": (
        {"aligned/a_#.jpg": 6}, {"labels/list_label.txt": "b_1.jpg 3\n"}, "only the class 'aligned'"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_the_reason_of_a_refusal_is_true(name: str) -> None:
    listing, tables, reason = REFUSED[name]
    with pytest.raises(DatasetError, match=reason):
        read_layout(source_of(listing, tables))


def test_a_column_of_numbered_splits_is_noted() -> None:
    rows = "".join(f"{n}.jpg,{'ab'[n % 2]},{n % 3}\n" for n in range(12))
    layout = read_layout(source_of({"#.jpg": 12}, {"labels.csv": f"image,label,fold\n{rows}"}))
    assert not layout.splits_given
    assert "The column 'fold' holds numbers, which name no split, and was not used." in layout.notes


def test_labels_that_are_made_of_others_are_noted() -> None:
    rows = "".join(f"{n}.jpg,{('Edema', 'Mass', 'Edema|Mass')[n % 3]}\n" for n in range(12))
    layout = read_layout(source_of({"#.jpg": 12}, {"labels.csv": f"image,label\n{rows}"}))
    assert any("several classes, such as 'Edema|Mass'" in note for note in layout.notes)
