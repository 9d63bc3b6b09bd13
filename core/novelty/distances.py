"""How far pictures are from the training pictures, in what a network's head reads.

Features have length 1: their direction says more than their length (Sun et al., Out-of-distribution detection with deep
nearest neighbors, ICML 2022). A distance is 1 minus the cosine.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

NEIGHBOURS = 10
MAX_BYTES = 8 * 2**20  # of the training features that are kept
MAX_PICTURES = 4096
TESTS = ("the 10th nearest training picture", "the nearest class mean")
_BATCH = 256  # pictures whose distances to all training pictures are computed together

Features = npt.NDArray[np.float32]
Numbers = npt.NDArray[np.int64]


def choose_training(labels: Numbers, width: int) -> Numbers:
    """Which training pictures are kept: all, or an even sample of each class, so that few bytes hold them.

    Args:
        labels: (N,) of the training pictures.
        width: numbers that the head reads.
    Returns:
        Places, ascending.
    """
    most = max(len(set(labels.tolist())), min(MAX_PICTURES, MAX_BYTES // (2 * width)))
    if len(labels) <= most:
        return np.arange(len(labels))
    by_class = np.argsort(labels, kind="stable")
    return np.sort(by_class[np.linspace(0, len(labels) - 1, most).astype(np.int64)])


def unit(features: npt.NDArray[np.floating]) -> Features:
    """The same directions with length 1; zeros stay zeros."""
    values = features.astype(np.float32)
    lengths = np.sqrt((values.astype(np.float64) ** 2).sum(axis=1, keepdims=True))
    return np.asarray(values / np.maximum(lengths, np.finfo(np.float32).tiny), np.float32)


@dataclass(frozen=True, eq=False)
class Reference:
    """The training pictures that others are compared with.

    Attributes:
        features: (M, F) float16, of length 1.
        indices, labels: (M,) in the dataset's table; true class.
        means: (C, F) float32, of length 1, in the order of the classes that have training pictures.
        neighbours: which neighbour's distance counts.
    """

    features: npt.NDArray[np.float16]
    indices: Numbers
    labels: Numbers
    means: Features
    neighbours: int

    @classmethod
    def of(cls, features: Features, indices: Numbers, labels: Numbers) -> "Reference":
        """From the features of training pictures: (M, F)."""
        kept = unit(features).astype(np.float16)
        present, counts = np.unique(labels, return_counts=True)
        means = np.stack([kept[labels == label].mean(axis=0, dtype=np.float64) for label in present])
        # the tenth of a class of six would be of another class
        return cls(kept, indices, labels, unit(means), min(NEIGHBOURS, int(counts.min())))

    def scores(self, features: Features) -> Features:
        """(N, F) -> (N, 2): distance to the neighbour, and to the nearest class mean; higher is stranger."""
        return self.compare(features, 0)[0]

    def compare(self, features: Features, nearest: int) -> tuple[Features, Numbers, Features]:
        """The scores of N pictures, and their nearest training pictures.

        Args:
            features: (N, F).
            nearest: K training pictures at most.
        Returns:
            (N, 2) as `scores`; (N, K) places of the nearest, nearest first; (N, K) their distances.
        """
        nearest = min(nearest, len(self._wide))
        scores = np.empty((len(features), len(TESTS)), np.float32)
        places = np.empty((len(features), nearest), np.int64)
        distances = np.empty((len(features), nearest), np.float32)
        last = len(self._wide) - self.neighbours
        for first in range(0, len(features), _BATCH):
            part = slice(first, first + _BATCH)
            values = unit(features[part])
            similar = self._cosines(values)  # (B, M)
            scores[part, 0] = 1 - np.partition(similar, last, axis=1)[:, last]
            scores[part, 1] = 1 - (values @ self.means.T).max(axis=1)
            if nearest:
                found = np.argpartition(-similar, nearest - 1, axis=1)[:, :nearest]
                order = np.argsort(-np.take_along_axis(similar, found, axis=1), axis=1, kind="stable")
                places[part] = np.take_along_axis(found, order, axis=1)
                distances[part] = np.maximum(0, 1 - np.take_along_axis(similar, places[part], axis=1))
        return scores, places, distances

    def _cosines(self, values: Features) -> Features:
        if len(values) == 1:  # where other programs compute, the threads of a matrix product wait for 20 ms
            return np.asarray(np.vecdot(self._wide, values[0])[None], np.float32)
        return np.asarray(values @ self._wide.T, np.float32)

    @cached_property
    def _wide(self) -> Features:
        return self.features.astype(np.float32)
