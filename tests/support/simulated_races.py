"""Simulated races whose truth is known, to check how often the verdicts on them are right."""

import math
from dataclasses import dataclass
from functools import cache
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from core.statistics.metrics import Interval
from core.statistics.predictions import PredictionTable
from core.statistics.race_comparison import ArmTables, compare_arms

DIFFICULTY = 2.0
SHARED = 0.7  # correlation of an image's difficulty for two arms


@dataclass(frozen=True)
class Setting:
    """Arms of these true accuracies, images, seeds, and how much seeds differ."""

    accuracies: tuple[float, ...]
    n: int
    seeds: int
    seed_effect: float
    shared: float = SHARED


@dataclass(frozen=True)
class SimulatedRaces:
    """Shares of the races (0 to 1), and the mean width of the interval of the difference of the first two arms.

    Attributes:
        claims: in which a winner is named.
        covered, covered_arm: whose interval of the difference, and of the first arm's mean, holds the truth.
        covered_bootstrap: the same of the bootstrap's interval of the difference; None where none was drawn.
    """

    setting: Setting
    races: int
    claims: float
    covered: float
    covered_arm: float
    covered_bootstrap: float | None
    width: float


def simulate(setting: Setting, races: int, rng: np.random.Generator, bootstrapped: int = 0) -> SimulatedRaces:
    """Draw and compare races of one setting.

    Args:
        bootstrapped: of how many the difference is also bootstrapped, by 500 draws.
    """
    truth = setting.accuracies[1] - setting.accuracies[0]
    claims = covered = covered_arm = by_bootstrap = 0
    width = 0.0
    for race in range(races):
        arms = draw_arms(setting, rng)
        found = compare_arms([ArmTables(f"arm {i}", tuple(map(_table, rows))) for i, rows in enumerate(arms)])
        interval, arm = found.pairs[0].interval, found.arms[0].interval
        claims += any(pair.better for pair in found.pairs)
        covered += interval.low <= truth <= interval.high
        covered_arm += arm.low <= setting.accuracies[0] <= arm.high
        width += interval.high - interval.low
        if race < bootstrapped:
            drawn = bootstrap_difference(arms[0], arms[1], draws=500, seed=race)
            by_bootstrap += drawn.low <= truth <= drawn.high
    share = by_bootstrap / bootstrapped if bootstrapped else None
    return SimulatedRaces(setting, races, claims / races, covered / races, covered_arm / races, share, width / races)


def draw_arms(setting: Setting, rng: np.random.Generator) -> list[NDArray[np.bool_]]:
    """For each arm (S, N) whether each seed is right about each image."""
    size, common = (setting.seeds, setting.n), rng.standard_normal(setting.n)
    scale = math.sqrt(DIFFICULTY**2 + setting.seed_effect**2 + 1)
    arms = []
    for accuracy in setting.accuracies:
        own = rng.standard_normal(setting.n)
        difficulty = math.sqrt(setting.shared) * common + math.sqrt(1 - setting.shared) * own
        seed = setting.seed_effect * rng.standard_normal((setting.seeds, 1))
        centre = NormalDist().inv_cdf(accuracy) * scale
        arms.append(centre + DIFFICULTY * difficulty + seed + rng.standard_normal(size) > 0)
    return arms


def bootstrap_difference(
    a: NDArray[np.bool_], b: NDArray[np.bool_], level: float = 0.95, draws: int = 2000, seed: int = 0
) -> Interval:
    """The percentile interval of the difference of two mean accuracies, b minus a: a check that assumes less.

    It resamples images (the same ones for both arms) and, with several seeds, the seeds of each arm by themselves. With
    three seeds it draws all three different ones in two draws of nine only, so it sees two thirds of their variance
    and knows nothing of the few degrees of freedom; where no prediction differs its interval is empty. No verdict
    rests on it.

    Args:
        a, b: (S, N) bool, whether each training is right about each of the same N images.
        draws: how often images and seeds are drawn.
        seed: of the draws; the same one gives the same interval.
    Source: the pigeonhole bootstrap of Owen 2007, Annals of Applied Statistics 1:386.
    """
    rng = np.random.default_rng(seed)
    n = a.shape[1]
    images = rng.multinomial(n, np.full(n, 1 / n), size=draws) / n  # (draws, N): how often each is drawn

    def means(right: NDArray[np.bool_]) -> NDArray[np.float64]:
        by_seed = images @ right.T.astype(np.float64)  # (draws, S)
        seeds = len(right)
        weights = rng.multinomial(seeds, np.full(seeds, 1 / seeds), size=draws) / seeds
        return np.asarray((by_seed * weights).sum(axis=1))

    difference = means(b) - means(a)
    low, high = np.quantile(difference, [(1 - level) / 2, (1 + level) / 2]).tolist()
    return Interval(low, high, level)


def _table(right: NDArray[np.bool_]) -> PredictionTable:
    n = len(right)
    chances = np.column_stack([right, ~right]).astype(np.float64)
    return PredictionTable("test", ("right", "wrong"), _names(n), np.arange(n), np.zeros(n, np.int64), chances)


@cache
def _names(n: int) -> tuple[str, ...]:
    return tuple(map(str, range(n)))
