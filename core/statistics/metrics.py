"""How good one model is on one split: accuracy with its interval, and the confusion matrix.

Fractions everywhere (0 to 1); only texts are in percent.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

from core.errors import RunError
from core.formatting import format_level, format_percent, format_points
from core.statistics.predictions import PredictionTable


@dataclass(frozen=True)
class Interval:
    """A confidence interval, as fractions."""

    low: float
    high: float
    level: float = 0.95


@dataclass(frozen=True)
class Accuracy:
    """How many of n images a model got right."""

    correct: int
    n: int

    @property
    def value(self) -> float | None:
        """The fraction that is right; None without images."""
        return self.correct / self.n if self.n else None

    @property
    def interval(self) -> Interval:
        """Wilson's 95 % interval."""
        return wilson_interval(self.correct, self.n)

    def text(self) -> str:
        """Such as `91.1 % (95 % interval 86.0 to 94.4, n = 180)`."""
        if self.value is None:
            return "unknown (no pictures)"
        interval = self.interval
        return (
            f"{format_percent(self.value)} ({format_level(interval.level)} interval "
            f"{format_points(interval.low)} to {format_points(interval.high)}, n = {self.n:,})"
        )


def wilson_interval(correct: int, n: int, level: float = 0.95) -> Interval:
    """Confidence interval of a fraction; (0, 1) without images, because nothing is known then.

    Raises:
        ValueError: if `correct` is not from 0 to n, or `level` not between 0 and 1.
    Source: Wilson 1927, J. Am. Stat. Assoc. 22:209. A test compares it with scipy's, whose import takes a second: every
    page and every command shows an interval.
    """
    if not 0 <= correct <= n or not 0 < level < 1:
        raise ValueError(f"no interval for {correct} right of {n} at the level {level}")
    return wilson_limits(correct / n if n else 0.0, n, level)


def wilson_limits(share: float, n: float, level: float = 0.95) -> Interval:
    """The same of a fraction that rests on as much as n images, which need not be a whole number."""
    if n <= 0:
        return Interval(0.0, 1.0, level)
    z = _quantile((1 + level) / 2)
    shrink = 1 + z * z / n
    centre = (share + z * z / (2 * n)) / shrink
    half = z / shrink * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    # rounding must not leave a trace where the ends are exact
    return Interval(0.0 if share == 0 else centre - half, 1.0 if share == 1 else centre + half, level)


@cache
def _quantile(probability: float) -> float:
    return NormalDist().inv_cdf(probability)


def exact_interval(count: int, n: int, level: float = 0.95) -> Interval:
    """Confidence interval of a fraction that holds at least so often, also for rare ones; (0, 1) without images.

    Raises:
        ValueError: if `count` is not from 0 to n, or `level` not between 0 and 1.
    Source: Clopper and Pearson 1934, Biometrika 26:404. A test compares it with scipy's, whose import takes a second.
    """
    if not 0 <= count <= n or not 0 < level < 1:
        raise ValueError(f"no interval for {count} of {n} at the level {level}")
    return Interval(
        0.0 if count == 0 else 1 - _share_of_tail(n - count, n, (1 - level) / 2),
        1.0 if count == n else _share_of_tail(count, n, (1 - level) / 2),
        level,
    )


def _share_of_tail(count: int, n: int, tail: float) -> float:
    """The fraction of which at most `count` of n images are seen with this probability."""
    seen = np.arange(count + 1)
    ways = np.array([math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) for k in range(count + 1)])
    low, high = 0.0, 1.0
    while high - low > 1e-10:
        share = (low + high) / 2
        below = np.exp(ways + seen * math.log(share) + (n - seen) * math.log1p(-share)).sum()
        low, high = (share, high) if below > tail else (low, share)
    return (low + high) / 2


def difference_interval(share: float, n: float, mean: float, other: Interval) -> Interval:
    """Of an accuracy on n images minus another accuracy on other images, with its own interval of the same level.

    Source: Newcombe 1998, Statistics in Medicine 17:873, method 10; with any interval, Zou and Donner 2008, Statistics
    in Medicine 27:1693.
    """
    own = wilson_limits(share, n, other.level)
    low = math.hypot(share - own.low, other.high - mean)
    high = math.hypot(own.high - share, mean - other.low)
    return Interval(share - mean - low, share - mean + high, other.level)


def measure_accuracy(table: PredictionTable) -> Accuracy:
    """Accuracy of a table."""
    return Accuracy(int(table.correct.sum()), table.n)


def confusion_matrix(labels: ArrayLike, predicted: ArrayLike, classes: Sequence[str]) -> NDArray[np.int64]:
    """Count images by true class (rows) and predicted class (columns).

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
