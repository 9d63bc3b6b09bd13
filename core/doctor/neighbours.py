"""Nearest neighbours in the features of a backbone, and the pairs among them that show almost the same.

One pass over blocks of rows keeps the nearest few of each picture: the memory is one block, and the features, which are
overwritten.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from time import monotonic

import numpy as np
import numpy.typing as npt
import torch
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from core.config.events import Progress
from core.datasets.dataset import ImageRow
from core.doctor.doctor_findings import CopyPair
from core.steps import StopSignal

KEPT = 10  # neighbours of each picture
BLOCK = 256  # rows
SAME = 0.95  # similarity: reached by a copy whose edges are cut by 4 %, by no two photographs of different things
ALIKE = 0.80  # with `APART`: another crop, a turn by 5 degrees, the next frame of a burst
APART = 0.52  # distance to the pair's other half, at most, as a part of that to the tenth neighbour (decision 0035)
MAX_PAIRS = 60

Floats = npt.NDArray[np.float32]
Places = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Neighbours:
    """The nearest other pictures of every picture, nearest first.

    Attributes:
        places: (N, K) int64, K at most `KEPT`.
        similarities: (N, K) float32: cosine of the features, from which their mean was taken.
    """

    places: Places
    similarities: Floats

    def copies(self) -> list[CopyPair]:
        """Pairs that show almost the same, most alike first: alike, and much nearer than what else is near."""
        if not self.places.shape[1]:
            return []
        distances = np.sqrt(np.maximum(0, 1 - self.similarities))
        pairs: dict[tuple[int, int], float] = {}
        for row, column in zip(*np.nonzero(self.similarities >= ALIKE), strict=True):
            other, similarity = int(self.places[row, column]), float(self.similarities[row, column])
            nearest_rest = min(distances[row, -1], distances[other, -1])
            if similarity >= SAME or distances[row, column] <= APART * nearest_rest:
                pairs[min(int(row), other), max(int(row), other)] = similarity
        return [CopyPair(*pair, round(value, 4)) for pair, value in sorted(pairs.items(), key=lambda item: -item[1])]


def find_neighbours(values: Floats, signal: StopSignal) -> Generator[Progress, None, Neighbours]:
    """Compare every picture with every other.

    Args:
        values: (N, F); overwritten.
    """
    units = torch.from_numpy(values)
    units -= torch.from_numpy(values.mean(axis=0))
    units /= units.norm(dim=1, keepdim=True).clamp_min(1e-12)
    count = len(units)
    kept = min(KEPT, count - 1)
    places, similarities = np.empty((count, kept), np.int64), np.empty((count, kept), np.float32)
    started = monotonic()
    for first in range(0, count, BLOCK):
        signal.check()
        found = units[first : first + BLOCK] @ units.T
        rows = torch.arange(len(found))
        found[rows, first + rows] = -2  # not itself
        best = found.topk(kept, dim=1)
        similarities[first : first + BLOCK], places[first : first + BLOCK] = best.values.clamp(-1, 1), best.indices
        done = first + len(found)
        del found  # else it is there together with the next
        yield Progress(
            "testing", "Comparing the pictures", done, count, (monotonic() - started) / done * (count - done)
        )
    return Neighbours(places, similarities)


def group_copies(pairs: Sequence[CopyPair], count: int) -> Places:
    """A number for every picture, the same for chains of copies."""
    first, second = [pair.first for pair in pairs], [pair.second for pair in pairs]
    edges = coo_array((np.ones(len(pairs), np.int8), (first, second)), shape=(count, count))
    groups: Places = connected_components(edges, directed=False)[1].astype(np.int64)
    return groups


def list_chains(groups: Places) -> tuple[tuple[int, ...], ...]:
    """The places of each group of more than one."""
    order = np.argsort(groups, kind="stable")
    found = np.split(order, np.flatnonzero(np.diff(groups[order])) + 1)
    return tuple(tuple(places.tolist()) for places in found if len(places) > 1)


def misleading(pairs: Sequence[CopyPair], rows: Sequence[ImageRow]) -> list[CopyPair]:
    """Those in two classes, where one label is wrong, then those in two splits, where results are too good."""
    contradictory = [pair for pair in pairs if rows[pair.first].label != rows[pair.second].label]
    straddling = [
        pair
        for pair in pairs
        if rows[pair.first].label == rows[pair.second].label and rows[pair.first].split != rows[pair.second].split
    ]
    return [*contradictory, *straddling]
