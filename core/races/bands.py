"""The training curve of an arm over its seeds: a mean, and the band between the lowest and the highest seed."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from core.config.events import EpochDone

Axis = Literal["epochs", "images", "seconds"]
Measure = Literal["accuracy", "loss"]
NEARLY = 0.1  # of the length: seeds that begin or end no further apart than that
MAX_PLACES = 200  # on the horizontal axis

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Band:
    """The curve of one arm on validation images.

    Attributes:
        x: (P,) ascending: epochs, images seen or seconds of training.
        mean, low, high: (P,) fractions or nats; over the seeds that have reached x.
        seeds: (P,) number of these seeds.
        phases: (x, name) of each stage after the first: where it begins, mean over the seeds.
    """

    arm: str
    x: Floats
    mean: Floats
    low: Floats
    high: Floats
    seeds: npt.NDArray[np.int64]
    phases: tuple[tuple[float, str], ...]


def join_seeds(arm: str, histories: Sequence[Sequence[EpochDone]], axis: Axis, measure: Measure = "accuracy") -> Band:
    """The band of an arm from the epochs of each of its seeds; between two epochs a curve is a straight line.

    Where seeds begin or end nearly together, what only some of them have is left out: the mean of the last one alone
    would look like a jump.
    """
    begun = [epochs for epochs in histories if epochs]
    curves = [
        (np.array([_place(e, axis) for e in epochs]), np.array([_value(e, measure) for e in epochs]))
        for epochs in begun
    ]
    x = np.unique(np.concatenate([places for places, _ in curves])) if curves else np.empty(0)
    if len(x) > MAX_PLACES:
        x = x[np.unique(np.linspace(0, len(x) - 1, MAX_PLACES).astype(int))]
    rows = np.full((len(curves), len(x)), np.nan)
    for row, (places, values) in zip(rows, curves, strict=True):
        within = (x >= places[0]) & (x <= places[-1])
        row[within] = np.interp(x[within], places, values)
    seeds = np.asarray((~np.isnan(rows)).sum(axis=0), dtype=np.int64)
    there = seeds > 0
    if curves:
        begins, ends = [places[0] for places, _ in curves], [places[-1] for places, _ in curves]
        if min(ends) >= (1 - NEARLY) * max(ends):
            there &= x <= min(ends)
        if max(begins) - min(begins) <= NEARLY * max(ends) and max(begins) <= min(ends):
            there &= x >= max(begins)
    if not there.all():  # between the end of one seed and the beginning of another
        x, rows, seeds = x[there], rows[:, there], seeds[there]
    if not len(x):
        return Band(arm, x, x, x, x, seeds, ())
    return Band(arm, x, np.nanmean(rows, 0), np.nanmin(rows, 0), np.nanmax(rows, 0), seeds, _phases(begun, axis))


def _phases(histories: Sequence[Sequence[EpochDone]], axis: Axis) -> tuple[tuple[float, str], ...]:
    found: dict[str, list[float]] = {}
    for epochs in histories:
        for before, after in itertools.pairwise(epochs):
            if before.stage != after.stage:
                found.setdefault(after.stage, []).append(_place(before, axis))
    return tuple((float(np.mean(places)), name) for name, places in found.items())


def _place(epoch: EpochDone, axis: Axis) -> float:
    if axis == "epochs":
        return float(epoch.epoch)
    return float(epoch.images_seen) if axis == "images" else epoch.seconds


def _value(epoch: EpochDone, measure: Measure) -> float:
    return epoch.val_accuracy if measure == "accuracy" else epoch.val_loss
