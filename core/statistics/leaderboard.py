"""The leaderboard, a ranking with ties: one run is ahead of another only if the same images show that it is better.

A run's place is one more than the number of runs that are shown to be better than it. Every pair is compared on the
same images (McNemar's exact test), and the p-values are corrected for the number of pairs (Holm 1979, Scandinavian
Journal of Statistics 6:65): chance alone shows a difference in at most one ranking of twenty.
"""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from core.statistics.aligned_predictions import sort_rows
from core.statistics.comparison import adjust_p_values, mcnemar_p_value
from core.statistics.metrics import Accuracy, measure_accuracy
from core.statistics.predictions import PredictionTable

LEVEL = 0.95  # of all comparisons of a ranking together


@dataclass(frozen=True)
class Rank:
    """The place of a run.

    Attributes:
        id: the run.
        place: 1 + the number of runs shown to be better.
        tied: whether others hold the same place.
        accuracy: on the test images, with its own interval.
        worse: how many runs this one is shown to be better than.
    """

    id: str
    place: int
    tied: bool
    accuracy: Accuracy
    worse: int


def rank(tables: Mapping[str, PredictionTable]) -> list[list[Rank]]:
    """Rank runs by their predictions, best place first, then by accuracy.

    Args:
        tables: run id -> its predictions on held-out images.
    Returns:
        one ranking for each set of images, the largest set of runs first; runs that were evaluated on different
        images cannot be ranked fairly. Tables without an image are left out.
    """
    groups: dict[tuple[object, ...], dict[str, NDArray[np.bool_]]] = {}
    for run_id, table in tables.items():
        if table.n:
            key, correct = _images(table)
            groups.setdefault(key, {})[run_id] = correct
    found = [_rank_group({run_id: tables[run_id] for run_id in rows}, rows) for rows in groups.values()]
    return sorted(found, key=len, reverse=True)


def shown_better(rows: Sequence[NDArray[np.bool_]]) -> NDArray[np.bool_]:
    """Which runs are shown to be better than which.

    Args:
        rows: for each of K runs (N,) whether it is right about each of the same N images.
    Returns:
        (K, K) bool; [i, j] is whether i is better than j.
    """
    count = len(rows)
    right = np.stack(rows).astype(np.int64)  # (K, N)
    only = right @ (1 - right).T  # (K, K): images that i gets right and j does not
    pairs = [(i, j) for i in range(count) for j in range(i + 1, count)]
    p_values = adjust_p_values([_p_value(int(only[i, j]), int(only[j, i])) for i, j in pairs])
    better = np.zeros((count, count), dtype=np.bool_)
    for (i, j), p_value in zip(pairs, p_values, strict=True):
        if p_value < 1 - LEVEL:
            better[(i, j) if only[i, j] > only[j, i] else (j, i)] = True
    return better


def _rank_group(tables: Mapping[str, PredictionTable], rows: Mapping[str, NDArray[np.bool_]]) -> list[Rank]:
    better = shown_better(list(rows.values()))
    places = (1 + better.sum(axis=0)).tolist()
    beaten = better.sum(axis=1).tolist()
    out = [
        Rank(run_id, place, places.count(place) > 1, measure_accuracy(tables[run_id]), worse)
        for run_id, place, worse in zip(rows, places, beaten, strict=True)
    ]
    return sorted(out, key=lambda item: (item.place, -item.accuracy.correct, item.id))


def _images(table: PredictionTable) -> tuple[tuple[object, ...], NDArray[np.bool_]]:
    """What identifies the images of a table, and whether each is right, in an order that depends on them alone."""
    labels, order = table.labels.tolist(), sort_rows(table)
    images = tuple((table.image_ids[row], labels[row]) for row in order)
    return (table.split, table.classes, images), table.correct[order]


@functools.lru_cache(maxsize=65_536)
def _p_value(first: int, second: int) -> float:
    return mcnemar_p_value(first, second)
