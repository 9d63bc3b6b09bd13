"""Scores of pictures come from classifiers that have not seen them, and every class counts alike."""

import numpy as np
import pytest
import torch

from core.doctor.held_out_scores import (
    FOLDS,
    SEED,
    WIDTH,
    as_probabilities,
    choose_folds,
    condense,
    fit,
    predict,
    score_held_out,
)
from tests.support.peaks import PEAK, peak_of


def alone(count: int) -> np.ndarray:
    """Each picture in a group of its own."""
    return np.arange(count)


def noise(count: int, width: int, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).standard_normal((count, width)).astype(np.float32))


def test_a_classifier_that_has_seen_its_pictures_would_know_noise_and_this_one_does_not() -> None:
    values, labels = noise(120, 400), np.arange(120) % 2
    seen = predict(fit(values, labels, 2), values).argmax(axis=1)
    held_out = score_held_out(values, labels, alone(120), 2).argmax(axis=1)
    assert (seen == labels).mean() > 0.95
    assert (held_out == labels).mean() < 0.65


def test_a_copy_does_not_give_the_label_of_its_twin_away() -> None:
    once, labels = noise(60, 300), np.tile([0, 1], 30)
    values, twins = torch.cat([once, once]), np.concatenate([labels, labels])
    apart = score_held_out(values, twins, alone(120), 2).argmax(axis=1)
    together = score_held_out(values, twins, np.tile(np.arange(60), 2), 2).argmax(axis=1)
    assert (apart == twins).mean() > 0.8
    assert (together == twins).mean() < 0.7


def test_groups_stay_together_and_classes_are_spread_over_the_folds() -> None:
    labels = np.repeat([0, 1, 2], [50, 25, 5])
    groups = alone(80)
    groups[:7] = 0
    folds = choose_folds(labels, groups, seed=3)
    assert len(set(folds[:7])) == 1
    for label in (0, 1, 2):
        counts = np.bincount(folds[labels == label], minlength=FOLDS)
        assert counts.max() - counts.min() <= (3 if label == 0 else 1)  # seven of class 0 are in one fold


def test_other_seeds_give_other_folds_and_the_same_seed_the_same() -> None:
    labels = np.arange(40) % 2
    assert (choose_folds(labels, alone(40), 1) == choose_folds(labels, alone(40), 1)).all()
    assert (choose_folds(labels, alone(40), 1) != choose_folds(labels, alone(40), 2)).any()


def test_a_rare_class_is_found_as_well_as_a_common_one() -> None:
    labels = np.repeat([0, 1], [300, 12])
    values = noise(312, 8)
    values[labels == 1, 0] += 4
    answers = score_held_out(values, labels, alone(312), 2).argmax(axis=1)
    assert (answers[labels == 1] == 1).mean() > 0.8
    assert (answers[labels == 0] == 0).mean() > 0.9


def test_a_class_without_pictures_is_never_the_answer() -> None:
    labels = np.arange(40) % 2 * 2  # classes 0 and 2 of three
    values = noise(40, 4)
    values[labels == 2] += 2
    assert 1 not in score_held_out(values, labels, alone(40), 3).argmax(axis=1)


@pytest.mark.parametrize("width", [3, 500])
def test_features_are_condensed_without_changing_their_distances(width: int) -> None:
    values = noise(80, width).numpy()
    condensed = condense(values.copy())
    assert condensed.shape == (80, min(80, width))  # 80 pictures differ in no more than 80 directions
    standard = torch.from_numpy((values - values.mean(axis=0)) / values.std(axis=0))
    assert torch.allclose(torch.cdist(condensed, condensed), torch.cdist(standard, standard), atol=0.05)


def test_wide_features_keep_the_directions_in_which_pictures_differ_most() -> None:
    values = noise(400, 300).numpy() * 0.1
    values[:, :150] += noise(400, 1, seed=1).numpy()  # 150 columns share one direction
    condensed = condense(values.copy(), width=16)
    assert condensed.shape == (400, 16)
    share = condensed.square().sum() / condense(values, width=1000).square().sum()
    assert share > 0.5


def test_features_are_overwritten_without_a_change_to_one_bit_of_what_is_kept() -> None:
    values = noise(400, 300).numpy()
    standard = torch.from_numpy(values.copy())
    standard -= standard.mean(dim=0)
    standard /= standard.std(dim=0, correction=0)
    torch.manual_seed(SEED)
    _, _, directions = torch.pca_lowrank(standard, q=WIDTH, center=False, niter=2)
    assert torch.equal(condense(values), standard @ directions)
    assert (values == standard.numpy()).all()


@pytest.mark.skipif(not PEAK.exists(), reason="the peak of a step is measured on Linux only")
def test_condensing_takes_no_second_copy_of_the_features() -> None:
    values = noise(4000, 2560).numpy()
    assert peak_of(lambda: condense(values)) < 0.9 * values.nbytes  # `pca_lowrank` needs a tenth for each step


def test_equal_pictures_have_features_without_any_direction() -> None:
    condensed = condense(np.ones((20, 300), np.float32))
    assert (condensed == 0).all()
    scores = score_held_out(condensed, np.arange(20) % 2, alone(20), 2)
    assert np.allclose(scores, 0.5)


def test_probabilities_are_as_sharp_as_the_labels_allow() -> None:
    scores = np.array([[0.8, 0.2], [0.7, 0.3], [0.3, 0.7], [0.2, 0.8]])
    sure = as_probabilities(scores, np.array([0, 0, 1, 1]))
    unsure = as_probabilities(scores, np.array([0, 1, 1, 0]))
    assert np.allclose(sure.sum(axis=1), 1)
    assert sure[0, 0] > 0.99
    assert unsure[0, 0] < 0.65
    assert (sure.argsort(axis=1) == scores.argsort(axis=1)).all()
