"""Whether promises were kept on test pictures, and how many strangers they catch, next to the network's confidence."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.errors import RunError
from core.novelty.conformal import Values, can_promise, p_values, tests_at_once
from core.novelty.distances import TESTS
from core.novelty.novelty import Novelty
from core.statistics.metrics import Interval, exact_interval
from core.statistics.predictions import PredictionTable

GRID = tuple(step / 100 for step in range(1, 21))  # promises


@dataclass(frozen=True)
class Share:
    """How many of n pictures."""

    count: int
    n: int

    @property
    def value(self) -> float | None:
        """A fraction; None without pictures."""
        return self.count / self.n if self.n else None

    @property
    def interval(self) -> Interval:
        """Clopper and Pearson's 95 % interval."""
        return exact_interval(self.count, self.n)


@dataclass(frozen=True)
class Coverage:
    """What became of one promise.

    Attributes:
        promise: the share of known pictures that may be refused, or get a set without their class.
        possible: there are enough validation pictures for it.
        refused: test pictures that were called strange.
        missed: test pictures whose set lacks their class; None where no set can be promised.
        set_size: classes of a set, on average; None as before.
        caught: strangers that were called strange; None without strangers.
        caught_by_confidence: strangers that are caught by low confidence, at the same promise; None as before.
    """

    promise: float
    possible: bool
    refused: Share
    missed: Share | None
    set_size: float | None
    caught: Share | None = None
    caught_by_confidence: Share | None = None


def measure_coverage(
    novelty: Novelty,
    tested: PredictionTable,
    validation: PredictionTable,
    strangers: tuple[Values, Values] | None = None,
) -> tuple[Coverage, ...]:
    """Compare promises with what test pictures got.

    Args:
        tested: predictions on the test split.
        validation: predictions on the validation split.
        strangers: p-values and confidences of pictures that are of none of the classes.
    Raises:
        RunError: if the run has no test split of its own.
    """
    if tested.split == validation.split or not len(novelty.test_indices):
        raise RunError("This dataset has no test split, so nothing shows whether promises were kept.")
    if novelty.test_indices.tolist() != tested.indices.tolist():
        raise RunError("The stored distances are of other test pictures: evaluate the run again.")
    own = novelty.p_values(novelty.test_scores)
    confident = None
    if strangers is not None:
        confident = p_values(-np.asarray(strangers[1]), np.sort(-validation.probabilities.max(axis=1)))
    found = []
    for promise in GRID:
        sets = novelty.sets(tested.probabilities, promise)
        missed = None if sets is None else int((~sets[np.arange(tested.n), tested.labels]).sum())
        found.append(
            Coverage(
                promise,
                can_promise(novelty.images, promise, tests_at_once(novelty.images, len(TESTS))),
                _count(own, promise),
                None if missed is None else Share(missed, tested.n),
                None if sets is None else float(sets.sum(axis=1).mean()),
                None if strangers is None else _count(np.asarray(strangers[0]), promise),
                None if confident is None else _count(confident, promise),
            )
        )
    return tuple(found)


def _count(found: NDArray[np.float64], promise: float) -> Share:
    return Share(int((found <= promise + 1e-12).sum()), len(found))
