"""Prediction tables: what they compute, and that their file keeps every bit and notices damage."""

import csv
import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.errors import RunError
from core.statistics.predictions import PredictionTable, read_predictions, write_predictions

AWKWARD_CLASSES = ("Katze, groß", 'the "dog"', "犬\nsecond line", "=1+1", " p:", "🐈")


def random_table(n: int = 50, classes: tuple[str, ...] = ("Cat", "Dog"), seed: int = 0) -> PredictionTable:
    rng = np.random.default_rng(seed)
    return PredictionTable(
        split="test",
        classes=classes,
        image_ids=tuple(f"{number:064x}" for number in range(n)),
        indices=rng.permutation(10 * n)[:n],
        labels=rng.integers(0, len(classes), n),
        probabilities=rng.dirichlet(np.ones(len(classes)), n),
    )


def written(folder: Path, table: PredictionTable) -> Path:
    path = folder / "predictions.csv"
    write_predictions(path, table)
    return path


def test_the_most_probable_class_is_the_prediction() -> None:
    table = PredictionTable(
        "test",
        ("a", "b", "c"),
        ("x", "y", "z"),
        np.array([5, 6, 7]),
        np.array([2, 0, 1]),
        np.array([[0.1, 0.2, 0.7], [0.4, 0.4, 0.2], [0.9, 0.1, 0.0]]),
    )
    assert table.predicted.tolist() == [2, 0, 0]
    assert table.correct.tolist() == [True, True, False]
    assert table.accuracy == 2 / 3
    assert table.n == 3


def test_a_table_without_pictures_has_no_accuracy() -> None:
    table = random_table(0)
    assert table.n == 0
    assert table.accuracy is None
    assert table.predicted.shape == (0,)


@pytest.mark.parametrize("classes", [("only",), ("Cat", "Dog"), AWKWARD_CLASSES], ids=["one", "two", "awkward"])
def test_a_table_comes_back_from_its_file_to_the_last_bit(tmp_path: Path, classes: tuple[str, ...]) -> None:
    table = random_table(200, classes)
    back = read_predictions(written(tmp_path, table))
    assert back.split == table.split
    assert back.classes == table.classes
    assert back.image_ids == table.image_ids
    assert back.indices.tolist() == table.indices.tolist()
    assert back.labels.tolist() == table.labels.tolist()
    assert back.probabilities.tobytes() == table.probabilities.tobytes()


def test_tiny_huge_and_single_precision_probabilities_come_back_exactly(tmp_path: Path) -> None:
    single = np.float32(1) / np.float32(3)
    values = np.array([[5e-324, 1.0], [0.0, np.nextafter(1.0, 0.0)], [float(single), 1e-17]])
    table = PredictionTable("val", ("a", "b"), ("x", "y", "z"), np.arange(3), np.zeros(3, int), values)
    assert read_predictions(written(tmp_path, table)).probabilities.tobytes() == values.tobytes()


def test_the_file_is_plain_csv_with_a_column_for_each_class(tmp_path: Path) -> None:
    table = random_table(3, ("Cat", "Dog"))
    with written(tmp_path, table).open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["picture", "split", "index", "label", "predicted", "p:Cat", "p:Dog"]
    assert [int(row["predicted"]) for row in rows] == table.predicted.tolist()
    assert [float(row["p:Dog"]) for row in rows] == table.probabilities[:, 1].tolist()


def test_an_empty_table_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="the test split is empty"):
        write_predictions(tmp_path / "predictions.csv", random_table(0))
    assert list(tmp_path.iterdir()) == []


def test_a_missing_file_and_a_damaged_one_have_different_messages(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"There is no absent\.csv of run"):
        read_predictions(tmp_path / "absent.csv")


def test_a_folder_in_the_place_of_the_file_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="cannot be read"):
        read_predictions(tmp_path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "cut off"),
        (b"\n", "header"),
        (b"picture,split,index,label,predicted,p:a,p:b\n", "no picture"),
        (b"picture,split,index,label,predicted\nx,test,0,0,0\n", "no class"),
        (b"picture,index,label\nx,0,0\n", "header"),
        (b"picture,split,index,label,predicted,p:a,b\nx,test,0,0,0,1,0\n", "header"),
        (b"picture,split,index,label,predicted,p:a,p:a\nx,test,0,0,0,1,0\n", "twice"),
        (b"picture,split,index,label,predicted,p:a,p:b\nx,test,0,0,0,1.0\n", "6 fields"),
        (b"picture,split,index,label,predicted,p:a,p:b\n\n", "0 fields"),
        (b"picture,split,index,label,predicted,p:a,p:b\nx,test,0,0,0,1.0,0.", "cut off"),
        (b"picture,split,index,label,predicted,p:a,p:b\nx,test,0,0,0,one,0.0\n", "could not convert"),
        (b"picture,split,index,label,predicted,p:a,p:b\nx,test,0,zero,0,1.0,0.0\n", "invalid literal"),
        (b"picture,split,index,label,predicted,p:a,p:b\nx,test,0,2,0,1.0,0.0\n", "none of the 2 classes"),
        (b"picture,split,index,label,predicted,p:a,p:b\nx,test,0,0,0,nan,0.0\n", "not a number from 0 to 1"),
        (b"picture,split,index,label,predicted,p:a,p:b\nx,test,0,0,0,7.0,0.0\n", "not a number from 0 to 1"),
        (b"picture,split,index,label,predicted,p:a,p:b\nx,test,0,0,1,1.0,0.0\n", "most probable"),
        (
            b"picture,split,index,label,predicted,p:a,p:b\nx,test,99999999999999999999,0,0,1.0,0.0\n",
            "too (large|big)|convert",
        ),
        (
            b"picture,split,index,label,predicted,p:a,p:b\nx,test,0,0,0,1.0,0.0\ny,val,1,0,0,1.0,0.0\n",
            "mixes splits",
        ),
        (b"\xff\xfe\x00picture\n", "cannot be read"),
        (b'picture,"split\n', "cannot be read"),
    ],
)
def test_a_damaged_file_is_one_sentence_with_its_name_and_the_remedy(
    tmp_path: Path, content: bytes, reason: str
) -> None:
    path = tmp_path / "predictions.csv"
    path.write_bytes(content)
    with pytest.raises(RunError, match=reason) as caught:
        read_predictions(path)
    assert f"{path.name} of run {path.parent.name}" in str(caught.value)
    assert str(path) not in str(caught.value)
    assert str(caught.value).endswith("train the run again.")


def test_a_file_cut_anywhere_inside_a_line_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, random_table(3))
    whole = path.read_bytes()
    for size in range(len(whole)):
        if size and whole[size - 1 : size] == b"\n":
            continue
        path.write_bytes(whole[:size])
        with pytest.raises(RunError):
            read_predictions(path)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"labels": np.array([0])}, "do not fit together"),
        ({"indices": np.array([0, 1, 2])}, "do not fit together"),
        ({"probabilities": np.full((2, 3), 0.3)}, "do not fit together"),
        ({"labels": np.array([0, 2])}, "none of the 2 classes"),
        ({"labels": np.array([-1, 0])}, "none of the 2 classes"),
        ({"probabilities": np.array([[0.5, np.nan], [1, 0]])}, "not a number from 0 to 1"),
        ({"probabilities": np.array([[0.5, -0.5], [1, 0]])}, "not a number from 0 to 1"),
        ({"classes": ()}, "no class"),
        ({"classes": ("a", "a")}, "twice"),
    ],
)
def test_a_table_that_makes_no_sense_cannot_be_made(change: dict[str, Any], reason: str) -> None:
    good = PredictionTable(
        "test", ("a", "b"), ("x", "y"), np.array([0, 1]), np.array([0, 1]), np.array([[1.0, 0.0], [0.0, 1.0]])
    )
    with pytest.raises(RunError, match=reason):
        dataclasses.replace(good, **change)
