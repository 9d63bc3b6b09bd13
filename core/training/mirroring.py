"""Mirrored validation pictures: does mirroring turn one class into another, as it turns left into right?

The finished weights answer to some validation pictures as they are and mirrored. A network that was trained on random
flips cannot show it: it has learned to answer both alike, and so at chance between two such classes. For such a run a
small classifier answers too, which sees nothing but left and right: the part of a picture that changes its sign when
the picture is mirrored. Where it distinguishes two classes that the network does not, flips have erased the difference.
"""

from collections import Counter

import numpy as np
import numpy.typing as npt

from core.config.events import Mirrored
from core.stores.pixels import Pixels, PixelStore
from core.stores.training_data import Indices, SplitData

PER_CLASS = 20  # pictures of a class: enough to see that most of them change sides
MAX_IMAGES = 500
GRID = 16  # rows and columns of the small classifier's pictures
SHRINK = 0.1  # of its covariance, toward a multiple of the unit matrix
BATCH = 64

Labels = npt.NDArray[np.int64]


def choose_places(labels: Labels, seed: int) -> Indices:
    """Places of random pictures, at most `PER_CLASS` of each class and `MAX_IMAGES` in all, classes in turn."""
    order = np.random.default_rng([seed, 13]).permutation(len(labels))
    turns = np.zeros(len(labels), dtype=np.int64)
    seen: Counter[int] = Counter()
    for place in order:
        turns[place] = seen[int(labels[place])]
        seen[int(labels[place])] += 1
    chosen = [place for place in order[np.argsort(turns[order], kind="stable")] if turns[place] < PER_CLASS]
    return np.sort(np.array(chosen[:MAX_IMAGES], dtype=np.int64))


def mirror(pixels: Pixels) -> Pixels:
    """Left and right exchanged: (B, S, S, 3) uint8."""
    return np.ascontiguousarray(pixels[:, :, ::-1])


def answer_by_orientation(store: PixelStore, train: SplitData, val: SplitData) -> Labels:
    """What left and right alone say of the validation pictures: (N,) classes.

    A ridge regression of the classes on the antisymmetric half of small grey pictures, without a constant: mirrored,
    each of its scores would change its sign.
    """
    known, labels = _asymmetries(store, train.indices), train.labels
    classes = int(max(labels.max(), val.labels.max())) + 1
    targets = np.eye(classes)[labels]
    targets -= targets.mean(axis=0)
    products = known.T @ known
    width = len(products)
    ridge = SHRINK * np.trace(products) / width + 1e-9
    weights = np.linalg.solve(products + ridge * np.eye(width), known.T @ targets)
    return np.asarray((_asymmetries(store, val.indices) @ weights).argmax(axis=1), dtype=np.int64)


def count_mirrored(
    labels: Labels,
    plain: npt.NDArray[np.float64],
    mirrored: npt.NDArray[np.float64],
    oriented: Labels | None,
    seconds: float,
) -> Mirrored:
    """The answers, counted.

    Args:
        labels: (N,) true classes.
        plain, mirrored: (N, C) probabilities for the pictures as they are, and mirrored.
        oriented: (N,) answers by left and right alone, if they were asked for.
    """
    return Mirrored(
        len(labels),
        _count(labels, plain.argmax(axis=1), mirrored.argmax(axis=1)),
        [] if oriented is None else _count(labels, oriented),
        round(seconds, 3),
    )


def _count(*columns: Labels) -> list[list[int]]:
    rows = Counter(zip(*(column.tolist() for column in columns), strict=True))
    return [[*row, count] for row, count in sorted(rows.items())]


def _asymmetries(store: PixelStore, indices: Indices) -> npt.NDArray[np.float64]:
    """(N, GRID * GRID / 2): small grey pictures minus their mirror image, of which one half says it all."""
    parts = []
    for first in range(0, len(indices), BATCH):
        grey = store.take(indices[first : first + BATCH]).mean(axis=3)
        left = (grey - grey[:, :, ::-1])[:, :, : grey.shape[2] // 2]
        rows, columns = _edges(left.shape[1], GRID), _edges(left.shape[2], GRID // 2)
        sums = np.add.reduceat(np.add.reduceat(left, rows[:-1], axis=1), columns[:-1], axis=2)
        parts.append((sums / np.outer(np.diff(rows), np.diff(columns))).reshape(len(left), -1))
    return np.concatenate(parts)


def _edges(length: int, parts: int) -> Indices:
    return np.linspace(0, length, parts + 1).astype(np.int64)
