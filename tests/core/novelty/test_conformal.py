"""Promised rates hold in simulations, and every number is that of a plain loop."""

import numpy as np
import pytest

from core.novelty.conformal import ClassSets, can_promise, class_groups, combine, images_for, p_values


def plain_p_value(score: float, calibration: list[float]) -> float:
    return (1 + sum(other >= score for other in calibration)) / (len(calibration) + 1)


def test_p_values_are_those_of_a_plain_loop_ties_included() -> None:
    rng = np.random.default_rng(0)
    calibration, scores = rng.integers(0, 30, 50) / 10, rng.integers(-2, 33, 80) / 10
    expected = [plain_p_value(score, calibration.tolist()) for score in scores]
    assert p_values(scores, np.sort(calibration)).tolist() == expected


def test_without_validation_pictures_nothing_is_strange() -> None:
    assert p_values(np.array([5.0]), np.empty(0)).tolist() == [1.0]
    assert combine(np.array([[1.0, 1.0]]), 0).tolist() == [1.0]


@pytest.mark.parametrize("images", [19, 60, 180])
def test_at_most_the_promised_share_of_known_pictures_is_refused(images: int) -> None:
    rng = np.random.default_rng(images)
    draws, promise = 400, 0.05
    refused = []
    for _ in range(draws):
        hardness = rng.gamma(2.0, size=images + 100)
        scores = np.stack([hardness + rng.normal(size=images + 100), hardness * rng.random(images + 100)], axis=1)
        known, later = scores[:images], scores[images:]
        each = np.stack([p_values(later[:, test], np.sort(known[:, test])) for test in range(2)], axis=1)
        refused.append((combine(each, images) <= promise).mean())
    assert np.mean(refused) <= promise + 3 * np.std(refused) / draws**0.5
    assert np.mean(refused) > 0.02, "and strange ones can be refused at all"


def test_the_two_tests_are_combined_by_bonferroni() -> None:
    each = np.array([[0.02, 0.5], [0.9, 0.8]])
    assert combine(each, 180).tolist() == [0.04, 1.0]


def test_few_validation_pictures_use_the_first_test_alone_so_that_one_in_twenty_stays_possible() -> None:
    each = np.array([[1 / 31, 1 / 31]])
    assert combine(each, 30).tolist() == [1 / 31]
    assert combine(each, 39).tolist() == [2 / 31]


@pytest.mark.parametrize(("images", "possible"), [(18, False), (19, True), (0, False)])
def test_one_in_twenty_needs_nineteen_validation_pictures(images: int, possible: bool) -> None:
    assert can_promise(images, 0.05) is possible
    assert images_for(0.05) == 19


def test_classes_with_few_validation_pictures_are_calibrated_together() -> None:
    assert class_groups([40, 30, 12, 9], 0.05) == [0, 1, 4, 4]
    assert class_groups([40, 30, 5, 0], 0.05) == [0, 0, 0, 0], "5 are too few even together"
    assert class_groups([9, 9], 0.05) is None


def draw_answers(rng: np.random.Generator, count: int, classes: int, hard: int) -> tuple[np.ndarray, np.ndarray]:  # type: ignore[type-arg]
    labels = rng.integers(0, classes, count)
    logits = rng.normal(size=(count, classes))
    logits[np.arange(count), labels] += np.where(labels == hard, 0.5, 3.0)
    powers = np.exp(2 * logits)
    return labels, powers / powers.sum(axis=1, keepdims=True)


def test_sets_hold_the_true_class_as_promised_for_each_class_also_for_the_hard_one() -> None:
    rng = np.random.default_rng(3)
    promise, reached = 0.1, []
    for _ in range(150):
        labels, found = draw_answers(rng, 300, 3, hard=2)
        later, answers = draw_answers(rng, 300, 3, hard=2)
        sets = ClassSets(labels, found[np.arange(300), labels], np.bincount(labels).tolist()).of(answers, promise)
        assert sets is not None
        inside = sets[np.arange(300), later]
        reached.append([inside[later == label].mean() for label in range(3)])
    shares, spread = np.mean(reached, axis=0), np.std(reached, axis=0) / 150**0.5
    assert (shares >= 1 - promise - 3 * spread).all()
    assert shares[2] < 0.95, "and the sets of the hard class are no larger than they need to be"


def test_a_set_is_never_empty() -> None:
    labels, own = np.zeros(40, np.int64), np.full(40, 0.999)
    found = ClassSets(labels, own, [40, 0, 0]).of(np.array([[0.6, 0.39, 0.01]]), 0.05)
    assert found is not None
    assert found.tolist() == [[True, True, False]], "the two that hold 95 % together"


def test_too_few_pictures_promise_no_set() -> None:
    assert ClassSets(np.zeros(5, np.int64), np.full(5, 0.9), [5, 0]).of(np.array([[0.9, 0.1]]), 0.05) is None


def test_probabilities_far_below_the_smallest_step_from_one_are_still_distinguished() -> None:
    labels, own = np.zeros(20, np.int64), np.geomspace(1e-40, 1e-20, 20)
    found = ClassSets(labels, own, [20, 0]).of(np.array([[1e-45, 1.0], [1e-30, 1.0]]), 0.05)
    assert found is not None
    assert found[:, 0].tolist() == [False, True]
