"""Wrong labels are found first, counted about right, and nothing is said of classes that are too small."""

import numpy as np
import pytest

from core.doctor.held_out_scores import condense
from core.doctor.neighbours import Neighbours, find_neighbours
from core.doctor.suspicious_labels import (
    FEWEST,
    LabelReview,
    count_hits,
    estimate_wrong,
    plan_copies,
    plant,
    review_labels,
)
from core.steps import Stopped, StopSignal, run_step


def clusters(counts: list[int], distance: float = 5.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Features of classes around centres of their own, and the true labels."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(len(counts)), counts)
    centres = rng.standard_normal((len(counts), 40)) * distance / np.sqrt(40)
    return (centres[labels] + rng.standard_normal((len(labels), 40)) / 4).astype(np.float32), labels


def review(values: np.ndarray, labels: np.ndarray, signal: StopSignal | None = None) -> LabelReview:
    signal = signal or StopSignal()
    neighbours = run_step(find_neighbours(values.copy(), signal))
    classes = int(labels.max()) + 1
    return run_step(review_labels(condense(values.copy()), labels, np.arange(len(labels)), classes, neighbours, signal))


@pytest.mark.parametrize("counts", [[40, 40], [30, 30, 30, 30]])
def test_a_planted_wrong_label_is_the_most_suspicious(counts: list[int]) -> None:
    values, labels = clusters(counts)
    labels[7] = 1
    found = review(values, labels)
    assert found.suspicious == 1
    assert found.agreeing == len(labels) - 1
    (first,) = found.suspicions
    assert (first.index, first.given, first.suggested) == (7, 1, 0)
    assert first.suggested_probability > 0.5 > first.given_probability
    assert {int(labels[other.index]) for other in first.neighbours} == {0}
    assert first.neighbours[0].similarity >= first.neighbours[-1].similarity
    assert 7 not in {other.index for other in first.neighbours}


def test_clean_labels_are_not_accused() -> None:
    values, labels = clusters([60, 60, 60])
    found = review(values, labels)
    assert found.suspicions == ()
    assert found.estimate is not None
    assert (found.estimate.wrong, found.estimate.first) == (0, 0)
    assert found.estimate.high < 10
    assert found.trial is not None
    assert found.trial.rate.value == 1


def test_the_number_of_wrong_labels_is_estimated_and_so_is_how_many_of_the_first_are_wrong() -> None:
    values, labels = clusters([150, 150, 150])
    rng = np.random.default_rng(5)
    wrong = rng.choice(450, 36, replace=False)
    labels[wrong] = (labels[wrong] + rng.integers(1, 3, 36)) % 3
    estimate = review(values, labels).estimate
    assert estimate is not None
    assert estimate.low <= 36 <= estimate.high
    assert estimate.wrong == pytest.approx(36, abs=8)
    assert estimate.low_first <= 20 == estimate.high_first
    assert estimate.wrong_first >= 16


def test_labels_that_say_nothing_are_estimated_to_be_hopeless() -> None:
    rng = np.random.default_rng(0)
    values, labels = rng.standard_normal((120, 30)).astype(np.float32), rng.integers(0, 2, 120)
    found = review(values, labels)
    assert found.trial is not None
    assert found.trial.rate.value is not None
    assert found.trial.rate.value < 0.35


def test_a_class_of_two_pictures_is_neither_accused_nor_suggested() -> None:
    values, labels = clusters([40, 40, 2])
    values[81] = values[0] + 0.01
    labels[5] = 1
    found = review(values, labels)
    assert found.unexamined == (2,)
    assert [item.index for item in found.suspicions] == [5]
    assert found.suspicions[0].suggested == 0


def test_too_few_pictures_for_a_trial_are_still_ranked() -> None:
    values, labels = clusters([8, 8])
    labels[0] = 1
    found = review(values, labels)
    assert (found.trial, found.estimate) == (None, None)
    assert found.suspicions[0].index == 0


def test_only_classes_of_one_picture_leave_nothing_to_examine() -> None:
    values, labels = clusters([1, 1, 1])
    found = review(values, labels)
    assert (found.suspicious, found.agreeing, found.unexamined) == (0, 0, (0, 1, 2))


def test_equal_pictures_are_no_error_and_accuse_nobody() -> None:
    found = review(np.ones((30, 12), np.float32), np.arange(30) % 2)
    assert found.suspicions == ()


def test_planting_changes_exactly_so_many_labels_and_leaves_the_given_ones_alone() -> None:
    labels = np.repeat([0, 1, 2, 3], [30, 30, 30, FEWEST - 1])
    before, counts = labels.copy(), np.bincount(labels)
    changed, wrong = plant(labels, counts, 12, np.random.default_rng(0))
    assert (labels == before).all()
    assert wrong.sum() == 12
    assert ((changed != labels) == wrong).all()
    assert 3 not in {*labels[wrong], *changed[wrong]}
    again, _ = plant(labels, counts, 12, np.random.default_rng(0))
    assert (changed == again).all()


def test_small_sets_are_tried_more_often() -> None:
    assert [plan_copies(planted) for planted in (2, 20, 60, 5000)] == [25, 20, 7, 3]


def test_hits_are_counted_among_as_many_as_were_planted() -> None:
    wrong = np.array([True, True, False, False, False])
    trial = count_hits([(np.array([0.5, -0.2, 0.4, -1, -1]), wrong), (np.array([0.5, 0.4, -1, -1, -1]), wrong)])
    assert (trial.planted, trial.copies, trial.listed) == (2, 2, 2)
    assert (trial.hits, trial.recalled) == (3, 3)


def test_without_others_above_the_planted_none_is_wrong() -> None:
    wrong = np.repeat([True, False], [20, 100])
    margins = np.concatenate([np.linspace(0.1, 1, 20), np.linspace(-1, -0.1, 100)])
    estimate = estimate_wrong([(margins, wrong)] * 3, first=0)
    assert (estimate.wrong, estimate.low) == (0, 0)
    assert 0 < estimate.high < 6


def test_a_stopped_review_ends() -> None:
    values, labels = clusters([40, 40])
    neighbours = Neighbours(np.zeros((80, 3), np.int64), np.zeros((80, 3), np.float32))
    steps = review_labels(condense(values), labels, np.arange(80), 2, neighbours, StopSignal(lambda: True))
    with pytest.raises(Stopped):
        run_step(steps)
