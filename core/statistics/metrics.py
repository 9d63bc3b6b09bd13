"""How good one model is on one split: accuracy with its interval, the confusion matrix, scores per class.

Fractions everywhere (0 to 1); only texts are in percent. What is undefined (the recall of a class without
pictures, the precision of one that was never predicted) is None, never 0 and never NaN.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

from core.errors import RunError
from core.statistics.predictions import PredictionTable


@dataclass(frozen=True)
class Interval:
    """A confidence interval, as fractions."""

    low: float
    high: float
    level: float = 0.95


@dataclass(frozen=True)
class Accuracy:
    """How many of n pictures a model got right."""

    correct: int
    n: int

    @property
    def value(self) -> float | None:
        """The fraction that is right; None without pictures."""
        return self.correct / self.n if self.n else None

    @property
    def interval(self) -> Interval:
        """Wilson's 95 % interval."""
        return wilson_interval(self.correct, self.n)

    def text(self) -> str:
        """Such as `91.1 % (95 % interval 86.0 to 94.4, n = 180)`."""
        if self.value is None:
            return "not known (no pictures)"
        interval = self.interval
        return (
            f"{format_points(self.value)} % ({format_level(interval.level)} interval "
            f"{format_points(interval.low)} to {format_points(interval.high)}, n = {self.n:,})"
        )


@dataclass(frozen=True)
class ClassScore:
    """How one class fares.

    Args:
        label: name of the class.
        precision: of the pictures predicted to be it, the fraction that is; None if there are none.
        recall: of the pictures that are it, the fraction found; None if there are none.
        f1: harmonic mean of the two, 2 TP / (2 TP + FP + FN); None if the class neither occurs nor is
            predicted.
        support: pictures of the class.
        predicted: pictures predicted to be it.
        correct: pictures that are it and are predicted to be it.
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


def wilson_interval(correct: int, n: int, level: float = 0.95) -> Interval:
    """Confidence interval of a fraction; (0, 1) without pictures, because nothing is known then.

    Raises:
        ValueError: if `correct` is not from 0 to n, or `level` not between 0 and 1.
    Source: Wilson 1927, J. Am. Stat. Assoc. 22:209. A test compares it with scipy's, whose import takes a second: every
    page and every command shows an interval.
    """
    if not 0 <= correct <= n or not 0 < level < 1:
        raise ValueError(f"no interval for {correct} right of {n} at the level {level}")
    return wilson_limits(correct / n if n else 0.0, n, level)


def wilson_limits(share: float, n: float, level: float = 0.95) -> Interval:
    """The same of a fraction that rests on as much as n pictures, which need not be a whole number."""
    if n <= 0:
        return Interval(0.0, 1.0, level)
    z = NormalDist().inv_cdf((1 + level) / 2)
    shrink = 1 + z * z / n
    centre = (share + z * z / (2 * n)) / shrink
    half = z / shrink * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    # rounding must not leave a trace where the ends are exact
    return Interval(0.0 if share == 0 else centre - half, 1.0 if share == 1 else centre + half, level)


def measure_accuracy(table: PredictionTable) -> Accuracy:
    """Accuracy of a table."""
    return Accuracy(int(table.correct.sum()), table.n)


def confusion_matrix(labels: ArrayLike, predicted: ArrayLike, classes: Sequence[str]) -> NDArray[np.int64]:
    """Count pictures by true class (rows) and predicted class (columns).

    Args:
        labels: (N,) int, true class.
        predicted: (N,) int, predicted class.
        classes: C names.
    Returns:
        (C, C) int64; its sum is N.
    Raises:
        RunError: if the lengths differ or a value is none of the classes.
    """
    count = len(classes)
    rows, columns = np.asarray(labels, dtype=np.int64), np.asarray(predicted, dtype=np.int64)
    if rows.ndim != 1 or rows.shape != columns.shape:
        raise RunError(f"There are {rows.size} labels but {columns.size} predictions: give one for each.")
    for values, what in ((rows, "label"), (columns, "prediction")):
        if values.size and not 0 <= values.min() <= values.max() < count:
            raise RunError(f"A {what} is none of the {count} classes: count from 0 to {count - 1}.")
    cells = np.bincount(rows * count + columns, minlength=count * count)
    return cells.reshape(count, count).astype(np.int64, copy=False)


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


def f1_interval(correct: int, support: int, predicted: int, level: float = 0.95) -> Interval:
    """Confidence interval of an F1 score.

    Of the pictures that are the class or are predicted to be it, the fraction that is both (Jaccard's index J) has
    Wilson's interval, and F1 is 2 J / (1 + J), which only ever grows with J.

    Raises:
        ValueError: if the counts do not fit each other, or `level` is not between 0 and 1.
    """
    jaccard = wilson_interval(correct, support + predicted - correct, level)
    return Interval(2 * jaccard.low / (1 + jaccard.low), 2 * jaccard.high / (1 + jaccard.high), level)


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


def confident_mistakes(table: PredictionTable, most: int | None = None) -> NDArray[np.int64]:
    """Rows of the table that are wrong, the surest mistake first; of equally sure ones the earlier row first.

    Args:
        most: how many at most; all if None.
    """
    wrong = np.flatnonzero(~table.correct)
    confidence = table.probabilities[wrong].max(axis=1) if wrong.size else np.zeros(0)
    return np.asarray(wrong[np.argsort(-confidence, kind="stable")][:most], dtype=np.int64)


def format_points(fraction: float) -> str:
    """A fraction in percent with one decimal, and more where one would turn it into 0, 100 or -100."""
    points = 100 * fraction
    exact = points in (-100.0, 0.0, 100.0)
    for decimals in (1, 2, 3):
        text = f"{abs(points):.{decimals}f}"
        if exact or float(text) not in (0.0, 100.0):
            break
    return f"−{text}" if points < 0 and float(text) else text


def format_level(level: float) -> str:
    """A confidence level, such as `95 %`."""
    return f"{100 * level:g} %"
