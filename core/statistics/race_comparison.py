"""What a race shows: every arm with its interval, every pair of arms with its test, and one sentence about it all.

With one seed a pair is judged as two networks are (McNemar's exact test, Newcombe's interval) and the result is about
those networks. With several seeds it is about what the arms reach on average over seeds and pictures
(`core.statistics.seeds`). Every pair is tested, so the p-values are corrected together (Holm).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from core.errors import ComparisonError
from core.formatting import SPLIT_WORDS
from core.statistics.comparison import Arm, adjust_p_values, align, choose_better, mcnemar_p_value, paired_interval
from core.statistics.metrics import Accuracy, Interval
from core.statistics.predictions import PredictionTable
from core.statistics.race_sentences import PairFacts, describe_pair, describe_race
from core.statistics.seeds import SeedScores, compare_seeds, measure_seeds
from core.statistics.seeds import mean_accuracy as mean_accuracy


@dataclass(frozen=True, eq=False)
class ArmTables:
    """The predictions of one arm.

    Args:
        name: what sentences call it.
        tables: one a seed, seeds in the same order for all arms; the same pictures in all.
        seconds: of training, one a seed; empty where unknown.
    """

    name: str
    tables: tuple[PredictionTable, ...]
    seconds: tuple[float, ...] = ()


@dataclass(frozen=True)
class ArmScore:
    """How one arm fares.

    Attributes:
        accuracies: one a seed.
        mean: accuracy over the seeds, a fraction.
        interval: of the mean, over pictures and seeds.
        n: pictures.
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
class PairJudgement:
    """Two arms on the same pictures.

    Attributes:
        a, b: their names.
        difference: mean accuracy of b minus that of a, a fraction.
        interval: of this difference alone; both ends are b minus a.
        p_value: of this difference alone.
        p_adjusted: after Holm's correction for all pairs of the race.
        better: the one shown to be better; None while chance can explain the difference.
        sentence: the same in words.
    """

    a: str
    b: str
    difference: float
    interval: Interval
    p_value: float
    p_adjusted: float
    better: Arm | None
    sentence: str


@dataclass(frozen=True)
class RaceJudgement:
    """A whole race.

    Attributes:
        split: `test`, or `val` where there is no test split.
        n: pictures.
        seeds: trainings of each arm.
        arms: in the order given.
        pairs: every two arms, the earlier one as a.
        sentence: the headline.
    """

    split: str
    n: int
    seeds: int
    arms: tuple[ArmScore, ...]
    pairs: tuple[PairJudgement, ...]
    sentence: str

    def to_json(self) -> dict[str, Any]:
        """Everything, with fractions and counts."""
        return {
            "split": self.split,
            "n": self.n,
            "seeds": self.seeds,
            "sentence": self.sentence,
            "arms": [
                {
                    "name": arm.name,
                    "accuracies": [accuracy.correct / accuracy.n for accuracy in arm.accuracies],
                    "mean": arm.mean,
                    "interval": [arm.interval.low, arm.interval.high],
                    "seconds": arm.seconds,
                }
                for arm in self.arms
            ],
            "pairs": [
                {
                    "a": pair.a,
                    "b": pair.b,
                    "difference": pair.difference,
                    "interval": [pair.interval.low, pair.interval.high],
                    "p_value": pair.p_value,
                    "p_adjusted": pair.p_adjusted,
                    "better": pair.better,
                    "sentence": pair.sentence,
                }
                for pair in self.pairs
            ],
        }


def judge_race(arms: Sequence[ArmTables], level: float = 0.95) -> RaceJudgement:
    """Judge arms on the pictures that all of them were tested on.

    Args:
        level: of the intervals, and of all tests together.
    Raises:
        ComparisonError: without an arm, where arms share a name or differ in their number of seeds, or unless all
            tables hold the same pictures of the same held-out split, with the same labels and classes.
    """
    correct = gather_correct(arms)
    scores = [measure_seeds(rows) for rows in correct]
    split, (seeds, n) = arms[0].tables[0].split, correct[0].shape
    judged = tuple(_score(arm, rows, level) for arm, rows in zip(arms, correct, strict=True))
    indices = [(i, j) for i in range(len(arms)) for j in range(i + 1, len(arms))]
    facts = [
        _compare(judged[i], judged[j], (correct[i], correct[j]), (scores[i], scores[j]), level) for i, j in indices
    ]
    adjusted = adjust_p_values([fact.p_value for fact in facts])
    pairs = []
    for fact, p_adjusted in zip(facts, adjusted, strict=True):
        better = choose_better(fact.interval, p_adjusted)
        sentence = describe_pair(fact, split, better, p_adjusted, len(facts))
        pairs.append(
            PairJudgement(fact.a, fact.b, fact.difference, fact.interval, fact.p_value, p_adjusted, better, sentence)
        )
    sentence = describe_race(judged, pairs, split)
    return RaceJudgement(split, n, seeds, judged, tuple(pairs), sentence)


def gather_correct(arms: Sequence[ArmTables]) -> list[NDArray[np.bool_]]:
    """For each arm (S, N) whether each seed is right about each picture; column i is the same picture in all.

    Raises:
        ComparisonError: as `judge_race`.
    """
    if not arms or not arms[0].tables:
        raise ComparisonError("There is no result to judge yet: wait until a run of the race has ended.")
    names = [arm.name for arm in arms]
    if len(set(names)) < len(names):
        raise ComparisonError("Two arms have the same name: give every arm its own.")
    first = arms[0].tables[0]
    if first.split not in SPLIT_WORDS or not first.n:
        align(first, first, names[0], names[0])  # says what is wrong with it
    for arm in arms:
        if len(arm.tables) != len(arms[0].tables):
            raise ComparisonError(
                f"{names[0]} has {len(arms[0].tables)} results and {arm.name} {len(arm.tables)}: "
                "judge the seeds that every arm has finished."
            )
        if len(arm.seconds) not in (0, len(arm.tables)):
            raise ComparisonError(
                f"{arm.name} has {len(arm.tables)} results but {len(arm.seconds)} times of training: give one for each."
            )
    return [np.stack([table.correct[align(first, table, names[0], arm.name)] for table in arm.tables]) for arm in arms]


def _score(arm: ArmTables, correct: NDArray[np.bool_], level: float) -> ArmScore:
    mean, interval = mean_accuracy(correct, level)
    seeds, n = correct.shape
    accuracies = tuple(Accuracy(right, n) for right in correct.sum(axis=1).tolist())
    return ArmScore(arm.name, accuracies, mean, interval, n, seeds, median(arm.seconds) if arm.seconds else None)


def _compare(
    a: ArmScore,
    b: ArmScore,
    correct: tuple[NDArray[np.bool_], NDArray[np.bool_]],
    scores: tuple[SeedScores, SeedScores],
    level: float,
) -> PairFacts:
    if a.seeds > 1:
        found = compare_seeds(*scores, level)
        return PairFacts(a, b, found.value, found.interval, found.p_value, found)
    right_a, right_b = correct[0][0], correct[1][0]
    only_a, only_b = int((right_a & ~right_b).sum()), int((~right_a & right_b).sum())
    both_right = int((right_a & right_b).sum())
    interval = paired_interval(both_right, only_a, only_b, a.n - both_right - only_a - only_b, level)
    p_value = mcnemar_p_value(only_a, only_b)
    return PairFacts(a, b, (only_b - only_a) / a.n, interval, p_value, (only_a, only_b))
