"""What several models say to the same pictures, lined up picture by picture."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from core.errors import ComparisonError
from core.statistics.predictions import PredictionTable

Group = Literal["only_b", "only_a", "both_wrong", "both_right"]


@dataclass(frozen=True, eq=False)
class Answers:
    """Answers of K models to the same N pictures with C classes; row i is the same picture for all of them.

    Args:
        split: name of the split that the pictures belong to.
        classes: C names.
        indices: (N,) row of each picture in the dataset table of the first model, ascending.
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
        """How many models answer."""
        return int(self.probabilities.shape[0])

    @property
    def n(self) -> int:
        """Number of pictures."""
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
        """(N,) how far two models are apart, 0 to 1: the probability that would have to move from class to class to
        turn the answer of one into that of the other (total variation distance), of the two that differ most."""
        apart = np.zeros(self.n)
        for one, other in combinations(self.probabilities, 2):
            apart = np.maximum(apart, np.abs(one - other).sum(axis=1) / 2)
        return apart

    @cached_property
    def groups(self) -> Mapping[Group, NDArray[np.int64]]:
        """Places of the pictures by which of the first two models is right; the two that tell them apart first."""
        a, b = self.right[0], self.right[1]
        found: dict[Group, NDArray[np.bool_]] = {
            "only_b": ~a & b,
            "only_a": a & ~b,
            "both_wrong": ~a & ~b,
            "both_right": a & b,
        }
        return {name: np.flatnonzero(chosen) for name, chosen in found.items()}

    def mistakes(self, model: int) -> NDArray[np.int64]:
        """Places of the pictures that a model gets wrong, the most confident mistake first."""
        wrong = np.flatnonzero(~self.right[model])
        return wrong[np.argsort(-self.confidence[model, wrong], kind="stable")]

    def cell(self, model: int, label: int, predicted: int) -> NDArray[np.int64]:
        """Places of the pictures of one cell of a model's confusion matrix, the most confident first."""
        found = np.flatnonzero((self.labels == label) & (self.predicted[model] == predicted))
        return found[np.argsort(-self.confidence[model, found], kind="stable")]

    def top(self, model: int, place: int, count: int) -> list[tuple[int, float]]:
        """(class, probability) of the most probable classes; the true class comes last where it is none of them."""
        values = self.probabilities[model, place]
        first = [int(label) for label in np.argsort(-values, kind="stable")[:count]]
        if int(self.labels[place]) not in first:
            first.append(int(self.labels[place]))
        return [(label, float(values[label])) for label in first]


def line_up(tables: Sequence[PredictionTable]) -> Answers:
    """Bring the predictions of several models into one order of pictures; copies of a picture share an id, so label
    and row decide which is which.

    Raises:
        ComparisonError: if there is no table, or they do not hold the same pictures with the same labels and classes.
    """
    if not tables:
        raise ComparisonError("There are no predictions to line up: choose at least one tested run.")
    first = tables[0]
    orders = [_order(table) for table in tables]
    ids = [first.image_ids[place] for place in orders[0]]
    for table, order in zip(tables[1:], orders[1:], strict=True):
        same = (
            table.split == first.split
            and table.classes == first.classes
            and [table.image_ids[place] for place in order] == ids
            and np.array_equal(table.labels[order], first.labels[orders[0]])
        )
        if not same:
            raise ComparisonError(
                "These runs were not judged on the same pictures: choose runs with the same dataset, split and seed."
            )
    by_index = np.argsort(first.indices[orders[0]], kind="stable")
    order = orders[0][by_index]
    return Answers(
        split=first.split,
        classes=first.classes,
        indices=first.indices[order],
        labels=first.labels[order],
        probabilities=np.stack(
            [table.probabilities[order[by_index]] for table, order in zip(tables, orders, strict=True)]
        ),
    )


def _order(table: PredictionTable) -> NDArray[np.int64]:
    labels, indices = table.labels.tolist(), table.indices.tolist()
    rows = sorted(range(table.n), key=lambda row: (table.image_ids[row], labels[row], indices[row]))
    return np.array(rows, dtype=np.int64)
