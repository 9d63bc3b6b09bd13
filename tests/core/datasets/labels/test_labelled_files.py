"""Tables of all splits give labels together; the same pictures have the same labels in every form."""

import hashlib
from pathlib import Path

import pytest

from core.datasets.labels.label_columns import label_columns
from core.datasets.labels.label_tables import TABLE_SUFFIXES, LabelTable, read_table
from core.datasets.labels.labelled_files import FileLabels, join_tables, label_files
from core.datasets.labels.parquet_source import find_parquet_images
from core.datasets.labels.words import split_of
from core.datasets.sources.folder import FolderSource
from core.datasets.sources.opening import open_source
from tests.support.hugging_face_forms import FORMS, Labelled
from tests.support.images import encoded, photo

MANY = 10**9
Content = set[tuple[str, str, str | None]]


def labels(files: dict[str, str], names: list[str], column: str | None = None) -> FileLabels | None:
    return label([read_table(name, text.encode()) for name, text in files.items()], names, column)


def label(tables: list[LabelTable], names: list[str], column: str | None = None) -> FileLabels | None:
    for whole in join_tables(tables, names):
        columns = [column] if column else label_columns(whole.table, whole.files)
        if columns:
            return label_files(whole, columns[0])
    return None


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def read_back(folder: Path) -> Content:
    """What this project's readers see in a folder of any form."""
    source = FolderSource(folder)
    images = find_parquet_images(open_source(folder))
    if images is not None:
        return {(digest(images.read(entry, MANY)), str(entry.label), entry.split) for entry in images.entries()}
    data = {entry.name: source.read(entry, MANY) for entry in source.entries()}
    tables = [read_table(name, text) for name, text in data.items() if name.endswith(TABLE_SUFFIXES)]
    found = label(tables, [name for name in data if not name.endswith(TABLE_SUFFIXES)])
    if found is None:  # class folders
        return {(digest(item), Path(name).parent.name, split_of(name.split("/")[0])) for name, item in data.items()}
    return {(digest(data[name]), label, split_of(name.split("/")[0])) for name, label in found.labels.items()}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("splits", [(None,), ("train", "train", "train", "val", "test")])
def test_every_form_gives_the_same_pictures_labels_and_splits(tmp_path: Path, form, splits):
    made = [
        Labelled(f"{n}.png", encoded(photo(n), "PNG"), ("cat", "dog", "Käfer")[n % 3], splits[n // 3 % len(splits)])
        for n in range(30)
    ]
    FORMS[form](made, tmp_path)
    assert read_back(tmp_path) == {(digest(item.data), item.label, item.split) for item in made}


def test_a_split_with_each_class_once_is_labelled_by_its_column():
    lines = "file_name,label\n" + "".join(f"{n}.jpg,{'cat' if n % 2 else 'dog'}\n" for n in range(8))
    files = {"train/metadata.csv": lines, "test/metadata.csv": "file_name,label\n0.jpg,cat\n1.jpg,dog\n"}
    names = [*(f"train/{n}.jpg" for n in range(8)), "test/0.jpg", "test/1.jpg"]
    found = labels(files, names)
    assert found is not None
    assert found.labels["test/0.jpg"] == "cat"
    assert set(found.labels) == set(names)
    assert found.tables == ("train/metadata.csv", "test/metadata.csv")


def test_a_form_for_answers_labels_nothing():
    lines = "id,label\n" + "".join(f"{n},{'cat' if n % 2 else 'dog'}\n" for n in range(8))
    files = {"train.csv": lines, "sample_submission.csv": "id,label\n" + "".join(f"t{n},cat\n" for n in range(20))}
    found = labels(files, [*(f"train/{n}.jpg" for n in range(8)), *(f"test/t{n}.jpg" for n in range(20))])
    assert found is not None
    assert set(found.labels) == {f"train/{n}.jpg" for n in range(8)}


def test_what_is_left_out_is_counted():
    rows = [
        "0.jpg,cat",
        "1.jpg,dog",
        "2.jpg,cat",
        "3.jpg,dog",
        "4.jpg,",
        "5.jpg,cat",
        "5.jpg,dog",
        "9.jpg,cat",
        "8.jpg,cat",
    ]
    found = labels({"l.csv": "file,label\n" + "\n".join(rows)}, [f"{n}.jpg" for n in range(7)])
    assert found is not None
    assert found.labels == {"0.jpg": "cat", "1.jpg": "dog", "2.jpg": "cat", "3.jpg": "dog"}
    assert found.notes == (
        "The labels are those of the column 'label' in l.csv.",
        "2 rows of l.csv without a picture of that name here: left out.",
        "1 picture without a label in l.csv: left out.",
        "1 picture with several labels in l.csv: left out.",
    )


def test_a_chosen_column_is_taken_and_a_table_without_files_is_none():
    lines = "file,breed,coat\n" + "".join(f"{n}.jpg,{'pug' if n % 2 else 'tabby'},{n // 2 % 2}x\n" for n in range(8))
    names = [f"{n}.jpg" for n in range(8)]
    found = labels({"l.csv": lines}, names, "coat")
    assert found is not None
    assert set(found.labels.values()) == {"0x", "1x"}
    assert labels({"l.csv": "a,b\n1,2\n"}, names) is None


def test_a_column_gives_the_splits():
    words = ("train", "train", "validation", "testing")
    lines = "file,label,set\n" + "".join(f"{n}.jpg,{n % 2},{words[n % 4]}\n" for n in range(8))
    found = labels({"l.csv": lines}, [f"{n}.jpg" for n in range(8)])
    assert found is not None
    assert [found.splits[f"{n}.jpg"] for n in range(4)] == ["train", "train", "val", "test"]
