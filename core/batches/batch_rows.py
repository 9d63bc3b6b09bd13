"""The table of a batch: a JSON line for each file, appended in pieces as they are predicted. Imports no torch.

A line has `i` (place), `file`, `label`, `p` (of each class), `problem` (a sentence), and where the run knows its
training pictures `p_value` (how strange), `set` (classes that it may be) and `nearest` (training picture, its class,
distance). It is ASCII, so that a name of any bytes comes back as it was. Pieces have a fixed size and begin at a fixed
place: a batch that was killed keeps its whole pieces and predicts the others as it would have done, to the last digit.
"""

import csv
import io
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from core.batches.batch import BatchRequest
from core.formatting import format_cell
from core.novelty.not_sure import NotSure
from core.predict.answers_in_words import is_unsure

PIECE = 16  # files that are predicted together
DECIMALS = 6  # of a probability
LAST = ("not_sure", "set", "nearest", "problem")  # columns after the classes
CSV_LINES = 500  # handed on at a time


@dataclass(frozen=True)
class Row:
    """What came of one file.

    Attributes:
        file: its name in the folder or archive.
        label: the most probable class; None where it could not be read.
        probabilities: of each class, in the run's order.
        problem: one sentence where it could not be read.
        p_value: at most this share of known pictures looks as strange; None where the run does not know that.
        may_be: classes that it may be, at the batch's promise; None where none can be made.
        nearest: place of the nearest training picture in its dataset, its class, its distance.
    """

    file: str
    label: str | None = None
    probabilities: tuple[float, ...] = ()
    problem: str | None = None
    p_value: float | None = None
    may_be: tuple[str, ...] | None = None
    nearest: tuple[int, str, float] | None = None

    def is_strange(self, promise: float) -> bool:
        """Whether it is unlike the training pictures, which at most the promised share of known pictures is called."""
        return self.p_value is not None and NotSure(self.p_value, 0, ()).refused(promise)

    @property
    def is_open(self) -> bool:
        """Whether more than one class is possible; without a promise, whether its probability is small."""
        if self.may_be is not None:
            return len(self.may_be) > 1
        return self.probability is not None and is_unsure(self.probability)

    @property
    def probability(self) -> float | None:
        """Of the most probable class."""
        return max(self.probabilities) if self.probabilities else None

    def to_line(self, place: int) -> bytes:
        """The line of the table."""
        record = {
            "i": place,
            "file": self.file,
            "label": self.label,
            "p": [round(value, DECIMALS) for value in self.probabilities],
            "problem": self.problem,
            "p_value": self.p_value,
            "set": self.may_be,
            "nearest": self.nearest,
        }
        return json.dumps(record, allow_nan=False).encode("ascii") + b"\n"

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> "Row":
        """The row of a line that was parsed."""
        label, problem = record["label"], record["problem"]
        return cls(
            str(record["file"]),
            None if label is None else str(label),
            tuple(float(value) for value in record["p"]),
            None if problem is None else str(problem),
            None if record["p_value"] is None else float(record["p_value"]),
            None if record["set"] is None else tuple(map(str, record["set"])),
            None if record["nearest"] is None else _nearest(*record["nearest"]),
        )


def _nearest(index: Any, label: Any, distance: Any) -> tuple[int, str, float]:
    return int(index), str(label), float(distance)


def append_rows(path: Path, start: int, rows: Sequence[Row]) -> None:
    """Append a piece; what a full disk left of it is cut off again.

    Args:
        start: place of the first row.
    """
    with path.open("ab", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        data = b"".join(row.to_line(start + place) for place, row in enumerate(rows))
        try:
            while data:
                data = data[file.write(data) :]
        except OSError:
            with suppress(OSError):
                file.truncate(size)
            raise


def keep_whole_pieces(path: Path, total: int) -> int:
    """Cut off what a killed process left after the last whole piece; returns how many rows are kept.

    Args:
        total: files of the batch: its last piece may be short.
    """
    if not path.exists():
        return 0
    count = size = kept = kept_bytes = 0
    with path.open("rb") as file:
        for line in file:
            if not line.endswith(b"\n") or _place(line) != count:
                break
            count, size = count + 1, size + len(line)
            if count % PIECE == 0 or count == total:
                kept, kept_bytes = count, size
    os.truncate(path, kept_bytes)
    return kept


def _place(line: bytes) -> int | None:
    try:
        record = json.loads(line)
        Row.from_record(record)
        return int(record["i"])
    except (ValueError, KeyError, TypeError):
        return None


def read_rows(path: Path) -> Iterator[Row]:
    """The rows so far; a line that is still being written ends them."""
    try:
        with path.open("rb") as file:
            for line in file:
                try:
                    yield Row.from_record(json.loads(line))
                except (ValueError, KeyError, TypeError):
                    return
    except FileNotFoundError:
        return


def write_csv(rows: Iterable[Row], classes: Sequence[str], promise: float) -> Iterator[str]:
    """The table as CSV, some lines at a time: `file, label, probability, p CLASS …, not_sure, set,
    nearest, problem`.

    A text that a spreadsheet would take for a formula gets an apostrophe before it, and a byte of a name that is not
    UTF-8 is written as `\\xe9`.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["file", "label", "probability", *(f"p {printable(name)}" for name in classes), *LAST])
    for count, row in enumerate(rows, start=1):
        shares = row.probabilities or ("",) * len(classes)
        found = (row.file, row.label, " | ".join(row.may_be or ()), row.nearest and row.nearest[1], row.problem)
        file, label, may_be, nearest, problem = (format_cell(printable(text or "")) for text in found)
        most = "" if row.probability is None else row.probability
        strange = "" if row.p_value is None else int(row.is_strange(promise))
        writer.writerow([file, label, most, *shares, strange, may_be, nearest, problem])
        if count % CSV_LINES == 0:
            yield buffer.getvalue()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue()


def printable(name: str) -> str:
    """A name that can be written as UTF-8: a byte that is not becomes `\\xe9`."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


@dataclass(frozen=True)
class Table:
    """All rows in columns, for pages that sort and filter them.

    Attributes:
        files: names.
        labels: (N,) places of the most probable classes; -1 where there is none.
        probabilities: (N,) of them; NaN where there is none.
        problems: by place.
        strange: (N,) bool, unlike anything the run was trained on.
        may_be: by place, the classes of those that are not strange and may be of more than one; empty where the run
            makes no promise and the probability is small.
    """

    files: tuple[str, ...]
    labels: npt.NDArray[np.int32]
    probabilities: npt.NDArray[np.float32]
    problems: dict[int, str]
    strange: npt.NDArray[np.bool_]
    may_be: dict[int, tuple[str, ...]]

    @cached_property
    def not_sure(self) -> npt.NDArray[np.bool_]:
        """(N,) bool: strange, or perhaps of more than one class."""
        found = self.strange.copy()
        found[list(self.may_be)] = True
        return found

    def count_classes(self, count: int, *, not_sure: bool = False) -> npt.NDArray[np.int64]:
        """(C,): how many files each class got.

        Args:
            count: classes.
            not_sure: whether pictures that are not sure count for their most probable class.
        """
        wanted = self.labels >= 0 if not_sure else (self.labels >= 0) & ~self.not_sure
        return np.bincount(self.labels[wanted], minlength=count)

    def least_sure_first(self, label: int | None = None, below: float = 1.0) -> npt.NDArray[np.int64]:
        """Places of the answered files, the least sure first.

        Args:
            label: of one class only.
            below: probabilities above it are left out.
        """
        wanted = (self.labels >= 0) & (self.probabilities <= below)
        if label is not None:
            wanted &= self.labels == label
        places = np.flatnonzero(wanted)
        return places[np.argsort(self.probabilities[places], kind="stable")]


def read_table(path: Path, request: BatchRequest) -> Table:
    """The rows so far, in columns."""
    place_of = {name: place for place, name in enumerate(request.classes)}
    files, labels, probabilities, problems, strange = [], [], [], {}, []
    may_be: dict[int, tuple[str, ...]] = {}
    for place, row in enumerate(read_rows(path)):
        files.append(row.file)
        labels.append(-1 if row.label is None else place_of.get(row.label, -1))
        probabilities.append(np.nan if row.probability is None else row.probability)
        strange.append(row.is_strange(request.promise))
        if row.is_open and not strange[-1]:
            may_be[place] = row.may_be or ()
        if row.problem is not None:
            problems[place] = row.problem
    return Table(
        tuple(files),
        np.array(labels, np.int32),
        np.array(probabilities, np.float32),
        problems,
        np.array(strange, np.bool_),
        may_be,
    )
