"""The table of a batch: whole pieces survive, names come back as they were, a spreadsheet computes nothing."""

import csv
import io
from pathlib import Path

import numpy as np
import pytest

from core.batches.batch import BatchRequest
from core.batches.batch_rows import PIECE, Row, append_rows, keep_whole_pieces, read_rows, read_table, write_csv

REQUEST = BatchRequest("run", "folder", "/pictures", "pictures", ("cat", "dog"), ())


def rows_of(count: int) -> list[Row]:
    return [Row(f"{place}.jpg", "cat", (0.75, 0.25)) for place in range(count)]


@pytest.mark.parametrize(
    "tail", [b"", b'{"i": 16, "file": "a', b'{"i": 16}\n', b"\0\0\0\n", b'{"i": 3, "file": "x"}\n']
)
def test_what_a_killed_process_left_is_cut_off_after_the_last_whole_piece(tmp_path: Path, tail: bytes) -> None:
    path = tmp_path / "rows.jsonl"
    append_rows(path, 0, rows_of(PIECE))
    whole = path.read_bytes()
    append_rows(path, PIECE, rows_of(5))
    with path.open("ab") as file:
        file.write(tail)
    assert keep_whole_pieces(path, 100) == PIECE
    assert path.read_bytes() == whole


def test_a_short_piece_is_whole_only_at_the_end_of_the_batch(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    append_rows(path, 0, rows_of(PIECE + 3))
    assert keep_whole_pieces(path, PIECE + 3) == PIECE + 3
    assert keep_whole_pieces(path, PIECE + 4) == PIECE
    assert len(list(read_rows(path))) == PIECE


def test_names_of_any_bytes_come_back_as_they_were(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    names = ["caf\udce9.jpg", "two\nlines.jpg", "<b>.jpg", "=1+1.jpg", "猫.jpg", "\u2028.jpg"]
    append_rows(path, 0, [Row(name, "cat", (1.0, 0.0)) for name in names])
    assert [row.file for row in read_rows(path)] == names


def test_a_csv_file_computes_nothing_and_keeps_a_line_for_each_file() -> None:
    names = ["=cmd|'/c calc'!A0", "+1.jpg", "-1.jpg", "@x.jpg", "two\nlines.jpg", "caf\udce9.jpg", 'a,"b".jpg']
    rows = [*(Row(name, "=2+3", (0.9, 0.1)) for name in names), Row("bad.jpg", problem="-bad.jpg is empty.")]
    text = "".join(write_csv(rows, ("=2+3", "dog"), 0.05))
    text.encode("utf-8")  # of UTF-8 alone
    head, *lines = csv.reader(io.StringIO(text))
    assert head == ["file", "label", "probability", "p =2+3", "p dog", "not_sure", "set", "nearest", "problem"]
    assert [line[0] for line in lines] == [
        "'=cmd|'/c calc'!A0", "'+1.jpg", "'-1.jpg", "'@x.jpg", "two\nlines.jpg", "caf\\xe9.jpg", 'a,"b".jpg', "bad.jpg",
    ]  # fmt: skip
    assert lines[0][1:] == ["'=2+3", "0.9", "0.9", "0.1", "", "", "", ""]
    assert lines[-1][1:] == ["", "", "", "", "", "", "", "'-bad.jpg is empty."]


def test_a_csv_file_names_what_a_picture_may_be_and_whether_it_is_strange() -> None:
    known = Row("a.jpg", "cat", (0.6, 0.4), None, 0.5, ("cat", "dog"), (7, "dog", 0.1))
    strange = Row("b.jpg", "cat", (0.6, 0.4), None, 0.05, ("cat",), (7, "=1", 0.9))
    _, *lines = csv.reader(io.StringIO("".join(write_csv([known, strange], ("cat", "dog"), 0.05))))
    assert lines[0][5:] == ["0", "cat | dog", "dog", ""]
    assert lines[1][5:] == ["1", "cat", "'=1", ""]


def test_a_table_is_sorted_and_filtered(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    given = [("a", "cat", (0.9, 0.1), None, 0.01), ("b", "dog", (0.4, 0.6)), ("c", "cat", (0.7, 0.3), None, 0.5)]
    append_rows(path, 0, [*(Row(*values) for values in given), Row("d", problem="d is empty.")])
    table = read_table(path, REQUEST)
    assert table.count_classes(2).tolist() == [1, 1]
    assert table.count_classes(2, not_sure=True).tolist() == [2, 1]
    assert table.least_sure_first().tolist() == [1, 2, 0]
    assert table.least_sure_first(0).tolist() == [2, 0]
    assert table.least_sure_first(below=0.8).tolist() == [1, 2]
    assert table.strange.tolist() == [True, False, False, False]
    assert table.problems == {3: "d is empty."}
    assert np.isnan(table.probabilities[3])


def test_a_table_knows_which_pictures_may_be_of_more_than_one_class(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    both = ("dog", "cat")
    rows = [
        Row("one class", "cat", (0.55, 0.45), None, 0.5, ("cat",)),
        Row("two classes", "dog", (0.2, 0.8), None, 0.5, both),
        Row("strange", "dog", (0.2, 0.8), None, 0.01, both),
        Row("no promise, small", "cat", (0.55, 0.45)),
        Row("no promise, large", "cat", (0.65, 0.35)),
        Row("damaged", problem="damaged is empty."),
    ]
    append_rows(path, 0, rows)
    table = read_table(path, REQUEST)
    assert table.may_be == {1: both, 3: ()}
    assert table.not_sure.tolist() == [False, True, True, True, False, False]
    assert table.count_classes(2).tolist() == [2, 0]
    assert table.count_classes(2, not_sure=True).tolist() == [3, 2]
