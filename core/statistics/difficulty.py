"""Which pictures are hard: how many of the trainings of each arm get each picture right."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.errors import ComparisonError
from core.statistics.aligned_predictions import AlignedPredictions, align
from core.statistics.predictions import PredictionTable


@dataclass(frozen=True, eq=False)
class Difficulty:
    """The trainings of A arms on the same N pictures.

    Args:
        arms: names.
        seeds: trainings of each arm.
        answers: of all trainings, arm by arm.
        right: (A, N) how many trainings of an arm get a picture right.
    """

    arms: tuple[str, ...]
    seeds: tuple[int, ...]
    answers: AlignedPredictions
    right: NDArray[np.int64]

    @property
    def always_wrong(self) -> NDArray[np.int64]:
        """Places of the pictures that no training of any arm gets right, those first on which most of them give the
        same wrong answer: there the label itself may be wrong."""
        found = np.flatnonzero(self.right.sum(axis=0) == 0)
        return found[np.lexsort((-self._confidence(found), -self._agreement(found)))]

    def only(self, arm: int) -> NDArray[np.int64]:
        """Places of the pictures that this arm gets right in all its trainings, and no other arm does; those first
        that the others get right least often."""
        all_right = self.right == np.array(self.seeds)[:, None]
        found = np.flatnonzero(all_right[arm] & (all_right.sum(axis=0) == 1))
        others = self.right.sum(axis=0) - self.right[arm]
        return found[np.argsort(others[found], kind="stable")]

    def common_answer(self, place: int) -> tuple[int, int]:
        """(class, trainings): what most of the trainings say to a picture, and how many of them."""
        counted = np.bincount(self.answers.predicted[:, place], minlength=len(self.answers.classes))
        return int(counted.argmax()), int(counted.max())

    def _agreement(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.array([self.common_answer(int(place))[1] for place in places], dtype=np.int64)

    def _confidence(self, places: NDArray[np.int64]) -> NDArray[np.float64]:
        return np.asarray(self.answers.confidence[:, places].mean(axis=0), dtype=np.float64)


def measure_difficulty(arms: Sequence[tuple[str, Sequence[PredictionTable]]]) -> Difficulty:
    """Count for every picture the trainings of each arm that get it right.

    Args:
        arms: name and one table a training.
    Raises:
        ComparisonError: if an arm has no training, or they were not judged on the same pictures.
    """
    if not arms or not all(tables for _, tables in arms):
        raise ComparisonError("An arm of this race has no test result yet: wait until it has finished.")
    answers = align([table for _, tables in arms for table in tables])
    seeds = tuple(len(tables) for _, tables in arms)
    ends = np.cumsum(seeds)
    right = np.stack(
        [answers.right[end - count : end].sum(axis=0) for end, count in zip(ends, seeds, strict=True)]
    ).astype(np.int64)
    return Difficulty(tuple(name for name, _ in arms), seeds, answers, right)
