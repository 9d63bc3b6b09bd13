"""Which images are hard: how many trainings of each arm get each image right."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.errors import ComparisonError
from core.statistics.aligned_predictions import AlignedPredictions, align
from core.statistics.predictions import PredictionTable


@dataclass(frozen=True, eq=False)
class Difficulty:
    """The trainings of A arms on the same N images.

    Args:
        arms: names.
        seeds: trainings of each arm.
        answers: of all trainings, arm by arm.
        right: (A, N) how many trainings of an arm get an image right.
    """

    arms: tuple[str, ...]
    seeds: tuple[int, ...]
    answers: AlignedPredictions
    right: NDArray[np.int64]

    @property
    def always_wrong(self) -> NDArray[np.int64]:
        """Places of the images that no training of any arm gets right. Those on which most trainings give the same
        wrong answer come first: there the label itself may be wrong."""
        found = np.flatnonzero(self.right.sum(axis=0) == 0)
        return found[np.lexsort((-self._confidence(found), -self._agreement(found)))]

    @property
    def always_right(self) -> NDArray[np.int64]:
        """Places of the images that every training gets right, the least confident first."""
        found = np.flatnonzero(self.right.sum(axis=0) == sum(self.seeds))
        return found[np.argsort(self._confidence(found), kind="stable")]

    def only(self, arm: int) -> NDArray[np.int64]:
        """Places of the images that only this arm gets right in all its trainings; those that the other arms get right
        least often come first, and of these the ones on which two trainings differ most."""
        all_right = self.right == np.array(self.seeds)[:, None]
        found = np.flatnonzero(all_right[arm] & (all_right.sum(axis=0) == 1))
        others = self.right.sum(axis=0) - self.right[arm]
        return found[np.lexsort((-self.answers.disagreement[found], others[found]))]

    def never_right(self, arm: int) -> NDArray[np.int64]:
        """Places of the images that no training of this arm gets right, the most confident mistakes first."""
        found = np.flatnonzero(self.right[arm] == 0)
        start = sum(self.seeds[:arm])
        confidence = self.answers.confidence[start : start + self.seeds[arm], found].mean(axis=0)
        return found[np.argsort(-confidence, kind="stable")]

    def common_answer(self, place: int) -> tuple[int, int]:
        """(class, trainings): the most common prediction for an image, and how many trainings make it."""
        counted = np.bincount(self.answers.predicted[:, place], minlength=len(self.answers.classes))
        return int(counted.argmax()), int(counted.max())

    def _agreement(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.array([self.common_answer(int(place))[1] for place in places], dtype=np.int64)

    def _confidence(self, places: NDArray[np.int64]) -> NDArray[np.float64]:
        return np.asarray(self.answers.confidence[:, places].mean(axis=0), dtype=np.float64)


def measure_difficulty(arms: Sequence[tuple[str, Sequence[PredictionTable]]]) -> Difficulty:
    """Count, for every image, the trainings of each arm that get it right.

    Args:
        arms: name and one table a training.
    Raises:
        ComparisonError: if an arm has no training, or they were not evaluated on the same images.
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
