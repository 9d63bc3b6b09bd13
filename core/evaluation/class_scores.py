"""Precision, recall and F1 of every class with their intervals, and their averages over the classes.

Precision and recall are fractions of counted pictures: Wilson's interval. F1 = 2 TP / (2 TP + FP + FN) is 2 J / (1 + J)
of J = TP / (TP + FP + FN), the share of the pictures that are of the class or are taken for it on which both agree, and
rises with it: Wilson's interval of J, carried over. The averages (macro) count every class alike; their intervals come
from a bootstrap over the pictures, always with the same random numbers.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from core.evaluation.metrics import ClassScore, Interval, confusion_matrix, per_class, wilson_interval
from core.evaluation.predictions import PredictionTable

Measure = Literal["precision", "recall", "f1"]
MEASURES: tuple[Measure, ...] = ("precision", "recall", "f1")
RESAMPLES = 2000


@dataclass(frozen=True)
class Measured:
    """One figure with its interval, as fractions; a value of None is not defined, and so is its interval."""

    value: float | None
    interval: Interval | None
    n: int  # pictures that it rests on


@dataclass(frozen=True)
class ScoredClass:
    """How one class fares."""

    score: ClassScore
    precision: Measured
    recall: Measured
    f1: Measured

    def get(self, measure: Measure) -> Measured:
        """One of the three."""
        return {"precision": self.precision, "recall": self.recall, "f1": self.f1}[measure]


@dataclass(frozen=True)
class ClassReport:
    """All classes of a table in their order, and the averages over those where a figure is defined."""

    split: str
    classes: tuple[ScoredClass, ...]
    precision: Measured
    recall: Measured
    f1: Measured

    def get(self, measure: Measure) -> Measured:
        """The average of one of the three."""
        return {"precision": self.precision, "recall": self.recall, "f1": self.f1}[measure]


def score_classes(table: PredictionTable, level: float = 0.95) -> ClassReport:
    """Score every class of a table."""
    matrix = confusion_matrix(table.labels, table.predicted, table.classes)
    scored = tuple(_score(score, level) for score in per_class(table))
    averages = _average(matrix, level)
    return ClassReport(table.split, scored, averages["precision"], averages["recall"], averages["f1"])


def f1_interval(correct: int, either: int, level: float = 0.95) -> Interval:
    """Interval of F1 from the pictures that are of a class or taken for it, `correct` of which are both."""
    found = wilson_interval(correct, either, level)
    return Interval(2 * found.low / (1 + found.low), 2 * found.high / (1 + found.high), level)


def _score(score: ClassScore, level: float) -> ScoredClass:
    def share(value: float | None, n: int) -> Measured:
        return Measured(value, wilson_interval(score.correct, n, level) if n else None, n)

    either = score.support + score.predicted - score.correct
    return ScoredClass(
        score,
        share(score.precision, score.predicted),
        share(score.recall, score.support),
        Measured(score.f1, f1_interval(score.correct, either, level) if either else None, either),
    )


def _average(matrix: NDArray[np.int64], level: float) -> dict[Measure, Measured]:
    n, count = int(matrix.sum()), len(matrix)
    if not n:
        return dict.fromkeys(MEASURES, Measured(None, None, 0))
    drawn = np.random.default_rng(0).multinomial(n, matrix.ravel() / n, size=RESAMPLES).reshape(-1, count, count)
    values, resampled = _averages(matrix[None]), _averages(drawn)
    tail = (1 - level) / 2
    out: dict[Measure, Measured] = {}
    for place, measure in enumerate(MEASURES):
        low, high = np.nanquantile(resampled[place], [tail, 1 - tail])
        out[measure] = Measured(float(values[place, 0]), Interval(float(low), float(high), level), n)
    return out


def _averages(matrices: NDArray[np.int64]) -> NDArray[np.float64]:
    """(3, R): precision, recall and F1 of R confusion matrices, each the mean over the classes that have one."""
    correct = np.diagonal(matrices, axis1=1, axis2=2).astype(np.float64)
    support, predicted = matrices.sum(axis=2), matrices.sum(axis=1)
    out = np.empty((3, len(matrices)))
    for place, (above, below) in enumerate(
        ((correct, predicted), (correct, support), (2 * correct, support + predicted))
    ):
        there = below > 0
        shares = np.divide(above, below, out=np.zeros(above.shape), where=there)
        out[place] = shares.sum(axis=1) / there.sum(axis=1)
    return out
