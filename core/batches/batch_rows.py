"""The table of a batch: a JSON line for each file, appended in pieces as they are predicted. Imports no torch.

A line is `{"i": place, "file": name, "label": class, "p": [probability of each class], "problem": sentence}`, in
ASCII, so that a name of any bytes comes back as it was. Pieces have a fixed size and begin at a fixed place: a batch
that was killed keeps its whole pieces and predicts the others as it would have done, to the last digit.
"""

import csv
import io
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from core.formatting import format_cell

PIECE = 16  # files that are predicted together
DECIMALS = 6  # of a probability
CSV_LINES = 500  # handed on at a time


@dataclass(frozen=True)
class Row:
    """What came of one file.

    Attributes:
        file: its name in the folder or archive.
        label: the most probable class; None where it could not be read.
        probabilities: of each class, in the run's order.
        problem: one sentence where it could not be read.
    """

    file: str
    label: str | None = None
    probabilities: tuple[float, ...] = ()
    problem: str | None = None

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
        )


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


def write_csv(rows: Iterable[Row], classes: Sequence[str]) -> Iterator[str]:
    """The table as CSV, some lines at a time: `file, label, probability, p CLASS …, problem`.

    A text that a spreadsheet would take for a formula gets an apostrophe before it, and a byte of a name that is not
    UTF-8 is written as `\\xe9`.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["file", "label", "probability", *(f"p {printable(name)}" for name in classes), "problem"])
    for count, row in enumerate(rows, start=1):
        shares = row.probabilities or ("",) * len(classes)
        texts = [format_cell(printable(text or "")) for text in (row.file, row.label, row.problem)]
        most = "" if row.probability is None else row.probability
        writer.writerow([texts[0], texts[1], most, *shares, texts[2]])
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
    """

    files: tuple[str, ...]
    labels: npt.NDArray[np.int32]
    probabilities: npt.NDArray[np.float32]
    problems: dict[int, str]

    def count_classes(self, count: int) -> npt.NDArray[np.int64]:
        """(C,): how many files each class got."""
        return np.bincount(self.labels[self.labels >= 0], minlength=count)

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


def read_table(path: Path, classes: Sequence[str]) -> Table:
    """The rows so far, in columns."""
    place_of = {name: place for place, name in enumerate(classes)}
    files, labels, probabilities, problems = [], [], [], {}
    for place, row in enumerate(read_rows(path)):
        files.append(row.file)
        labels.append(-1 if row.label is None else place_of.get(row.label, -1))
        probabilities.append(np.nan if row.probability is None else row.probability)
        if row.problem is not None:
            problems[place] = row.problem
    return Table(tuple(files), np.array(labels, np.int32), np.array(probabilities, np.float32), problems)
