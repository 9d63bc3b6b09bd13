"""Conformal p-values and prediction sets: rates that hold for pictures like the validation pictures.

A p-value of 0.03 means: at most 3 of 100 known pictures look as strange as this one. Where pictures are refused at a
p-value of at most 0.05, at most 1 in 20 known ones is refused, as long as validation pictures and later ones are
exchangeable: drawn from the same source, and treated alike.

Source: Vovk, Gammerman and Shafer, Algorithmic Learning in a Random World (2005); the sets are those of Sadinle, Lei
and Wasserman, Least ambiguous set-valued classifiers (2019), for each class on its own ("Mondrian").
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

DEFAULT_PROMISE = 0.05  # of known pictures at most 1 in 20 is refused, or gets a set without its class
PROMISES = (0.01, 0.02, 0.05, 0.1, 0.2)
_ROUNDING = 1e-9  # of 1 / 0.05

Values = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.int64]


def p_values(scores: npt.NDArray[np.floating], ordered: npt.NDArray[np.floating]) -> Values:
    """`(1 + validation scores at least as high) / (n + 1)` for each score; higher is stranger.

    Args:
        scores: (N,).
        ordered: (n,) scores of validation pictures, ascending.
    Returns:
        (N,), from 1 / (n + 1) to 1.
    """
    as_strange = len(ordered) - np.searchsorted(ordered, scores, side="left")
    return np.asarray((1 + as_strange) / (len(ordered) + 1), np.float64)


def tests_at_once(images: int, tests: int) -> int:
    """How many tests are combined: all, or the first alone where so few validation pictures could not refuse otherwise.

    It depends on their number only, never on what they look like, so each choice keeps the promise.
    """
    return tests if can_promise(images, DEFAULT_PROMISE, tests) else min(tests, 1)


def combine(each: Values, images: int) -> Values:
    """One p-value from several tests of the same pictures, by Bonferroni: their smallest, times their number.

    Args:
        each: (N, tests) p-values.
        images: validation pictures behind them.
    Returns:
        (N,), at most 1.
    """
    used = tests_at_once(images, each.shape[1])
    return np.asarray(np.minimum(1.0, used * each[:, :used].min(axis=1)), np.float64)


def can_promise(images: int, promise: float, tests: int = 1) -> bool:
    """Whether `images` validation pictures suffice to refuse anything at this promise."""
    return (images + 1) * promise >= tests - _ROUNDING


def images_for(promise: float) -> int:
    """Validation pictures that a promise needs: 19 for 1 in 20."""
    return math.ceil(1 / promise - 1 - _ROUNDING)


def class_groups(counts: Sequence[int], promise: float) -> list[int] | None:
    """Which classes are calibrated together at this promise.

    Each class on its own; those with too few validation pictures together; and all together where these are too few
    still.

    Args:
        counts: validation pictures of each class.
    Returns:
        The group of each class; None where all pictures together do not suffice.
    """
    few = [place for place, count in enumerate(counts) if not can_promise(count, promise)]
    if not can_promise(sum(counts), promise):
        return None
    if few and not can_promise(sum(counts[place] for place in few), promise):
        return [0] * len(counts)
    return [len(counts) if place in few else place for place in range(len(counts))]


@dataclass(frozen=True, eq=False)
class ClassSets:
    """Sets of classes: the true one is in a picture's set for all but a promised share of known pictures.

    Attributes:
        labels: (n,) true classes of the validation pictures.
        true_probabilities: (n,) what the network gave them.
        counts: validation pictures of each class.
    """

    labels: Numbers
    true_probabilities: Values
    counts: Sequence[int]
    _least: dict[float, Values | None] = field(default_factory=dict)

    def least(self, promise: float) -> Values | None:
        """The smallest probability with which each class is in a set: (C,); None where no such promise can be made."""
        if promise not in self._least:
            groups = class_groups(self.counts, promise)
            if groups is None:
                self._least[promise] = None
            else:
                group_of = np.array(groups)[self.labels]
                by_group = {group: _least_of(self.true_probabilities[group_of == group], promise) for group in groups}
                self._least[promise] = np.array([by_group[group] for group in groups])
        return self._least[promise]

    def of(self, probabilities: Values, promise: float) -> npt.NDArray[np.bool_] | None:
        """Which classes each picture may be: (N, C), as `choose_sets`; None where no such promise can be made."""
        least = self.least(promise)
        return None if least is None else choose_sets(probabilities, least, promise)


def choose_sets(probabilities: Values, least: Values, promise: float) -> npt.NDArray[np.bool_]:
    """Which classes each picture may be: those that are probable enough.

    An empty set would be no answer: it becomes the most probable classes that hold `1 - promise` together.

    Args:
        probabilities: (N, C).
        least: (C,) as `ClassSets.least`.
    Returns:
        (N, C).
    """
    found = probabilities >= least
    for place in np.flatnonzero(~found.any(axis=1)):
        order = np.argsort(-probabilities[place], kind="stable")
        reached = np.cumsum(probabilities[place][order])
        found[place, order[: 1 + int((reached < 1 - promise).sum())]] = True
    return found


def _least_of(known: Values, promise: float) -> float:
    """The smallest probability with a p-value above the promise: `(1 + known ones of at most that) / (n + 1)`."""
    place = math.floor((len(known) + 1) * (promise + _ROUNDING))
    return float(np.sort(known)[place - 1])
