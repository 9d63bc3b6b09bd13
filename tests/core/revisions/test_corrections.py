"""Corrections: a log that only grows, with undo, that no killed process spoils."""

import random

import pytest

from core.actor import Actor
from core.datasets.dataset import CORRECTIONS, Dataset
from core.errors import DatasetError, RightsError
from core.revisions.corrections import (
    add_pictures,
    corrected,
    drop,
    read_corrections,
    relabel,
    rename_class,
    undo,
)
from core.revisions.corrections_check import verify_corrections

ADA = Actor("p-ada", "Ada")


def test_pictures_get_another_class_or_none(drawn: Dataset) -> None:
    relabel(drawn, [0, 2], "wolf")
    drop(drawn, [1])
    found = corrected(drawn)
    assert found.labels[:3] == ("wolf", None, "wolf")
    assert found.changed(drawn) == [0, 1, 2]
    assert found.classes["wolf"] == 2
    assert sum(found.classes.values()) == len(drawn.rows) - 1


def test_a_class_that_gets_the_name_of_another_is_merged_with_it(drawn: Dataset) -> None:
    one, two = drawn.classes
    rename_class(drawn, one, two)
    assert corrected(drawn).classes == {two: len(drawn.rows)}


def test_undo_takes_the_last_one_that_stands(drawn: Dataset) -> None:
    relabel(drawn, [0], "wolf")
    drop(drawn, [1])
    relabel(drawn, [2], "fox")
    assert undo(drawn).to == "fox"
    assert undo(drawn).kind == "drop"
    relabel(drawn, [3], "fox")
    assert [item.to for item in corrected(drawn).standing] == ["wolf", "fox"]
    assert undo(drawn).rows == (3,)
    assert undo(drawn).rows == (0,)
    with pytest.raises(DatasetError, match="There is no correction of drawn to undo"):
        undo(drawn)


def test_the_log_notes_who_changed_what(drawn: Dataset) -> None:
    relabel(drawn, [5], "wolf")
    undo(drawn)
    assert [(item.kind, item.by, item.at > 0) for item in read_corrections(drawn.folder)] == [
        ("relabel", "local", True),
        ("undo", "local", True),
    ]


def test_only_the_owner_and_the_presenter_correct(drawn: Dataset) -> None:
    with pytest.raises(RightsError, match="belongs to another person"):
        relabel(drawn, [0], "wolf", by=ADA)
    with pytest.raises(RightsError):
        undo(drawn, by=ADA)
    assert read_corrections(drawn.folder) == ()


@pytest.mark.parametrize("rows", [[], [-1], [10**6]])
def test_a_picture_that_is_not_there_is_refused(drawn: Dataset, rows: list[int]) -> None:
    with pytest.raises(DatasetError, match="by its number from 0 to"):
        relabel(drawn, rows, "wolf")


def test_names_are_cleaned_and_must_not_be_empty(drawn: Dataset) -> None:
    assert relabel(drawn, [0], "  big \u202e wolf ").to == "big wolf"
    for name in ("", "  ", "\u202e"):
        with pytest.raises(DatasetError, match="empty"):
            relabel(drawn, [0], name)
    with pytest.raises(DatasetError, match="has this name already"):
        rename_class(drawn, drawn.classes[0], drawn.classes[0])
    with pytest.raises(DatasetError, match="There is no class 'zebra'"):
        rename_class(drawn, "zebra", "horse")
    with pytest.raises(DatasetError, match="there already"):
        add_pictures(drawn, drawn)


@pytest.mark.parametrize("end", [b'{"kind": "rela', b"{"])
def test_a_line_that_a_killed_process_left_half_is_cut_off(drawn: Dataset, end: bytes) -> None:
    relabel(drawn, [0], "wolf")
    with (drawn.folder / CORRECTIONS).open("ab") as file:
        file.write(end)
    assert [item.to for item in corrected(drawn).standing] == ["wolf"]
    relabel(drawn, [1], "fox")
    assert [item.to for item in corrected(drawn).standing] == ["wolf", "fox"]


@pytest.mark.parametrize("line", [b"nonsense\n", b'{"kind": "burn"}\n', b'{"kind": "drop", "rows": [100000]}\n'])
def test_a_damaged_log_is_one_sentence_and_is_set_aside(drawn: Dataset, line: bytes) -> None:
    (drawn.folder / CORRECTIONS).write_bytes(line)
    with pytest.raises(DatasetError, match="The corrections of drawn are damaged"):
        corrected(drawn)
    [problem] = verify_corrections(drawn.folder)
    assert problem.path == drawn.folder / CORRECTIONS


def test_a_thousand_random_corrections_end_where_a_model_in_memory_ends(drawn: Dataset) -> None:
    numbers = random.Random(20_031)
    first = [drawn.classes[row.label] for row in drawn.rows]
    history: list[list[str | None]] = [list(first)]
    for _ in range(1000):
        labels = list(history[-1])
        there = sorted({label for label in labels if label is not None})
        deed = numbers.choice(["relabel", "relabel", "drop", "rename", "undo", "tear"])
        if deed == "undo" and len(history) > 1:
            undo(drawn)
            history.pop()
            continue
        if deed == "tear":  # a process was killed while it wrote
            with (drawn.folder / CORRECTIONS).open("ab") as file:
                file.write(b'{"kind": "drop", "rows": [1')
            continue
        rows = numbers.sample(range(len(labels)), numbers.randint(1, 5))
        name = numbers.choice(["cat", "dog", "fox", "wolf"])
        if deed == "relabel":
            relabel(drawn, rows, name)
            for row in rows:
                labels[row] = name
        elif deed == "drop":
            drop(drawn, rows)
            for row in rows:
                labels[row] = None
        elif deed == "rename" and name != (old := numbers.choice(there)):
            rename_class(drawn, old, name)
            labels = [name if label == old else label for label in labels]
        else:
            continue
        history.append(labels)
    assert list(corrected(drawn).labels) == history[-1]
    assert len(corrected(drawn).standing) == len(history) - 1
