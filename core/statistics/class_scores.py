"""Precision, recall and F1 of every class, and their averages over the classes with intervals.

The averages (macro) count every class that occurs alike, as `average_classes` does. Their intervals are Wilson's, with
as many pictures as such an average is worth: a class with few of them counts as much as one with many, and is known
worse. They do not collapse where every picture is right, as those of a bootstrap do; where classes differ much they are
a little too wide, and with two or three pictures a class those of the precision too narrow.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from core.statistics.metrics import ClassScore, Interval, average_classes, per_class, wilson_limits
from core.statistics.predictions import PredictionTable

Measure = Literal["precision", "recall", "f1"]
MEASURES: tuple[Measure, ...] = ("precision", "recall", "f1")


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
    intervals = _average_intervals(scores, level)
    precision, recall, f1 = (
        Figure(value, interval if value is not None else None)
        for value, interval in zip((mean.precision, mean.recall, mean.f1), intervals, strict=True)
    )
    return ClassReport(table.n, scores, (precision, recall, f1))


def _average_intervals(scores: Sequence[ClassScore], level: float) -> list[Interval | None]:
    """Of precision, recall and F1; None where no class occurs."""
    present = [score for score in scores if score.support]
    if not present:
        return [None, None, None]
    pictures: list[list[float]] = [
        [score.predicted for score in present if score.predicted],  # of one that is never predicted nothing is known
        [score.support for score in present],
        [(score.support + score.predicted) / 2 for score in present],
    ]
    mean = average_classes(present)
    figures = zip((mean.precision, mean.recall, mean.f1), pictures, strict=True)
    return [None if value is None else _interval(value, counts, level) for value, counts in figures]


def _interval(value: float, counts: Sequence[float], level: float) -> Interval:
    """Of an average of fractions that rest on so many pictures each."""
    worth = len(counts) ** 2 / sum(1 / count for count in counts) if counts else 0.0
    return wilson_limits(value, worth, level)
