"""Which of two models is better on the same images, by how much, and whether that can be chance.

Sign convention: a difference is the second model minus the first (b - a), as a fraction, so positive when the
second is better. Both models see the same images, so every comparison is paired, image by image.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypedDict

import numpy as np
from numpy.typing import NDArray

from core.errors import ComparisonError
from core.formatting import (
    OPTIMISTIC,
    SPLIT_NAMES,
    capitalise,
    count_images,
    format_level,
    format_p,
    format_points,
    round_up,
)
from core.statistics.aligned_predictions import align_rows
from core.statistics.caveats import Caveat, explain_difference
from core.statistics.metrics import Accuracy, Interval, measure_accuracy, wilson_interval
from core.statistics.predictions import PredictionTable

Side = Literal["a", "b"]  # of a comparison

_POWER = 0.8


class ComparisonRecord(TypedDict):
    """A comparison as JSON: fractions, counts and the verdict."""

    difference: float
    interval: list[float]
    p_value: float
    n: int
    verdict: str
    accuracy_a: float
    accuracy_b: float
    both_right: int
    only_a: int
    only_b: int
    both_wrong: int
    split: str
    better: Side | None
    caveats: list[dict[str, str]]


@dataclass(frozen=True)
class Comparison:
    """Two models on the same n images.

    Args:
        split: `test`, or `val` where there is no test split.
        n: images.
        accuracy_a, accuracy_b: each with its own interval.
        difference: accuracy of b minus accuracy of a, a fraction.
        interval: of the difference; both ends are b minus a.
        p_value: McNemar's exact test, two-sided.
        both_right, only_a, only_b, both_wrong: images by which model is right.
        better: the model shown to be better; None while chance can explain the difference.
        verdict: the same in words.
        caveats: what was unequal between the models or flatters one, where that is known.
    """

    split: str
    n: int
    accuracy_a: Accuracy
    accuracy_b: Accuracy
    difference: float
    interval: Interval
    p_value: float
    both_right: int
    only_a: int
    only_b: int
    both_wrong: int
    better: Side | None
    verdict: str
    caveats: tuple[Caveat, ...] = ()

    def to_json(self) -> ComparisonRecord:
        """The numbers and the verdict; the images themselves stay out."""
        return {
            "difference": self.difference,
            "interval": [self.interval.low, self.interval.high],
            "p_value": self.p_value,
            "n": self.n,
            "verdict": self.verdict,
            "accuracy_a": self.accuracy_a.correct / self.n,
            "accuracy_b": self.accuracy_b.correct / self.n,
            "both_right": self.both_right,
            "only_a": self.only_a,
            "only_b": self.only_b,
            "both_wrong": self.both_wrong,
            "split": self.split,
            "better": self.better,
            "caveats": [caveat.to_json() for caveat in self.caveats],
        }


def compare(
    a: PredictionTable,
    b: PredictionTable,
    name_a: str,
    name_b: str,
    caveats: tuple[Caveat, ...] = (),
) -> Comparison:
    """Compare two models image by image; the order of the images in a table does not matter.

    Args:
        caveats: that speak of the models by these names.
    Raises:
        ComparisonError: unless both tables hold the same images of the same held-out split, with the same
            labels and classes.
    """
    if name_a == name_b:
        name_a, name_b = f"{name_a} (first)", f"{name_b} (second)"
    order = align_rows(a, b, name_a, name_b)
    both_right, only_a, only_b, both_wrong = count_outcomes(a.correct, b.correct[order])
    interval = paired_interval(both_right, only_a, only_b, both_wrong)
    p_value = mcnemar_p_value(only_a, only_b)
    better = choose_better(interval, p_value)
    verdict = _verdict((name_a, name_b), a.split, a.n, only_a, only_b, interval, p_value, better)
    if better is not None:
        verdict += explain_difference(caveats, name_a, name_b)
    return Comparison(
        split=a.split,
        n=a.n,
        accuracy_a=measure_accuracy(a),
        accuracy_b=measure_accuracy(b),
        difference=(only_b - only_a) / a.n,
        interval=interval,
        p_value=p_value,
        both_right=both_right,
        only_a=only_a,
        only_b=only_b,
        both_wrong=both_wrong,
        better=better,
        verdict=verdict + (OPTIMISTIC if a.split == "val" else ""),
        caveats=caveats,
    )


def count_outcomes(right_a: NDArray[np.bool_], right_b: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """On how many images both are right, only a, only b, and neither.

    Args:
        right_a, right_b: (N,) whether each model is right about the same images.
    """
    both, a, b = int((right_a & right_b).sum()), int(right_a.sum()), int(right_b.sum())
    return both, a - both, b - both, len(right_a) - a - b + both


def paired_interval(both_right: int, only_a: int, only_b: int, both_wrong: int, level: float = 0.95) -> Interval:
    """Confidence interval of the difference (b minus a) between two accuracies on the same images.

    The Wilson limits of both accuracies are joined like two sides of a triangle; the cosine of the angle
    between them is the correlation of the two models, shrunk where it is positive.

    Raises:
        ComparisonError: if there is no image.
    Source: Newcombe 1998, Statistics in Medicine 17:2635, method 10.
    """
    n = both_right + only_a + only_b + both_wrong
    if n == 0:
        raise ComparisonError("There is no picture to compare on: evaluate both runs on at least one.")
    correct_a, correct_b = both_right + only_a, both_right + only_b
    value_a, value_b = correct_a / n, correct_b / n
    wilson_a, wilson_b = wilson_interval(correct_a, n, level), wilson_interval(correct_b, n, level)

    margins = correct_a * (n - correct_a) * correct_b * (n - correct_b)
    association = float(both_right * both_wrong - only_a * only_b)
    if association > 0:
        association = max(association - n / 2, 0.0)
    correlation = association / math.sqrt(margins) if margins else 0.0

    def reach(one: float, other: float) -> float:
        return math.sqrt(max(one * one - 2 * correlation * one * other + other * other, 0.0))

    difference = (only_b - only_a) / n
    low = difference - reach(value_b - wilson_b.low, wilson_a.high - value_a)
    high = difference + reach(wilson_b.high - value_b, value_a - wilson_a.low)
    return Interval(max(low, -1.0), min(high, 1.0), level)


def mcnemar_p_value(only_a: int, only_b: int) -> float:
    """How often chance alone splits the images that only one model gets right at least this unevenly.

    Source: McNemar 1947, Psychometrika 12:153; exact and two-sided, from the binomial distribution.
    """
    if only_a + only_b == 0:
        return 1.0
    from scipy.stats import binomtest  # takes half a second to import

    return float(binomtest(only_b, only_a + only_b, 0.5).pvalue)


def choose_better(interval: Interval, p_value: float) -> Side | None:
    """The better model, if both the test and the interval of the difference (b minus a) show one."""
    if p_value >= 1 - interval.level or interval.low <= 0 <= interval.high:
        return None
    return "b" if interval.low > 0 else "a"


def adjust_p_values(p_values: Sequence[float]) -> list[float]:
    """P-values of several tests at once, corrected for their number.

    If every difference with an adjusted value below 0.05 is taken as real, the chance of one or more false ones is at
    most 5 %.

    Source: Holm 1979, Scandinavian Journal of Statistics 6:65.
    """
    adjusted = [1.0] * len(p_values)
    largest = 0.0
    for position, index in enumerate(sorted(range(len(p_values)), key=lambda item: p_values[item])):
        largest = max(largest, min(1.0, (len(p_values) - position) * p_values[index]))
        adjusted[index] = largest
    return adjusted


def images_needed(only_a: int, only_b: int, n: int, level: float = 0.95) -> int | None:
    """Roughly how many images show a difference with 80 % power, if the models keep differing as they did.

    None where they are equally often right: no number of images shows a difference that is not there.

    Source: Connor 1987, Biometrics 43:207 (unconditional formula), but at least as many as an exact test can
    decide on at all.
    """
    if only_a == only_b:
        return None
    from scipy.stats import norm  # takes half a second to import

    discordance, difference = (only_a + only_b) / n, abs(only_b - only_a) / n
    alpha_quantile, power_quantile = float(norm.ppf((1 + level) / 2)), float(norm.ppf(_POWER))
    spread = math.sqrt(max(discordance - difference**2, 0.0))
    by_power = ((alpha_quantile * math.sqrt(discordance) + power_quantile * spread) / difference) ** 2
    fewest_discordant = math.floor(1 - math.log2(1 - level)) + 1  # 2 * 0.5 ** k < 1 - level
    return math.ceil(max(by_power, fewest_discordant / discordance))


def _verdict(
    names: tuple[str, str],
    split: str,
    n: int,
    only_a: int,
    only_b: int,
    interval: Interval,
    p_value: float,
    better: Side | None,
) -> str:
    # The sentence speaks of the leader's lead, so the interval turns with it when the first model leads.
    difference = (only_b - only_a) / n
    name_a, name_b = names
    leader, other, low, high = name_b, name_a, interval.low, interval.high
    if difference < 0:
        leader, other, low, high = name_a, name_b, -interval.high, -interval.low
    lead = f"{format_points(abs(difference))} points"
    where = f"the same {count_images(n, split)}" if n > 1 else f"the same {SPLIT_NAMES[split]} picture"
    numbers = f"{format_level(interval.level)} interval {format_points(low)} to {format_points(high)}"
    evidence = f"({numbers}, {format_p(p_value)})"
    needed = images_needed(only_a, only_b, n, interval.level)
    if better is not None:
        text = f"{capitalise(leader)} is {lead} better than {other} on {where} {evidence}."
    elif needed is None:
        finding = f"{name_a} and {name_b} are right equally often"
        if only_a == 0:
            finding = f"neither {name_a} nor {name_b} is right where the other is wrong,"
        text = f"No clear difference: {finding} on {where} {evidence}."
    else:
        text = (
            f"No clear difference: {leader} is {lead} ahead of {other} on {where}, "
            f"which may be chance {evidence}. "
            f"To show a difference of this size would take roughly {count_images(round_up(needed), split)}."
        )
    return text
