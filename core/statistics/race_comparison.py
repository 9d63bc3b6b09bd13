"""The arms of a race compared: the accuracy of each with its interval, and every pair of arms with its test.

With one seed a pair is compared as two networks are (McNemar's exact test, Newcombe's interval), and the result is
about those two networks. With several seeds it is about the mean accuracy of each arm over seeds and images
(`core.statistics.seeds`). Every pair is tested, so the p-values are corrected together (Holm). This file returns
numbers; `core.statistics.race_sentences` puts them into words.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from statistics import median

import numpy as np
from numpy.typing import NDArray

from core.errors import ComparisonError
from core.statistics.aligned_predictions import align_rows
from core.statistics.caveats import Caveat
from core.statistics.comparison import (
    Side,
    adjust_p_values,
    choose_better,
    count_outcomes,
    mcnemar_p_value,
    paired_interval,
)
from core.statistics.metrics import Accuracy, Interval
from core.statistics.predictions import PredictionTable
from core.statistics.seeds import Difference, SeedScores, compare_seeds, mean_accuracy, measure_seeds


@dataclass(frozen=True, eq=False)
class ArmTables:
    """The predictions of one arm.

    Attributes:
        name: what sentences call it.
        tables: one per seed, seeds in the same order for all arms; the same images in all.
        seconds: of training, one per seed; empty where unknown.
    """

    name: str
    tables: tuple[PredictionTable, ...]
    seconds: tuple[float, ...] = ()


@dataclass(frozen=True)
class ArmScore:
    """The accuracy of one arm.

    Attributes:
        accuracies: one per seed.
        mean: accuracy over the seeds, a fraction.
        interval: of the mean, over images and seeds.
        n: images.
        seeds: trainings.
        seconds: of training, the median of the seeds; None where unknown.
    """

    name: str
    accuracies: tuple[Accuracy, ...]
    mean: float
    interval: Interval
    n: int
    seeds: int
    seconds: float | None


@dataclass(frozen=True)
class PairComparison:
    """Two arms on the same images.

    Attributes:
        a, b: their names.
        difference: mean accuracy of b minus that of a, a fraction.
        interval: of this difference alone; both ends are b minus a.
        p_value: of this difference alone.
        p_adjusted: after Holm's correction for all pairs of the race.
        better: the arm shown to be better; None while chance can explain the difference.
        basis: what the difference rests on. With one seed: the number of images that only a, and that only b,
            gets right. With several: the parts of its variance.
    """

    a: str
    b: str
    difference: float
    interval: Interval
    p_value: float
    p_adjusted: float
    better: Side | None
    basis: tuple[int, int] | Difference

    @property
    def winner(self) -> str | None:
        """Name of the better arm; None where no difference is shown."""
        return None if self.better is None else self.a if self.better == "a" else self.b

    @property
    def loser(self) -> str | None:
        """Name of the other arm; None where no difference is shown."""
        return None if self.better is None else self.b if self.better == "a" else self.a


@dataclass(frozen=True)
class RaceComparison:
    """A whole race.

    Attributes:
        split: `test`, or `val` where there is no test split.
        n: images.
        seeds: trainings of each arm.
        arms: in the order given.
        pairs: every two arms, the earlier one as a.
        caveats: what was unequal between the arms or flatters some, where that is known.
    """

    split: str
    n: int
    seeds: int
    arms: tuple[ArmScore, ...]
    pairs: tuple[PairComparison, ...]
    caveats: tuple[Caveat, ...] = ()

    def arm(self, name: str) -> ArmScore:
        """The arm of this name."""
        return next(arm for arm in self.arms if arm.name == name)


def compare_arms(arms: Sequence[ArmTables], level: float = 0.95) -> RaceComparison:
    """Compare arms on the images that all of them were evaluated on.

    Args:
        level: of the intervals, and of all tests together.
    Raises:
        ComparisonError: without an arm, where arms share a name or differ in their number of seeds, or unless all
            tables hold the same images of the same held-out split, with the same labels and classes.
    """
    correct = gather_correct(arms)
    variances = [measure_seeds(rows) for rows in correct]
    split, (seeds, n) = arms[0].tables[0].split, correct[0].shape
    scores = tuple(_score(arm, rows, level) for arm, rows in zip(arms, correct, strict=True))
    found = [
        _compare_pair((arms[i].name, arms[j].name), (correct[i], correct[j]), (variances[i], variances[j]), level)
        for i, j in combinations(range(len(arms)), 2)
    ]
    adjusted = adjust_p_values([pair.p_value for pair in found])
    pairs = tuple(
        replace(pair, p_adjusted=p_value, better=choose_better(pair.interval, p_value))
        for pair, p_value in zip(found, adjusted, strict=True)
    )
    return RaceComparison(split, n, seeds, scores, pairs)


def gather_correct(arms: Sequence[ArmTables]) -> list[NDArray[np.bool_]]:
    """For each arm (S, N) whether each seed is right about each image; column i is the same image in all.

    Raises:
        ComparisonError: as `compare_arms`.
    """
    if not arms or not arms[0].tables:
        raise ComparisonError("There is no result to compare yet: wait until a run of the race has finished.")
    names = [arm.name for arm in arms]
    if len(set(names)) < len(names):
        raise ComparisonError("Two arms have the same name: give every arm its own.")
    first = arms[0].tables[0]
    if first.split not in ("test", "val") or not first.n:
        align_rows(first, first, names[0], names[0])  # raises what is wrong with it
    for arm in arms:
        if len(arm.tables) != len(arms[0].tables):
            raise ComparisonError(
                f"{names[0]} has {len(arms[0].tables)} results and {arm.name} {len(arm.tables)}: "
                "compare the seeds that every arm has finished."
            )
        if len(arm.seconds) not in (0, len(arm.tables)):
            raise ComparisonError(
                f"{arm.name} has {len(arm.tables)} results but {len(arm.seconds)} times of training: give one for each."
            )
    return [
        np.stack([table.correct[align_rows(first, table, names[0], arm.name)] for table in arm.tables]) for arm in arms
    ]


def _score(arm: ArmTables, correct: NDArray[np.bool_], level: float) -> ArmScore:
    mean, interval = mean_accuracy(correct, level)
    seeds, n = correct.shape
    accuracies = tuple(Accuracy(right, n) for right in correct.sum(axis=1).tolist())
    return ArmScore(arm.name, accuracies, mean, interval, n, seeds, median(arm.seconds) if arm.seconds else None)


def _compare_pair(
    names: tuple[str, str],
    correct: tuple[NDArray[np.bool_], NDArray[np.bool_]],
    variances: tuple[SeedScores, SeedScores],
    level: float,
) -> PairComparison:
    """Two arms by themselves, before the correction for many pairs."""
    seeds, n = correct[0].shape
    if seeds > 1:
        found = compare_seeds(*variances, level)
        return PairComparison(*names, found.value, found.interval, found.p_value, found.p_value, None, found)
    counts = count_outcomes(correct[0][0], correct[1][0])
    _, only_a, only_b, _ = counts
    interval = paired_interval(*counts, level)
    p_value = mcnemar_p_value(only_a, only_b)
    return PairComparison(*names, (only_b - only_a) / n, interval, p_value, p_value, None, (only_a, only_b))
