"""A probe is logistic regression that has seen nothing of what it is asked."""

import numpy as np
import pytest
import torch

from core.errors import DatasetError
from core.probes.linear_probe import PENALTY, fit, probe
from core.probes.probe_job import probe_blocks
from core.steps import StopSignal, run_step


def clusters(classes: int, each: int, width: int = 20, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Features around a centre for each class."""
    rng = np.random.default_rng(seed)
    centres = 2 * np.random.default_rng(99).standard_normal((classes, width))
    labels = np.repeat(np.arange(classes), each)
    return (centres[labels] + rng.standard_normal((len(labels), width))).astype(np.float32), labels


@pytest.mark.parametrize("classes", [2, 10])
def test_separate_classes_are_separated(classes: int) -> None:
    (train, labels), (asked, truth) = clusters(classes, 30), clusters(classes, 20, seed=1)
    assert (probe(train, labels, asked, classes) == truth).mean() > 0.95


def test_the_fit_is_the_minimum_of_the_penalised_loss() -> None:
    train, labels = clusters(3, 40, width=5)
    values = torch.from_numpy((train - train.mean(axis=0)) / train.std(axis=0)).double()
    weights = fit(values.float(), labels, 3).double().requires_grad_()
    scores = values @ weights[:-1] + weights[-1]
    loss = (
        torch.nn.functional.cross_entropy(scores, torch.from_numpy(labels)) + PENALTY / 2 * weights[:-1].square().sum()
    )
    loss.backward()
    assert weights.grad is not None
    assert float(weights.grad.abs().max()) < 1e-3


def test_only_training_pictures_are_in_the_fit() -> None:
    train, labels = clusters(2, 20)
    asked, truth = clusters(2, 20, seed=1)
    alone = np.concatenate([probe(train, labels, asked[place : place + 1], 2) for place in range(40)])
    together = probe(train, labels, np.concatenate([asked, 1e4 * asked]), 2)[:40]
    assert (alone == together).all(), "what else is asked changes neither the fit nor the scale"

    def right(train_labels: np.ndarray, val_labels: np.ndarray) -> np.ndarray:
        both = np.concatenate([train, asked])
        return run_step(probe_blocks([both], train_labels, val_labels, 2, "A network", StopSignal()))[0]

    honest = right(labels, truth)
    assert (right(labels, 1 - truth) == ~honest).all(), "validation labels change the score, never the answers"
    shuffled = np.random.default_rng(0).permutation(labels)
    assert right(shuffled, truth).mean() < 0.9 < honest.mean()


def test_a_class_with_two_pictures_and_one_without_any_are_no_trouble() -> None:
    train, labels = clusters(4, 30)
    few = (labels < 2) | (np.arange(len(labels)) % 30 < 2)
    train, labels = train[few & (labels != 3)], labels[few & (labels != 3)]
    asked, truth = clusters(4, 10, seed=1)
    answers = probe(train, labels, asked, 4)
    assert (answers == truth)[truth < 3].mean() > 0.9
    assert (labels == 2).sum() == 2


def test_features_that_never_change_and_very_large_ones_do_no_harm() -> None:
    (train, labels), (asked, truth) = clusters(2, 30), clusters(2, 20, seed=1)
    train, asked = (np.hstack([1e6 * values, np.full((len(values), 1), 7.0, np.float32)]) for values in (train, asked))
    assert (probe(train, labels, asked, 2) == truth).mean() > 0.95
    same = np.ones((10, 3), np.float32)
    assert probe(same, np.repeat([0, 1], 5), same, 2).shape == (10,)


def test_features_that_are_not_finite_end_with_a_sentence() -> None:
    values = np.full((4, 2), np.nan, np.float32)
    steps = probe_blocks([values], np.array([0, 1]), np.array([0, 1]), 2, "PetNet", StopSignal())
    with pytest.raises(DatasetError, match="no finite features"):
        run_step(steps)
