"""A linear classifier on features, and its scores for pictures that it was not fitted on.

Regularised least squares with classes that count alike. It ranks wrong labels better than logistic regression on the
same folds, in a tenth of the time (decision 0035). Memory: a copy of the features with at most `WIDTH` columns, about
four such ones while they are made, and one (N, C) array; nothing here grows with the square of the pictures.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

FOLDS = 5
REPEATS = 3  # other folds, whose scores are averaged
WIDTH = 256  # columns that are kept: where the pictures differ most
PENALTY = 10.0  # of squared weights, where a standardised column has the variance 1
SHARPNESS = np.geomspace(0.5, 64, 22)  # of probabilities, from which the likeliest is taken
SEED = 7

Labels = npt.NDArray[np.int64]
Scores = npt.NDArray[np.float64]


def condense(features: npt.NDArray[np.float32], width: int = WIDTH) -> Tensor:
    """Standardised features in their principal directions: (N, F) -> (N, at most `width`) float32.

    It sees no labels, so that it may see the pictures that are held out later.

    Args:
        features: overwritten.
    """
    values = torch.from_numpy(features)
    values -= values.mean(dim=0)
    spread = values.std(dim=0, correction=0)
    values /= torch.where(spread > 1e-6 * spread.max(), spread, torch.inf)
    kept = min(width, len(values))
    if values.shape[1] <= kept:
        return values
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(SEED)
        _, _, directions = torch.pca_lowrank(values, q=kept, center=False, niter=2)
    return values @ directions


def choose_folds(labels: Labels, groups: Labels, seed: int) -> Labels:
    """A fold for every picture: groups stay together, and every class is spread over the folds.

    Args:
        labels, groups: (N,).
    Returns:
        (N,) from 0 to `FOLDS` - 1.
    """
    members: dict[int, list[int]] = {}
    for place in np.random.default_rng(seed).permutation(len(labels)).tolist():
        members.setdefault(int(groups[place]), []).append(place)
    filled = np.zeros((int(labels.max()) + 1, FOLDS), np.int64)
    found = np.empty(len(labels), np.int64)
    for places in sorted(members.values(), key=len, reverse=True):
        mine = np.bincount(labels[places], minlength=len(filled))
        fold = int(np.lexsort((filled.sum(axis=0), mine @ filled))[0])
        filled[:, fold] += mine
        found[places] = fold
    return found


def score_held_out(values: Tensor, labels: Labels, groups: Labels, classes: int, *, seed: int = 0) -> Scores:
    """A score of every picture for every class, by classifiers that have seen neither it nor its group.

    Args:
        values: (N, W) float32.
        labels, groups: (N,).
    Returns:
        (N, C), higher for a more probable class.
    """
    total = np.zeros((len(labels), classes))
    with _one_thread():
        for repeat in range(REPEATS):
            folds = choose_folds(labels, groups, seed * REPEATS + repeat)
            for fold in np.unique(folds):
                held = torch.from_numpy(folds == fold)
                fitted = fit(values[~held], labels[~held.numpy()], classes)
                total[held.numpy()] += predict(fitted, values[held])
    scores: Scores = total / REPEATS
    return scores


@contextmanager
def _one_thread() -> Iterator[None]:
    """Many small steps: next to other programs, threads that wait for each other take many times as long."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def fit(values: Tensor, labels: Labels, classes: int) -> Tensor:
    """Weights (W + 1, C) float32, the last row the intercepts. A class without pictures scores as the mean of all.

    Classes count alike, however many pictures they have: otherwise a rare class is improbable everywhere.
    """
    targets = torch.from_numpy(labels)
    counts = torch.bincount(targets, minlength=classes).float()
    importance = (1 / counts.clamp_min(1))[targets] / (counts > 0).sum()  # (N,), sums to 1
    centre = importance @ values
    goals = torch.nn.functional.one_hot(targets, classes).float()
    mean_goal = importance @ goals
    weighted = (values - centre) * importance[:, None]
    covariance = weighted.T @ values  # the centre needs to be taken from one side only
    covariance += PENALTY * torch.eye(values.shape[1])
    weights = torch.linalg.solve(covariance, weighted.T @ (goals - mean_goal))
    return torch.cat([weights, (mean_goal - centre @ weights)[None]])


def predict(weights: Tensor, values: Tensor) -> Scores:
    """Scores (N, C)."""
    scores: Scores = torch.addmm(weights[-1], values, weights[:-1]).double().numpy()
    return scores


def as_probabilities(scores: Scores, labels: Labels) -> Scores:
    """Scores as probabilities (N, C), as sharp as these labels make likeliest; their order stays."""
    own = np.arange(len(labels)), labels
    best, least = scores, np.inf
    for sharpness in SHARPNESS:
        raised = sharpness * (scores - scores.max(axis=1, keepdims=True))
        logs = raised - np.log(np.exp(raised).sum(axis=1, keepdims=True))
        loss = float(-logs[own].mean())
        if loss < least:
            best, least = np.exp(logs), loss
    return best
