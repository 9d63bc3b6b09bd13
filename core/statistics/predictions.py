"""The predictions of a run for every image of one split: a table in memory and a CSV file in the run's folder.

The file has one line per image with the columns `picture`, `split`, `index`, `label`, `predicted`, and one
column `p:NAME` per class in the order of the class numbers. Floats are written with their shortest exact
text, so that a table is read back to the last bit. The classes are in the header, because one file is either complete
or absent, and a pair of files is not.
"""

import csv
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from core.errors import RunError
from core.storage import atomic_open

_FIXED_COLUMNS = ["picture", "split", "index", "label", "predicted"]
_CLASS_PREFIX = "p:"
_ROUNDING = 1e-3  # a softmax in half precision may leave [0, 1] by this much


@dataclass(frozen=True, eq=False)
class PredictionTable:
    """Class probabilities for N images and C classes, in any order of images.

    Args:
        split: name of the split that the images belong to, such as `test` or `val`.
        classes: C class names; a label is a position in it.
        image_ids: N hashes of the images' pixels; exact copies share one.
        indices: (N,) int64, row of each image in the dataset table.
        labels: (N,) int64, true class.
        probabilities: (N, C) float64.
    Raises:
        RunError: if the sizes do not fit each other, a label is no class, or a probability is not in [0, 1].
    """

    split: str
    classes: tuple[str, ...]
    image_ids: tuple[str, ...]
    indices: NDArray[np.int64]
    labels: NDArray[np.int64]
    probabilities: NDArray[np.float64]

    def __post_init__(self) -> None:
        for name, kind in (("indices", np.int64), ("labels", np.int64), ("probabilities", np.float64)):
            object.__setattr__(self, name, np.asarray(getattr(self, name), dtype=kind))
        n, count = len(self.image_ids), len(self.classes)
        if count == 0:
            raise RunError("The predictions name no class: write at least one.")
        if len(set(self.classes)) != count:
            raise RunError("The predictions name a class twice: give every class its own name.")
        shapes = (self.indices.shape, self.labels.shape, self.probabilities.shape)
        if shapes != ((n,), (n,), (n, count)):
            raise RunError(
                f"The predictions do not fit together: {n} pictures and {count} classes, but indices, labels "
                f"and probabilities have the shapes {shapes[0]}, {shapes[1]} and {shapes[2]}."
            )
        if n and not 0 <= self.labels.min() <= self.labels.max() < count:
            raise RunError(f"A label of the predictions is none of the {count} classes.")
        # Written so that NaN fails too.
        if n and not bool(np.all((self.probabilities >= 0) & (self.probabilities <= 1 + _ROUNDING))):
            raise RunError("A probability of the predictions is not a number from 0 to 1.")

    @property
    def n(self) -> int:
        """Number of images."""
        return len(self.image_ids)

    @property
    def predicted(self) -> NDArray[np.int64]:
        """(N,) the most probable class; the first one of a tie."""
        return np.asarray(np.argmax(self.probabilities, axis=1), dtype=np.int64)

    @property
    def correct(self) -> NDArray[np.bool_]:
        """(N,) whether the most probable class is the true one."""
        return np.equal(self.predicted, self.labels)

    @property
    def accuracy(self) -> float | None:
        """Fraction of images that are right; None without images."""
        return float(self.correct.mean()) if self.n else None


def write_predictions(path: Path, table: PredictionTable) -> None:
    """Write a table as CSV, atomically.

    Raises:
        RunError: if the table holds no image.
    """
    if not table.n:
        raise RunError(f"There are no predictions to write: the {table.split} split is empty.")
    columns = zip(
        table.image_ids,
        table.indices.tolist(),
        table.labels.tolist(),
        table.predicted.tolist(),
        table.probabilities.tolist(),
        strict=True,
    )
    with atomic_open(path, "w") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(_FIXED_COLUMNS + [_CLASS_PREFIX + name for name in table.classes])
        for image_id, index, label, predicted, probabilities in columns:
            writer.writerow([image_id, table.split, index, label, predicted, *map(repr, probabilities)])


def read_predictions(path: Path) -> PredictionTable:
    """Read a table that `write_predictions` wrote.

    Raises:
        RunError: if the file is missing, cannot be read, or is damaged.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            text_rows = list(csv.reader(file, strict=True))
            whole = _ends_with_newline(path)
    except FileNotFoundError:
        raise RunError(f"There is no {_name(path)}: let the run finish, or train it again.") from None
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise RunError(f"The file {_name(path)} cannot be read ({reason}): train the run again.") from error
    if not whole:
        raise RunError(f"The file {_name(path)} is damaged (cut off at the end): train the run again.")
    try:
        return _parse(text_rows)
    except (ValueError, OverflowError, RunError) as error:
        reason = str(error).rstrip(".")
        raise RunError(f"The file {_name(path)} is damaged ({reason}): train the run again.") from error


def _name(path: Path) -> str:
    """What messages call a table: the name of its file and run, never a path of the server."""
    return f"{path.name} of run {path.parent.name}"


def _ends_with_newline(path: Path) -> bool:
    with path.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - 1))
        return file.read() == b"\n"


def _parse(text_rows: list[list[str]]) -> PredictionTable:
    header = text_rows[0] if text_rows else []
    names = header[len(_FIXED_COLUMNS) :]
    if header[: len(_FIXED_COLUMNS)] != _FIXED_COLUMNS or not all(n.startswith(_CLASS_PREFIX) for n in names):
        raise ValueError("the header is not one of predictions")
    rows = text_rows[1:]
    if not rows:
        raise ValueError("it holds no picture")
    for number, row in enumerate(rows, start=1):
        if len(row) != len(header):
            raise ValueError(f"picture {number} has {len(row)} fields where the header has {len(header)}")
    image_ids, splits, indices, labels, predicted, *_ = zip(*rows, strict=True)
    if len(set(splits)) != 1:
        raise ValueError("it mixes splits")
    table = PredictionTable(
        split=splits[0],
        classes=tuple(name.removeprefix(_CLASS_PREFIX) for name in names),
        image_ids=image_ids,
        indices=np.array([int(text) for text in indices], dtype=np.int64),
        labels=np.array([int(text) for text in labels], dtype=np.int64),
        probabilities=np.array([[float(text) for text in row[len(_FIXED_COLUMNS) :]] for row in rows]),
    )
    if table.predicted.tolist() != [int(text) for text in predicted]:
        raise ValueError("a predicted class is not the most probable one")
    return table
