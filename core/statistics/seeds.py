"""Accuracies over several trainings: what other seeds and other images would give, not only these.

A network that is trained again with another seed is another network. S seeds and N images are both samples, and the
question is which accuracy a configuration reaches on average over all seeds and all images. This is the
analysis that radiology uses for readers and cases (here seeds and images), with readers of their own for each arm:
nothing but its number is shared by two arms that were trained with seed 0.

Variance of a mean over both: Obuchowski and Rockette 1995, Communications in Statistics B 24:285; with the degrees of
freedom of Hillis 2007, Statistics in Medicine 26:596; seeds nested in arms: Hillis 2014, Statistics in Medicine
33:330. Wilson's limits with the effective number of images and Student's t keep the ends within 0 and 1: Korn and
Graubard 1998, Survey Methodology 24:193; two arms are joined as by Newcombe 1998 and Zou and Donner 2008, Statistics in
Medicine 27:1693. With one seed all of it is Wilson's and Newcombe's interval, about the networks at hand.
`python -m bench.verdicts` shows how often these intervals hold what they promise.
"""

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.errors import ComparisonError
from core.statistics.metrics import Interval, wilson_interval

_MAX_DEGREES = 1e6  # beyond them Student's t is the normal distribution
_WIDEST = 1e4  # of t, where a p-value is looked for
_MAX_FLIPPED = 300  # images that differ: with more, the exact test over images agrees with the interval


@dataclass(frozen=True, eq=False)
class SeedScores:
    """What S trainings of one arm get right on the same N images, and the variance of their mean.

    Attributes:
        mean: accuracy over seeds and images.
        image_means: (N,) the fraction of the seeds that is right about each image.
        seeds: S.
        by_images: part of the variance of the mean that more images would make smaller.
        by_seeds: part that only more seeds would make smaller; 0 where seeds differ no more than images explain.
        seed_noise: variance of the mean of the seeds around it, which has S - 1 degrees of freedom.
    """

    mean: float
    image_means: NDArray[np.float64]
    seeds: int
    by_images: float
    by_seeds: float
    seed_noise: float

    @property
    def variance(self) -> float:
        """Of the mean accuracy."""
        return self.by_images + self.by_seeds


@dataclass(frozen=True)
class Difference:
    """Two arms on the same images; everything is b minus a.

    Attributes:
        value: the difference of the mean accuracies.
        interval: of the difference, over images and seeds.
        p_value: how often chance alone gives a difference as large: the level at which the interval touches zero, or
            that of the exact test over images where so few differ that it is larger.
        by_images, by_seeds: parts of its variance.
        degrees: of freedom of that variance.
    """

    value: float
    interval: Interval
    p_value: float
    by_images: float
    by_seeds: float
    degrees: float


def measure_seeds(correct: NDArray[np.bool_]) -> SeedScores:
    """Split the variance of a mean accuracy into what images and what seeds contribute.

    Args:
        correct: (S, N) bool, whether each training is right about each image.
    Raises:
        ComparisonError: without a seed or an image.
    """
    right = np.asarray(correct, dtype=np.float64)
    if right.ndim != 2 or 0 in right.shape:
        raise ComparisonError("There is nothing to compare: give at least one run with at least one picture.")
    seeds, n = right.shape
    image_means, seed_means = right.mean(axis=0), right.mean(axis=1)
    mean = float(right.mean())
    by_images = float(np.square(image_means - mean).sum()) / n**2
    if seeds == 1:
        return SeedScores(mean, image_means, 1, by_images, 0.0, 0.0)
    seed_noise = float(np.square(seed_means - mean).sum()) / (seeds * (seeds - 1))
    leftover = right - image_means - seed_means[:, None] + mean  # (S, N)
    by_chance = float(np.square(leftover).sum()) / (max(n - 1, 1) * (seeds - 1) * n * seeds)
    return SeedScores(mean, image_means, seeds, by_images, max(seed_noise - by_chance, 0.0), seed_noise)


def mean_accuracy(correct: NDArray[np.bool_], level: float = 0.95) -> tuple[float, Interval]:
    """Accuracy over several trainings of the same configuration, and its interval over seeds and images.

    Args:
        correct: (S, N) bool, whether each training is right about each image.
    Returns:
        the mean and its interval; of one seed it is Wilson's.
    Raises:
        ComparisonError: without a seed or an image.
    """
    scores = measure_seeds(correct)
    if scores.seeds == 1:
        return scores.mean, wilson_interval(int(np.sum(correct)), scores.image_means.size, level)
    low, high = _wilson(scores, _quantile(level, _own_degrees(scores)))
    return scores.mean, Interval(low, high, level)


def compare_seeds(a: SeedScores, b: SeedScores, level: float = 0.95) -> Difference:
    """The difference of two arms that were each trained with two seeds or more, b minus a.

    Args:
        a, b: of the same images in the same order.
    """
    n = a.image_means.size
    covariance = float(((a.image_means - a.mean) * (b.image_means - b.mean)).sum()) / n**2
    by_images = max(a.by_images + b.by_images - 2 * covariance, 0.0)
    by_seeds = a.by_seeds + b.by_seeds
    degrees = _degrees(by_images, n, by_seeds, [a, b])
    if covariance > 0:  # half an image less, as in Newcombe's method 10; a mean of seeds moves in smaller steps
        covariance = max(covariance - 1 / (2 * n * n * a.seeds), 0.0)
    scale = math.sqrt(a.variance * b.variance)
    correlation = min(max(covariance / scale, -1.0), 1.0) if scale else 0.0
    difference = b.mean - a.mean

    def limits(quantile: float) -> tuple[float, float]:
        """At the level that this quantile has with the degrees of the difference."""
        (low_a, high_a), (low_b, high_b) = _wilson(a, quantile), _wilson(b, quantile)
        low = difference - _reach(b.mean - low_b, high_a - a.mean, correlation)
        high = difference + _reach(high_b - b.mean, a.mean - low_a, correlation)
        # few degrees of freedom make the quantile large, and Wilson's limits count it as images that are not there:
        # the difference is never taken to be wider than the arms' own intervals leave room for
        tail = _tail(quantile, degrees)
        low_a, high_a = _wilson(a, min(quantile, _turn(tail, _own_degrees(a))))
        low_b, high_b = _wilson(b, min(quantile, _turn(tail, _own_degrees(b))))
        return max(low, low_b - high_a, -1.0), min(high, high_b - low_a, 1.0)

    low, high = limits(_quantile(level, degrees))

    def excludes_zero(quantile: float) -> bool:
        low, high = limits(quantile)
        return low > 0 or high < 0

    by_interval = 2 * _tail(_turning_point(excludes_zero), degrees)
    p_value = min(max(by_interval, flip_signs(a, b)), 1.0)
    return Difference(difference, Interval(low, high, level), p_value, by_images, by_seeds, degrees)


def flip_signs(a: SeedScores, b: SeedScores) -> float:
    """How often chance gives a difference as large, if each image's difference were as likely the other way round.

    The exact test over these images, whatever the seeds; with one seed it is McNemar's. Two or five images can
    never show a difference by it, however clear they are. 0 where so many images differ that it decides nothing.
    Source: Pitman 1937, J. R. Stat. Soc. Suppl. 4:119, for paired samples.
    """
    steps = np.rint((b.image_means - a.image_means) * a.seeds * b.seeds / math.gcd(a.seeds, b.seeds))
    sizes, counts = np.unique(np.abs(steps[steps != 0]).astype(np.int64), return_counts=True)
    if int(counts.sum()) > _MAX_FLIPPED:
        return 0.0
    chance = np.ones(1)  # of the sum of all sizes with a plus, from 0
    for size, count in zip(sizes.tolist(), counts.tolist(), strict=True):
        spread = np.zeros(size * count + 1)
        spread[::size] = [math.comb(count, plus) / 2**count for plus in range(count + 1)]
        chance = np.convolve(chance, spread)
    most = len(chance) - 1
    distance = abs(2 * np.arange(most + 1) - most)
    return float(chance[distance >= abs(steps.sum()) - 0.5].sum())


def _own_degrees(scores: SeedScores) -> float:
    return _degrees(scores.by_images, scores.image_means.size, scores.by_seeds, [scores])


def _degrees(by_images: float, n: int, by_seeds: float, arms: list[SeedScores]) -> float:
    """Degrees of freedom of the sum of both parts (Satterthwaite's formula)."""
    fewest = min(arm.seeds for arm in arms) - 1
    noise = sum(arm.seed_noise**2 / (arm.seeds - 1) for arm in arms) + by_images**2 / max(n - 1, 1)
    if not noise:
        return float(max(n - 1, 1))
    return min(max((by_images + by_seeds) ** 2 / noise, fewest), _MAX_DEGREES)


def _wilson(scores: SeedScores, quantile: float) -> tuple[float, float]:
    """Wilson's limits of a mean, with as many images as its variance is worth."""
    most = scores.image_means.size * scores.seeds
    mean, spread = scores.mean, scores.mean * (1 - scores.mean)
    # Where all are right (or none), nothing is seen of the seeds: they count for nothing then.
    worth = min(spread / scores.variance, most) if spread and scores.variance else scores.image_means.size
    shrink = 1 + quantile**2 / worth
    centre = (mean + quantile**2 / (2 * worth)) / shrink
    half = quantile / shrink * math.sqrt(spread / worth + quantile**2 / (4 * worth**2))
    return 0.0 if mean == 0 else max(centre - half, 0.0), 1.0 if mean == 1 else min(centre + half, 1.0)


def _reach(one: float, other: float, correlation: float) -> float:
    return math.sqrt(max(one * one - 2 * correlation * one * other + other * other, 0.0))


def _turning_point(excludes_zero: Callable[[float], bool]) -> float:
    """The quantile at which an interval begins to hold zero, so that test and interval cannot disagree."""
    low, high = 0.0, 1.0
    while excludes_zero(high) and high < _WIDEST:
        low, high = high, 2 * high
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if excludes_zero(middle) else (low, middle)
    return low


@functools.lru_cache(maxsize=4096)
def _turn(tail: float, degrees: float) -> float:
    """The quantile with this much probability above it."""
    from scipy.special import stdtrit  # takes a fifth of a second to import

    return -float(stdtrit(degrees, max(tail, 1e-300)))


@functools.lru_cache(maxsize=4096)
def _quantile(level: float, degrees: float) -> float:
    from scipy.special import stdtrit  # takes a fifth of a second to import

    return float(stdtrit(degrees, (1 + level) / 2))


def _tail(quantile: float, degrees: float) -> float:
    from scipy.special import stdtr

    return float(stdtr(degrees, -quantile))
