"""The predictions of several models on the same images, in one order of images."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from core.errors import ComparisonError
from core.formatting import SPLIT_NAMES, count_images
from core.statistics.predictions import PredictionTable


@dataclass(frozen=True, eq=False)
class AlignedPredictions:
    """Predictions of K models on the same N images with C classes; row i is the same image for all of them.

    Args:
        split: name of the split that the images belong to.
        classes: C names.
        indices: (N,) row of each image in the dataset table of the first model, ascending.
        labels: (N,) true class.
        probabilities: (K, N, C).
    """

    split: str
    classes: tuple[str, ...]
    indices: NDArray[np.int64]
    labels: NDArray[np.int64]
    probabilities: NDArray[np.float64]

    @property
    def models(self) -> int:
        """Number of models."""
        return int(self.probabilities.shape[0])

    @property
    def n(self) -> int:
        """Number of images."""
        return len(self.labels)

    @cached_property
    def predicted(self) -> NDArray[np.int64]:
        """(K, N) the most probable class; the first one of a tie."""
        return np.asarray(self.probabilities.argmax(axis=2), dtype=np.int64)

    @cached_property
    def confidence(self) -> NDArray[np.float64]:
        """(K, N) probability of the most probable class."""
        return np.asarray(self.probabilities.max(axis=2), dtype=np.float64)

    @cached_property
    def right(self) -> NDArray[np.bool_]:
        """(K, N) whether the most probable class is the true one."""
        return np.equal(self.predicted, self.labels)

    @cached_property
    def disagreement(self) -> NDArray[np.float64]:
        """(N,) total variation distance of the two models that differ most, 0 to 1: the probability that would have to
        move from class to class to turn the prediction of one into that of the other."""
        apart = np.zeros(self.n)
        for one, other in combinations(self.probabilities, 2):
            apart = np.maximum(apart, np.abs(one - other).sum(axis=1) / 2)
        return apart

    def cell(self, model: int, label: int, predicted: int) -> NDArray[np.int64]:
        """Places of the images of one cell of a model's confusion matrix, the most confident first."""
        found = np.flatnonzero((self.labels == label) & (self.predicted[model] == predicted))
        return found[np.argsort(-self.confidence[model, found], kind="stable")]

    def top(self, model: int, place: int, count: int) -> list[tuple[int, float]]:
        """(class, probability) of the most probable classes; the true class comes last where it is none of them."""
        values = self.probabilities[model, place]
        first = [int(label) for label in np.argsort(-values, kind="stable")[:count]]
        if int(self.labels[place]) not in first:
            first.append(int(self.labels[place]))
        return [(label, float(values[label])) for label in first]


def align(tables: Sequence[PredictionTable]) -> AlignedPredictions:
    """Bring the predictions of several models into one order of images, ascending by index.

    Raises:
        ComparisonError: if there is no table, or they do not hold the same images with the same labels and classes.
    """
    if not tables:
        raise ComparisonError("There are no predictions to compare: choose at least one evaluated run.")
    first = tables[0]
    by_index = np.argsort(first.indices, kind="stable")
    probabilities = []
    for table in tables:
        rows = _matching_rows(first, table) if (table.split, table.classes) == (first.split, first.classes) else None
        if rows is None:
            raise ComparisonError(
                "These runs were not evaluated on the same pictures: choose runs with the same dataset, split and seed."
            )
        probabilities.append(table.probabilities[rows[by_index]])
    return AlignedPredictions(
        split=first.split,
        classes=first.classes,
        indices=first.indices[by_index],
        labels=first.labels[by_index],
        probabilities=np.stack(probabilities),
    )


def align_rows(a: PredictionTable, b: PredictionTable, name_a: str, name_b: str) -> NDArray[np.int64]:
    """An order of the rows of b so that row i is the image of row i of a.

    Raises:
        ComparisonError: unless both tables hold the same images of the same held-out split, with the same
            labels and classes.
    """
    if a.split != b.split:
        raise ComparisonError(
            f"{name_a} was evaluated on the {a.split} split and {name_b} on the {b.split} split: "
            "compare runs that were evaluated on the same one."
        )
    if a.split not in ("test", "val"):
        raise ComparisonError(
            f"The predictions are on the {a.split} split, which the models have seen: compare on the test split."
        )
    if a.classes != b.classes:
        raise ComparisonError(
            f"{name_a} and {name_b} do not know the same classes ({', '.join(a.classes)} against "
            f"{', '.join(b.classes)}): compare runs on the same dataset."
        )
    if a.n == b.n == 0:
        raise ComparisonError(
            f"There is no {SPLIT_NAMES[a.split]} picture to compare {name_a} and {name_b} on: "
            "give the split at least one."
        )
    rows = _matching_rows(a, b)
    if rows is not None:
        return rows
    common = len(set(a.image_ids) & set(b.image_ids))
    if sorted(a.image_ids) != sorted(b.image_ids):
        raise ComparisonError(
            f"{name_a} was evaluated on {count_images(a.n, a.split)} and {name_b} on {count_images(b.n, b.split)}, "
            f"and they are not the same pictures ({common:,} in common): "
            "train both with the same dataset, split and seed, then compare."
        )
    changed = int((a.labels[sort_rows(a)] != b.labels[sort_rows(b)]).sum())
    raise ComparisonError(
        f"{changed:,} of the pictures have another label for {name_a} than for {name_b}: "
        "train both on the same version of the dataset, then compare."
    )


def sort_rows(table: PredictionTable) -> NDArray[np.int64]:
    """An order of the rows that depends on the images alone; copies share an id, so label and row order them."""
    labels, indices = table.labels.tolist(), table.indices.tolist()
    rows = sorted(range(table.n), key=lambda row: (table.image_ids[row], labels[row], indices[row]))
    return np.array(rows, dtype=np.int64)


def _matching_rows(a: PredictionTable, b: PredictionTable) -> NDArray[np.int64] | None:
    """For each row of a the row of b with the same image and label; None where they do not match."""
    if a.image_ids == b.image_ids and np.array_equal(a.indices, b.indices) and np.array_equal(a.labels, b.labels):
        return np.arange(a.n)  # as for runs of one dataset: much faster than sorting
    rows_a, rows_b = sort_rows(a), sort_rows(b)
    if [a.image_ids[row] for row in rows_a] != [b.image_ids[row] for row in rows_b]:
        return None
    if not np.array_equal(a.labels[rows_a], b.labels[rows_b]):
        return None
    matching = np.empty(a.n, dtype=np.int64)
    matching[rows_a] = rows_b
    return matching
