"""One test and one number for each class: the same as the run's own, of the parts that are in a small file."""

import numpy as np

from core.novelty.nearest_mean import NearestMean
from tests.core.novelty.test_novelty import known_and_strange, make_novelty


def test_p_values_are_those_of_a_plain_loop_over_distances_to_the_nearest_class_mean() -> None:
    whole = make_novelty()
    small = NearestMean.of(whole)
    assert small is not None
    features = np.random.default_rng(1).normal(size=(12, 16)).astype(np.float32)
    directions = features / np.linalg.norm(features, axis=1, keepdims=True)
    scores = 1 - (directions @ whole.reference.means.T).max(axis=1)
    expected = [(1 + sum(known >= score for known in whole.val_scores[:, 1])) / 61 for score in scores]
    assert np.allclose(small.p_values(features), expected)
    assert small.strange(known_and_strange()).tolist() == [False, True]


def test_its_sets_are_those_of_the_run() -> None:
    whole = make_novelty()
    small = NearestMean.of(whole)
    assert small is not None
    answers = np.random.default_rng(2).dirichlet((0.5, 0.5), 50)
    expected = whole.sets(answers, 0.05)
    assert expected is not None
    assert np.array_equal(small.sets(answers), expected)
    assert {*expected.sum(axis=1).tolist()} == {1, 2}


def test_nineteen_validation_pictures_suffice_and_fewer_promise_nothing() -> None:
    assert NearestMean.of(make_novelty(18)) is None
    small = NearestMean.of(make_novelty(19))
    assert small is not None
    assert small.p_values(known_and_strange())[1] == 1 / 20
    assert small.strange(known_and_strange())[1]


def test_a_picture_without_any_feature_is_strange() -> None:
    small = NearestMean.of(make_novelty())
    assert small is not None
    assert small.strange(np.zeros((1, 16), np.float32)).tolist() == [True]
