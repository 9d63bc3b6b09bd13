"""What fits into a small file: the distance to the nearest class mean alone, and one number for each class's set."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from core.novelty.conformal import DEFAULT_PROMISE, Values, can_promise, choose_sets, p_values
from core.novelty.distances import Features, unit
from core.novelty.novelty import Novelty

TEST = 1  # in `distances.TESTS`


@dataclass(frozen=True, eq=False)
class NearestMean:
    """Known and strange pictures by one test, at one promise. No training picture is in it.

    Attributes:
        promise: of known pictures at most this share is called strange, or gets a set without its class.
        means: (M, F) of length 1.
        scores: (n,) distances of validation pictures to their nearest class mean, ascending.
        least: (C,) the smallest probability with which each class is in a set.
    """

    promise: float
    means: Features
    scores: Features
    least: Values

    @classmethod
    def of(cls, known: Novelty, promise: float = DEFAULT_PROMISE) -> "NearestMean | None":
        """That of a run; None where it has too few validation pictures for the promise."""
        least = known.least(promise)
        if least is None or not can_promise(known.images, promise):
            return None
        return cls(promise, known.reference.means, np.sort(known.val_scores[:, TEST]), least)

    def p_values(self, features: Features) -> Values:
        """(N, F) -> (N,): at most this share of known pictures is as far from the nearest class mean."""
        nearest = (unit(features) @ self.means.T).max(axis=1)
        return p_values(1 - nearest, self.scores)

    def strange(self, features: Features) -> npt.NDArray[np.bool_]:
        """(N, F) -> (N,): whether each picture is unlike the training pictures."""
        return np.asarray(self.p_values(features) <= self.promise + 1e-12)

    def sets(self, probabilities: Values) -> npt.NDArray[np.bool_]:
        """(N, C) -> (N, C): which classes each picture may be."""
        return choose_sets(probabilities, self.least, self.promise)
