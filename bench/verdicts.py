"""How often a verdict claims a difference that is not there, and how often an interval holds the truth.

    python -m bench.verdicts [--races 1000] [--seed 0] [--quick] [--json]

Simulates races whose truth is known, and judges each with `judge_race`. Every picture has a difficulty of its own,
which the arms share for the most part; every training (seed) is somewhat better or worse than the next, and every
answer has its own luck. An answer is right where arm + 2 difficulty + s seed + luck is above 0 (all standard normal),
with the arm chosen so that the mean over all pictures and seeds is exactly the accuracy named. With s = 0.2 two
trainings of one arm at 90 % differ by 1.6 points (standard deviation). With one seed the networks at hand are the
question, so seeds are alike there (s = 0).

Claims: races in which a winner is named (of equal arms, wrongly). Covered: races whose interval of the difference, and
of the first arm's mean, holds the truth. Bootstrap: the percentile interval over pictures and seeds, for comparison.
With 1,000 races a share of 95 % is known to within 1.4 points.
"""

import argparse
import json
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from bench.bootstrap import bootstrap_difference
from core.statistics.predictions import PredictionTable
from core.statistics.race_comparison import ArmTables, judge_race

DIFFICULTY = 2.0
SHARED = 0.7  # correlation of a picture's difficulty for two arms
SEED_EFFECT = 0.2
BOOTSTRAPPED = 100  # races of a setting that are also bootstrapped, by 500 draws


@dataclass(frozen=True)
class Setting:
    """Arms of these true accuracies, pictures, seeds, and how much seeds differ."""

    accuracies: tuple[float, ...]
    n: int
    seeds: int
    seed_effect: float
    shared: float = SHARED


@dataclass(frozen=True)
class Outcome:
    """Shares of the races (0 to 1), and the mean width of the interval of the difference of the first two arms."""

    setting: Setting
    races: int
    claims: float
    covered: float
    covered_arm: float
    covered_bootstrap: float | None
    width: float


def simulate(setting: Setting, races: int, rng: np.random.Generator, bootstrapped: int = 0) -> Outcome:
    """Run and judge races of one setting."""
    truth = setting.accuracies[1] - setting.accuracies[0]
    claims = covered = covered_arm = by_bootstrap = 0
    width = 0.0
    for race in range(races):
        arms = draw_arms(setting, rng)
        judged = judge_race([ArmTables(f"arm {i}", tuple(map(_table, rows))) for i, rows in enumerate(arms)])
        interval, arm = judged.pairs[0].interval, judged.arms[0].interval
        claims += any(pair.better for pair in judged.pairs)
        covered += interval.low <= truth <= interval.high
        covered_arm += arm.low <= setting.accuracies[0] <= arm.high
        width += interval.high - interval.low
        if race < bootstrapped:
            drawn = bootstrap_difference(arms[0], arms[1], draws=500, seed=race)
            by_bootstrap += drawn.low <= truth <= drawn.high
    share = by_bootstrap / bootstrapped if bootstrapped else None
    return Outcome(setting, races, claims / races, covered / races, covered_arm / races, share, width / races)


def draw_arms(setting: Setting, rng: np.random.Generator) -> list[NDArray[np.bool_]]:
    """For each arm (S, N) whether each seed is right about each picture."""
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


def settings(quick: bool) -> Iterator[Setting]:
    """What is tried: equal arms, unequal ones, arms of one kind, seeds that differ much, five arms at once."""
    for n in (180,) if quick else (60, 180, 400):
        for seeds in (1, 3, 5):
            effect = SEED_EFFECT if seeds > 1 else 0.0
            for accuracies in ((0.6, 0.6), (0.9, 0.9), (0.98, 0.98), (0.75, 0.97)):
                yield Setting(accuracies, n, seeds, effect)
    for seeds in (2, 3, 5):
        yield Setting((0.9, 0.9), 180, seeds, 0.0)
        yield Setting((0.9, 0.9), 180, seeds, 0.5)
        yield Setting((0.9, 0.95), 180, seeds, SEED_EFFECT, shared=0.95)
        yield Setting((0.9,) * 5, 180, seeds, SEED_EFFECT)


def main() -> None:
    """Simulate every setting and print a table."""
    parser = argparse.ArgumentParser(description="False claims and coverage of the verdicts.")
    parser.add_argument("--races", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="180 pictures only")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    outcomes = []
    if not options.json:
        print("accuracies      n seeds  s   shared | claims covered   arm  bootstrap  width")
    for index, setting in enumerate(settings(options.quick)):
        rng = np.random.default_rng([options.seed, index])
        outcome = simulate(setting, options.races, rng, min(BOOTSTRAPPED, options.races))
        outcomes.append(outcome)
        if not options.json:
            print(_row(outcome), flush=True)
    if options.json:
        print(json.dumps([asdict(outcome) for outcome in outcomes], indent=1))


def _row(outcome: Outcome) -> str:
    setting = outcome.setting
    arms = "/".join(f"{accuracy:g}" for accuracy in setting.accuracies[:2])
    if len(setting.accuracies) > 2:
        arms = f"{len(setting.accuracies)} x {setting.accuracies[0]:g}"
    bootstrap = "" if outcome.covered_bootstrap is None else f"{outcome.covered_bootstrap:.2f}"
    equal = len(set(setting.accuracies)) == 1
    return (
        f"{arms:12}{setting.n:5}{setting.seeds:6}{setting.seed_effect:5.1f}{setting.shared:8.2f} | "
        f"{outcome.claims:.3f}{' ' if equal else '*'} {outcome.covered:.3f}  {outcome.covered_arm:.3f}  "
        f"{bootstrap:>6} {outcome.width:9.3f}"
    )


def _table(right: NDArray[np.bool_]) -> PredictionTable:
    n = len(right)
    chances = np.column_stack([right, ~right]).astype(np.float64)
    return PredictionTable("test", ("right", "wrong"), _names(n), np.arange(n), np.zeros(n, np.int64), chances)


_NAMES: dict[int, tuple[str, ...]] = {}


def _names(n: int) -> tuple[str, ...]:
    if n not in _NAMES:
        _NAMES[n] = tuple(map(str, range(n)))
    return _NAMES[n]


if __name__ == "__main__":
    main()
