"""Risk and coverage: accuracy against the share of images that are answered when the rest are "not sure".

The images with the least confidence are left unanswered first. Those of equal confidence are answered together or not
at all, since no threshold separates them. Source: El-Yaniv and Wiener 2010, JMLR 11:1605.
"""

from dataclasses import dataclass

import numpy as np

from core.errors import RunError
from core.formatting import format_level, format_percent, format_points
from core.statistics.metrics import Interval, wilson_interval
from core.statistics.predictions import PredictionTable

SHARE_NAMED = 0.8  # fixed in advance: a share that is picked from the curve would flatter


@dataclass(frozen=True)
class RiskCoverage:
    """Points from the fewest images answered to all of them; all four tuples are of the same length.

    Attributes:
        n: images.
        shares: of the images that are answered, ascending; the last is 1.
        accuracies: the fraction of the answered ones that is right.
        intervals: Wilson's, of each accuracy.
        thresholds: answer where the confidence is at least this; descending.
        sentence: the same in words.
    """

    n: int
    shares: tuple[float, ...]
    accuracies: tuple[float, ...]
    intervals: tuple[Interval, ...]
    thresholds: tuple[float, ...]
    sentence: str


def measure_risk_coverage(table: PredictionTable) -> RiskCoverage:
    """The risk-coverage curve of one network.

    Raises:
        RunError: if there is no image.
    """
    if not table.n:
        raise RunError(f"The {table.split} split is empty: the curve needs at least one picture.")
    confidence = np.minimum(table.probabilities.max(axis=1), 1.0)
    order = np.argsort(-confidence, kind="stable")
    ordered, wrong = confidence[order], np.cumsum(~table.correct[order])  # (N,), (N,)
    ends = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True))  # the last image of each confidence
    answered, mistakes = ends + 1, wrong[ends]
    counts, errors = answered.tolist(), mistakes.tolist()
    shares = tuple((answered / table.n).tolist())
    accuracies = tuple((1 - mistakes / answered).tolist())
    intervals = tuple(wilson_interval(count - error, count) for count, error in zip(counts, errors, strict=True))
    place = min(range(len(shares)), key=lambda item: abs(shares[item] - SHARE_NAMED))
    return RiskCoverage(
        n=table.n,
        shares=shares,
        accuracies=accuracies,
        intervals=intervals,
        thresholds=tuple(ordered[ends].tolist()),
        sentence=_describe(shares[place], accuracies[place], intervals[place], counts[place], accuracies[-1]),
    )


def _describe(share: float, accuracy: float, interval: Interval, count: int, overall: float) -> str:
    evidence = (
        f"{format_level(interval.level)} interval {format_points(interval.low)} to {format_points(interval.high)}, "
        f"n = {count:,}"
    )
    if share == 1:
        return f"Answers all pictures at {format_percent(accuracy)} right ({evidence})."
    return (
        f"Answers {format_percent(share, 0)} of the pictures at {format_percent(accuracy)} right ({evidence}), "
        f"and all of them at {format_percent(overall)}."
    )
