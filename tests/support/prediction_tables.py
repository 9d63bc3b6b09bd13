"""Prediction tables and arms of races whose predictions are chosen."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from core.statistics.predictions import PredictionTable
from core.statistics.race_comparison import ArmTables


def table_of(right: ArrayLike, split: str = "test") -> PredictionTable:
    """Two classes in turn; right where `right` is, always with 75 % confidence."""
    answers = np.asarray(right, dtype=np.bool_)
    n = len(answers)
    labels = np.arange(n) % 2
    chances = np.full((n, 2), 0.25)
    chances[np.arange(n), np.where(answers, labels, 1 - labels)] = 0.75
    return PredictionTable(split, ("Cat", "Dog"), tuple(f"picture{i}" for i in range(n)), np.arange(n), labels, chances)


def certain_table(labels: Sequence[int], predicted: Sequence[int], classes: tuple[str, ...]) -> PredictionTable:
    """These predictions, all with a confidence of 1."""
    n = len(labels)
    chances = np.zeros((n, len(classes)))
    chances[np.arange(n), predicted] = 1.0
    return PredictionTable("test", classes, tuple(map(str, range(n))), np.arange(n), np.array(labels), chances)


def three_class_table(
    predicted: list[int], labels: list[int] | None = None, order: list[int] | None = None
) -> PredictionTable:
    """Image i is row i of the dataset, predicted to be `predicted[i]` with 80 %; `order` shuffles the rows."""
    truth = labels or [0, 1, 2, 0, 1, 2][: len(predicted)]
    rows = order or list(range(len(predicted)))
    chances = np.full((len(predicted), 3), 0.1)
    chances[np.arange(len(predicted)), predicted] = 0.8
    ids = tuple(f"picture {row}" for row in rows)
    return PredictionTable("test", ("cat", "dog", "owl"), ids, np.array(rows), np.array(truth)[rows], chances[rows])


def sure_table(chances: Sequence[float], right: Sequence[bool], split: str = "test") -> PredictionTable:
    """Two classes; every image is predicted with the confidence given, and right where `right` is."""
    confidence, answers = np.asarray(chances, dtype=float), np.asarray(right, dtype=np.bool_)
    n = len(answers)
    rows = np.column_stack([confidence, 1 - confidence])
    ids = tuple(f"picture{i}" for i in range(n))
    return PredictionTable(split, ("yes", "no"), ids, np.arange(n), np.where(answers, 0, 1), rows)


def drawn_arm(
    name: str,
    accuracy: float,
    seeds: int,
    n: int = 180,
    seconds: float | None = None,
    split: str = "test",
    spread: float = 0.0,
) -> ArmTables:
    """An arm whose accuracies are exactly these up to rounding: `accuracy`, and `spread` above and below it in turn."""
    rng = np.random.default_rng(sum(map(ord, name)))
    tables = []
    for seed in range(seeds):
        count = round((accuracy + spread * (seed % 3 - 1)) * n)
        tables.append(table_of(rng.permutation(np.arange(n) < count), split))
    return ArmTables(name, tuple(tables), () if seconds is None else tuple(seconds + i for i in range(seeds)))
