"""Precision, recall and F1 of every class, and their averages over the classes with intervals.

The averages (macro) count every class that occurs alike, as `average_classes` does. Their intervals come from a
bootstrap over the pictures, always with the same random numbers: to draw pictures is to draw cells of the confusion
matrix.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from core.evaluation.metrics import ClassScore, Interval, average_classes, confusion_matrix, per_class
from core.evaluation.predictions import PredictionTable

Measure = Literal["precision", "recall", "f1"]
MEASURES: tuple[Measure, ...] = ("precision", "recall", "f1")
RESAMPLES = 2000


@dataclass(frozen=True)
class Figure:
    """A fraction with its interval; both are None where it is not defined."""

    value: float | None
    interval: Interval | None


@dataclass(frozen=True)
class ClassReport:
    """All classes of a table in their order, and the averages over those that occur.

    Args:
        n: pictures.
    """

    n: int
    classes: tuple[ClassScore, ...]
    averages: tuple[Figure, Figure, Figure]  # in the order of MEASURES

    def of_class(self, place: int, measure: Measure) -> Figure:
        """One figure of one class."""
        score = self.classes[place]
        return {
            "precision": Figure(score.precision, score.precision_interval),
            "recall": Figure(score.recall, score.recall_interval),
            "f1": Figure(score.f1, score.f1_interval),
        }[measure]

    def average(self, measure: Measure) -> Figure:
        """The average of one figure over the classes."""
        return self.averages[MEASURES.index(measure)]


def score_classes(table: PredictionTable, level: float = 0.95) -> ClassReport:
    """Score every class of a table, and average over them."""
    scores = tuple(per_class(table))
    mean = average_classes(scores)
    intervals = _average_intervals(confusion_matrix(table.labels, table.predicted, table.classes), level)
    precision, recall, f1 = (
        Figure(value, interval if value is not None else None)
        for value, interval in zip((mean.precision, mean.recall, mean.f1), intervals, strict=True)
    )
    return ClassReport(table.n, scores, (precision, recall, f1))


def _average_intervals(matrix: NDArray[np.int64], level: float) -> list[Interval | None]:
    """Of precision, recall and F1; None without pictures."""
    n, count = int(matrix.sum()), len(matrix)
    if not n:
        return [None, None, None]
    drawn = np.random.default_rng(0).multinomial(n, matrix.ravel() / n, size=RESAMPLES).reshape(-1, count, count)
    correct = np.diagonal(drawn, axis1=1, axis2=2).astype(np.float64)  # (R, C)
    support, predicted = drawn.sum(axis=2), drawn.sum(axis=1)  # (R, C)
    there, tail = support > 0, (1 - level) / 2
    out: list[Interval | None] = []
    for above, below in ((correct, predicted), (correct, support), (2 * correct, support + predicted)):
        shares = np.divide(above, below, out=np.zeros(above.shape), where=there & (below > 0))
        low, high = np.quantile(shares.sum(axis=1) / there.sum(axis=1), [tail, 1 - tail])
        out.append(Interval(float(low), float(high), level))
    return out
