"""Precision, recall and F1 of every class, and their averages over the classes with intervals.

The averages (macro) count every class that occurs alike, as `average_classes` does. Their intervals are Wilson's, with
as many images as such an average is worth: a class with few images counts as much as one with many, and is known less
exactly. They do not collapse where every image is right, as those of a bootstrap do; where classes differ much they are
a little too wide, and with two or three images a class those of the precision too narrow.

What is undefined (the recall of a class without images, the precision of one that was never predicted) is None, never
0 and never NaN.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from core.statistics.metrics import Interval, confusion_matrix, wilson_interval, wilson_limits
from core.statistics.predictions import PredictionTable

ClassMetric = Literal["precision", "recall", "f1"]
CLASS_METRICS: tuple[ClassMetric, ...] = ("precision", "recall", "f1")


@dataclass(frozen=True)
class ClassScore:
    """The scores of one class.

    Args:
        label: name of the class.
        precision: the fraction of the images predicted to be the class that are; None if there are none.
        recall: the fraction of the images of the class that are found; None if there are none.
        f1: harmonic mean of the two, 2 TP / (2 TP + FP + FN); None if the class neither occurs nor is
            predicted.
        support: images of the class.
        predicted: images predicted to be it.
        correct: images that are it and are predicted to be it.
        precision_interval, recall_interval, f1_interval: 95 % intervals; None where the score is.
    """

    label: str
    precision: float | None
    recall: float | None
    f1: float | None
    support: int
    predicted: int
    correct: int
    precision_interval: Interval | None = None
    recall_interval: Interval | None = None
    f1_interval: Interval | None = None


@dataclass(frozen=True)
class MacroScore:
    """Means over the classes that occur, every class counting the same; None where none occurs."""

    precision: float | None
    recall: float | None
    f1: float | None


@dataclass(frozen=True)
class Figure:
    """A fraction with its interval; both are None where it is not defined."""

    value: float | None
    interval: Interval | None


@dataclass(frozen=True)
class ClassReport:
    """All classes of a table in their order, and the averages over those that occur.

    Args:
        n: images.
    """

    n: int
    classes: tuple[ClassScore, ...]
    averages: tuple[Figure, Figure, Figure]  # in the order of CLASS_METRICS

    def of_class(self, place: int, measure: ClassMetric) -> Figure:
        """One figure of one class."""
        score = self.classes[place]
        return {
            "precision": Figure(score.precision, score.precision_interval),
            "recall": Figure(score.recall, score.recall_interval),
            "f1": Figure(score.f1, score.f1_interval),
        }[measure]

    def average(self, measure: ClassMetric) -> Figure:
        """The average of one figure over the classes."""
        return self.averages[CLASS_METRICS.index(measure)]


def score_classes(table: PredictionTable) -> ClassReport:
    """Score every class of a table, and average over them."""
    scores = tuple(per_class(table))
    mean = average_classes(scores)
    intervals = _average_intervals(scores)
    precision, recall, f1 = (
        Figure(value, interval if value is not None else None)
        for value, interval in zip((mean.precision, mean.recall, mean.f1), intervals, strict=True)
    )
    return ClassReport(table.n, scores, (precision, recall, f1))


def per_class(table: PredictionTable) -> list[ClassScore]:
    """Precision, recall and F1 of every class, in the order of the classes, each with its interval."""
    matrix = confusion_matrix(table.labels, table.predicted, table.classes)
    scores = []
    for label, support, predicted, correct in zip(
        table.classes,
        matrix.sum(axis=1).tolist(),
        matrix.sum(axis=0).tolist(),
        matrix.diagonal().tolist(),
        strict=True,
    ):
        scores.append(
            ClassScore(
                label=label,
                precision=correct / predicted if predicted else None,
                recall=correct / support if support else None,
                f1=2 * correct / (support + predicted) if support + predicted else None,
                support=support,
                predicted=predicted,
                correct=correct,
                precision_interval=wilson_interval(correct, predicted) if predicted else None,
                recall_interval=wilson_interval(correct, support) if support else None,
                f1_interval=f1_interval(correct, support, predicted) if support + predicted else None,
            )
        )
    return scores


def f1_interval(correct: int, support: int, predicted: int) -> Interval:
    """Confidence interval of an F1 score.

    Among the images that are the class or are predicted to be it, the fraction that is both (Jaccard's index J) has
    Wilson's interval, and F1 is 2 J / (1 + J), which grows with J.

    Raises:
        ValueError: if the counts do not fit each other.
    """
    jaccard = wilson_interval(correct, support + predicted - correct)
    return Interval(2 * jaccard.low / (1 + jaccard.low), 2 * jaccard.high / (1 + jaccard.high))


def average_classes(scores: Sequence[ClassScore]) -> MacroScore:
    """Macro averages over the classes that occur; the precision of one that was never predicted counts as 0."""
    present = [score for score in scores if score.support]
    if not present:
        return MacroScore(None, None, None)

    def mean(values: list[float | None]) -> float:
        return sum(value or 0.0 for value in values) / len(values)

    return MacroScore(
        mean([score.precision for score in present]),
        mean([score.recall for score in present]),
        mean([score.f1 for score in present]),
    )


def _average_intervals(scores: Sequence[ClassScore]) -> list[Interval | None]:
    """Of precision, recall and F1; None where no class occurs."""
    present = [score for score in scores if score.support]
    if not present:
        return [None, None, None]
    images: list[list[float]] = [
        [score.predicted for score in present if score.predicted],  # of one that is never predicted nothing is known
        [score.support for score in present],
        [(score.support + score.predicted) / 2 for score in present],
    ]
    mean = average_classes(present)
    figures = zip((mean.precision, mean.recall, mean.f1), images, strict=True)
    return [None if value is None else _interval(value, counts) for value, counts in figures]


def _interval(value: float, counts: Sequence[float]) -> Interval:
    """The interval of an average of fractions that rest on so many images each."""
    worth = len(counts) ** 2 / sum(1 / count for count in counts) if counts else 0.0
    return wilson_limits(value, worth)
