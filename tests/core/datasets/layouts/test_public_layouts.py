"""Folder listings of public datasets after unpacking: classes are right, or a question is asked."""

from collections.abc import Mapping

import pytest

from core.datasets.layouts.placing import Layout, LayoutQuestionError, read_layout
from core.datasets.sources.source import MemorySource
from core.errors import DatasetError

# folder/file pattern -> how many; `#` in a pattern is replaced by 0, 1, 2 …
Listing = Mapping[str, int]


def source_of(listing: Listing, tables: Mapping[str, str] | None = None) -> MemorySource:
    files = [(pattern.replace("#", str(number)), b"") for pattern, count in listing.items() for number in range(count)]
    files += [(name, text.encode()) for name, text in (tables or {}).items()]
    return MemorySource("data", files)


def counts_of(layout: Layout) -> dict[str, str]:
    """Class -> pictures in train/val/test, or the sum where no split is given."""
    out: dict[str, list[int]] = {}
    for _, placed in layout.files:
        if placed.problem is None:
            row = out.setdefault(placed.label, [0, 0, 0])
            row[("train", "val", "test").index(placed.split or "train")] += 1
    return {label: "/".join(map(str, row)) if layout.splits_given else str(sum(row)) for label, row in out.items()}


CERTAIN: dict[str, tuple[Listing, dict[str, str], dict[str, str]]] = {
    "microsoft-petimages": (
        {"PetImages/Cat/#.jpg": 9, "PetImages/Dog/#.jpg": 9, "readme[1].txt": 1, "MSR-LA - 3467.docx": 1},
        {},
        {"Cat": "9", "Dog": "9"},
    ),
    "cats-and-dogs-filtered": (
        {f"cats_and_dogs_filtered/{split}/{c}/{c[:-1]}.#.jpg": n
         for split, n in (("train", 8), ("validation", 4)) for c in ("cats", "dogs")}
        | {"cats_and_dogs_filtered/vectorize.py": 1},
        {},
        {"cats": "8/4/0", "dogs": "8/4/0"},
    ),
    "horse-or-human": (
        {"horse-or-human/horses/#.png": 8, "horse-or-human/humans/#.png": 8,
         "validation-horse-or-human/horses/#.png": 3, "validation-horse-or-human/humans/#.png": 3},
        {},
        {"horses": "8/3/0", "humans": "8/3/0"},
    ),
    "rock-paper-scissors": (
        {f"rps/rps/{c}/{c}#.png": 6 for c in ("paper", "rock", "scissors")}
        | {f"rps-test-set/rps-test-set/{c}/test{c}#.png": 3 for c in ("paper", "rock", "scissors")}
        | {"rps-validation-set/rps-validation-set/paper1.png": 1},
        {},
        {"paper": "6/1/3", "rock": "6/0/3", "scissors": "6/0/3"},
    ),
    "asl-alphabet": (
        {f"asl_alphabet_train/asl_alphabet_train/{c}/{c}#.jpg": 5 for c in ("A", "B", "nothing")}
        | {f"asl_alphabet_test/asl_alphabet_test/{c}_test.jpg": 1 for c in ("A", "B", "nothing")},
        {},
        {"A": "5/0/1", "B": "5/0/1", "nothing": "5/0/1"},
    ),
    "simpsons": (
        {f"simpsons_dataset/{c}/pic_#.jpg": 5 for c in ("bart_simpson", "homer_simpson")}
        | {f"simpsons_dataset/simpsons_dataset/{c}/pic_#.jpg": 5 for c in ("bart_simpson", "homer_simpson")}
        | {f"kaggle_simpson_testset/kaggle_simpson_testset/{c}_#.jpg": 2 for c in ("bart_simpson", "homer_simpson")}
        | {"annotation.txt": 1},
        {},
        {"bart_simpson": "5/0/2", "homer_simpson": "5/0/2"},
    ),
    "brain-mri": (
        {f"{split}/{c}/image (#).jpg": n
         for split, n in (("Training", 6), ("Testing", 3)) for c in ("glioma_tumor", "no_tumor")},
        {},
        {"glioma_tumor": "6/0/3", "no_tumor": "6/0/3"},
    ),
    "fruits-360": (
        {f"fruits-360_dataset/fruits-360/{split}/{c}/#_100.jpg": n
         for split, n in (("Training", 6), ("Test", 3)) for c in ("Apple Braeburn", "Banana")}
        | {"fruits-360_dataset/fruits-360/test-multiple_fruits/mix#.jpg": 4,
           "fruits-360_dataset/fruits-360/papers/fruits.pdf": 1, "fruits-360_dataset/fruits-360/LICENSE": 1},
        {},
        {"Apple Braeburn": "6/0/3", "Banana": "6/0/3"},
    ),
    "tiny-imagenet": (
        {f"tiny-imagenet-200/train/{c}/images/{c}_#.JPEG": 6 for c in ("n01443537", "n01629819")}
        | {f"tiny-imagenet-200/train/{c}/{c}_boxes.txt": 1 for c in ("n01443537", "n01629819")}
        | {"tiny-imagenet-200/val/images/val_#.JPEG": 4, "tiny-imagenet-200/test/images/test_#.JPEG": 4},
        {"tiny-imagenet-200/val/val_annotations.txt": "".join(
            f"val_{n}.JPEG\t{'n01443537' if n % 2 else 'n01629819'}\t{n}\t32\t{n + 3}\t60\n" for n in range(4))},
        {"n01443537": "6/2/0", "n01629819": "6/2/0"},
    ),
    "mnist-png": (
        {f"mnist_png/{split}/{c}/#.png": n for split, n in (("training", 5), ("testing", 2)) for c in range(3)},
        {},
        {"0": "5/0/2", "1": "5/0/2", "2": "5/0/2"},
    ),
    "stanford-dogs": (
        {f"Images/{c}/{c[:9]}_#.jpg": 5 for c in ("n02085620-Chihuahua", "n02085782-Japanese_spaniel")}
        | {f"Annotation/{c}/{c[:9]}_#": 5 for c in ("n02085620-Chihuahua", "n02085782-Japanese_spaniel")},
        {},
        {"n02085620-Chihuahua": "5", "n02085782-Japanese_spaniel": "5"},
    ),
    "busi-ultrasound": (
        {f"Dataset_BUSI_with_GT/{c}/{c} (#).png": 5 for c in ("benign", "malignant", "normal")}
        | {f"Dataset_BUSI_with_GT/{c}/{c} (#)_mask.png": 5 for c in ("benign", "malignant", "normal")},
        {},
        {"benign": "5", "malignant": "5", "normal": "5"},
    ),
    "covid-radiography": (
        {f"COVID-19_Radiography_Dataset/{c}/{kind}/{c}-#.png": 5
         for c in ("COVID", "Normal", "Viral Pneumonia") for kind in ("images", "masks")}
        | {"COVID-19_Radiography_Dataset/README.md.txt": 1},
        {},
        {"COVID": "5", "Normal": "5", "Viral Pneumonia": "5"},
    ),
    "ham10000": (
        {"HAM10000_images_part_1/ISIC_000#.jpg": 6, "HAM10000_images_part_2/ISIC_100#.jpg": 6},
        {"HAM10000_metadata.csv": "lesion_id,image_id,dx,age,sex\n" + "".join(
            f"HAM_{n % 4},ISIC_{part}00{n},{'nv' if n % 2 else 'mel'},{40 + n}.0,male\n"
            for part in (0, 1) for n in range(6))},
        {"nv": "6", "mel": "6"},
    ),
    "gtsrb": (
        {f"Train/{c}/0000{c}_0000#.png": 6 for c in (0, 1)} | {"Test/0000#.png": 4, "Meta/#.png": 2},
        {"Test.csv": "Width,Height,ClassId,Path\n" + "".join(f"53,54,{n % 2},Test/0000{n}.png\n" for n in range(4))},
        {"0": "6/0/2", "1": "6/0/2"},
    ),
    "imagenette": (
        {f"imagenette2-160/{split}/{c}/{c}_#.JPEG": n
         for split, n in (("train", 6), ("val", 3)) for c in ("n01440764", "n02102040")},
        {"imagenette2-160/noisy_imagenette.csv": "path,noisy_labels_0,is_valid\n" + "".join(
            f"train/{c}/{c}_{n}.JPEG,{c},False\n" for c in ("n01440764", "n02102040") for n in range(6))},
        {"n01440764": "6/3/0", "n02102040": "6/3/0"},
    ),
    "dtd": (
        {f"dtd/images/{c}/{c}_000#.jpg": 5 for c in ("banded", "dotted")}
        | {"dtd/labels/train1.txt": 1, "dtd/imdb/imdb.mat": 1},
        {},
        {"banded": "5", "dotted": "5"},
    ),
    "caltech-101": (
        {f"caltech-101/101_ObjectCategories/{c}/image_000#.jpg": 5 for c in ("accordion", "airplanes")}
        | {f"caltech-101/Annotations/{c}/annotation_000#.mat": 5 for c in ("accordion", "Airplanes_Side_2")},
        {},
        {"accordion": "5", "airplanes": "5"},
    ),
    "splits-below-classes": (
        {f"{c}/{split}/#.jpg": n for c in ("cat", "dog") for split, n in (("train", 6), ("test", 2))},
        {},
        {"cat": "6/0/2", "dog": "6/0/2"},
    ),
    "splits-in-class-names": (
        {"train_cats/#.jpg": 6, "train_dogs/#.jpg": 6, "test_cats/#.jpg": 2, "test_dogs/#.jpg": 2},
        {},
        {"cats": "6/0/2", "dogs": "6/0/2"},
    ),
    "people-with-gestures": (
        {f"person{p}/{c}/#.jpg": 3 for p in range(1, 4) for c in ("fist", "palm")},
        {},
        {"fist": "9", "palm": "9"},
    ),
    "groups-below-classes": (
        {f"{c}/plant_{p}/#.jpg": 3 for c in ("healthy", "rust") for p in range(4)},
        {},
        {"healthy": "12", "rust": "12"},
    ),
    "one-class-with-a-folder-inside": (
        {f"class {c}/#.jpg": 3 for c in "abcdefghijklmnopqrstuvwxyz"} | {"class a/more/#.jpg": 3},
        {},
        {"class a": "6"} | {f"class {c}": "3" for c in "bcdefghijklmnopqrstuvwxyz"},
    ),
    "face-masks": (
        {"Face Mask Dataset/with_mask/#.jpg": 5, "Face Mask Dataset/without_mask/#.jpg": 5},
        {},
        {"with_mask": "5", "without_mask": "5"},
    ),
    "face-masks-and-splits": (
        {f"Face Mask Dataset/{split}/{c}/#.png": 5
         for split in ("Train", "Validation", "Test") for c in ("WithMask", "WithoutMask")},
        {},
        {"WithMask": "5/5/5", "WithoutMask": "5/5/5"},
    ),
    "hugging-face-metadata": (
        {"train/images/#.jpg": 6, "test/images/#.jpg": 4},
        {f"{split}/metadata.csv": "file_name,label\n" + "".join(
            f"images/{n}.jpg,{'cat' if n % 2 else 'dog'}\n" for n in range(count))
         for split, count in (("train", 6), ("test", 4))},
        {"cat": "3/0/2", "dog": "3/0/2"},
    ),
    "split-column": (
        {"images/#.jpg": 8},
        {"labels.csv": "image,species,split\n" + "".join(
            f"{n}.jpg,{'oak' if n % 2 else 'elm'},{'test' if n > 5 else 'train'}\n" for n in range(8))},
        {"oak": "3/0/1", "elm": "3/0/1"},
    ),
    "udemy-cats-and-dogs": (
        {f"dataset/{split}_set/{c}/{c[:-1]}.#.jpg": n
         for split, n in (("training", 8), ("test", 4)) for c in ("cats", "dogs")}
        | {"dataset/single_prediction/cat_or_dog_#.jpg": 2},
        {},
        {"cats": "8/0/4", "dogs": "8/0/4"},
    ),
    "control-and-test": ({"control/#.jpg": 4, "test/#.jpg": 4}, {}, {"control": "4", "test": "4"}),
    "valid-and-invalid": ({"valid/#.jpg": 4, "invalid/#.jpg": 4}, {}, {"valid": "4", "invalid": "4"}),
    "list-of-labels": (
        {"jpg/image_0000#.jpg": 8},
        {"labels.txt": "".join(f"image_0000{n}.jpg {'rose' if n % 2 else 'iris'}\n" for n in range(8))},
        {"rose": "4", "iris": "4"},
    ),
    "one-hot": (
        {"ISIC_Training_Input/ISIC_000#.jpg": 6},
        {"ISIC_Training_GroundTruth.csv": "image,MEL,NV\n" + "".join(
            f"ISIC_000{n},{float(n % 2)},{float(1 - n % 2)}\n" for n in range(6))},
        {"MEL": "3", "NV": "3"},
    ),
    "att-faces": (
        {f"orl_faces/s{n}/#.pgm": 4 for n in range(1, 4)} | {"orl_faces/README": 1},
        {},
        {"s1": "4", "s2": "4", "s3": "4"},
    ),
    "months": (
        {f"2020-0{n}/#.jpg": 4 for n in range(1, 4)},
        {},
        {"2020-01": "4", "2020-02": "4", "2020-03": "4"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CERTAIN)
def test_the_classes_and_splits_of_a_public_layout_are_found(name: str) -> None:
    listing, tables, expected = CERTAIN[name]
    assert counts_of(read_layout(source_of(listing, tables))) == expected


ASKED: dict[str, tuple[Listing, dict[str, dict[str, str]]]] = {
    "office-home": (
        {f"OfficeHome/{d}/{c}/0000#.jpg": 3
         for d in ("Art", "Clipart", "Product") for c in ("Alarm_Clock", "Backpack")},
        {"level-2": {"Alarm_Clock": "9", "Backpack": "9"},
         "level-1": {"Art": "6", "Clipart": "6", "Product": "6"}},
    ),
    "plants-with-conditions": (
        {f"{plant}/{c}/#.jpg": 3 for plant in ("apple", "corn") for c in ("healthy", "rust")},
        {"level-2": {"healthy": "6", "rust": "6"}, "level-1": {"apple": "6", "corn": "6"},
         "both": {"apple healthy": "3", "apple rust": "3", "corn healthy": "3", "corn rust": "3"}},
    ),
    "breakhis": (
        {f"breast/{c}/SOB/{t}/SOB_{t}-1{p}234/{z}X/#.png": 2
         for c, types in (("benign", "ab"), ("malignant", "cd")) for t in types for p in range(2) for z in (40, 100)},
        {"level-1": {"benign": "16", "malignant": "16"}},
    ),
    "blood-cells": (
        {f"dataset2-master/dataset2-master/images/{split}/{c}/_0_#.jpeg": n
         for split, n in (("TRAIN", 6), ("TEST", 3), ("TEST_SIMPLE", 1)) for c in ("EOSINOPHIL", "LYMPHOCYTE")}
        | {"dataset-master/dataset-master/JPEGImages/BloodImage_#.jpg": 12},
        {},
    ),
    "augmented-and-original": (
        {f"{kind}/{c}/#.jpg": 4 for kind in ("Original Images", "Augmented Images") for c in ("monkeypox", "others")},
        {"only Original Images": {"monkeypox": "4", "others": "4"}},
    ),
    "folds-with-splits": (
        {f"fold_{f}/{split}/{c}/#.jpg": 3 for f in (1, 2) for split in ("train", "test") for c in ("cat", "dog")},
        {"only fold_1": {"cat": "3/0/3", "dog": "3/0/3"}},
    ),
    "original-and-mask": (
        {f"{kind}/{c}/#.jpg": 4 for kind in ("original", "mask") for c in ("polyp", "normal")},
        {"only original": {"polyp": "4", "normal": "4"}},
    ),
    "flat-parts": (
        {"part_1/#.jpg": 4, "part_2/#.jpg": 4},
        {"level-1": {"part_1": "4", "part_2": "4"}},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ASKED)
def test_two_plausible_readings_are_a_question_that_layout_answers(name: str) -> None:
    listing, answers = ASKED[name]
    with pytest.raises(LayoutQuestionError) as asked:
        read_layout(source_of(listing))
    keys = [choice.key for choice in asked.value.choices]
    assert all(f"--layout {key}" in str(asked.value) or f'--layout "{key}"' in str(asked.value) for key in keys)
    for key, expected in answers.items():
        assert key in keys
        assert counts_of(read_layout(source_of(listing), layout=key)) == expected
    for choice in asked.value.choices:
        assert sum(choice.counts.values()) > 0
        assert all(choice.samples[label] for label in list(choice.counts)[:6])


REFUSED = {
    "yolo": ({"images/train/#.jpg": 4, "images/val/#.jpg": 2, "labels/train/#.txt": 4}, "boxes for detection"),
    "pascal-voc": (
        {"JPEGImages/00#.jpg": 4, "Annotations/00#.xml": 4, "SegmentationClass/00#.png": 2}, "boxes for detection"
    ),
    "flat-numbers": ({"jpg/image_0000#.jpg": 6}, "no folder, file name or table of labels"),
    "one-class": ({"photos/cat/#.jpg": 6}, "at least two"),
    "train-and-test-without-labels": ({"train/IMG_#.jpg": 6, "test/IMG_#.jpg": 6}, "no labels"),
    "other-names-in-test": (
        {"train/cat/#.jpg": 4, "train/dog/#.jpg": 4, "test/cats/#.jpg": 2, "test/dogs/#.jpg": 2},
        "give the folders of one class the same name",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_pictures_without_labels_are_refused_with_their_reason(name: str) -> None:
    listing, reason = REFUSED[name]
    with pytest.raises(DatasetError, match=reason):
        read_layout(source_of(listing))
