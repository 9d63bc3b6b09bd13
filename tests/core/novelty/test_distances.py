"""Distances to the training pictures, compared with plain loops."""

import numpy as np
import pytest

from core.novelty.distances import MAX_BYTES, NEIGHBOURS, Reference, choose_training


@pytest.fixture
def reference() -> Reference:
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1, 3], 20)
    return Reference.of(rng.normal(size=(60, 8)).astype(np.float32) + labels[:, None], np.arange(100, 160), labels)


def distance(one: np.ndarray, other: np.ndarray) -> float:  # type: ignore[type-arg]
    return 1 - float(one @ other) / float(np.linalg.norm(one) * np.linalg.norm(other))


def test_the_scores_are_the_distances_to_the_tenth_neighbour_and_to_the_nearest_mean(reference: Reference) -> None:
    features = np.random.default_rng(1).normal(size=(300, 8)).astype(np.float32)
    found = reference.scores(features)
    for place in (0, 255, 256, 299):
        far = sorted(distance(features[place], other.astype(np.float64)) for other in reference.features)
        assert found[place, 0] == pytest.approx(far[NEIGHBOURS - 1], abs=2e-3)  # float16 is not of length 1 exactly
        means = [distance(features[place], mean) for mean in reference.means]
        assert found[place, 1] == pytest.approx(min(means), abs=1e-5)


def test_the_nearest_training_pictures_come_in_order(reference: Reference) -> None:
    features = np.random.default_rng(2).normal(size=(4, 8)).astype(np.float32)
    _, places, distances = reference.compare(features, 3)
    for place in range(4):
        far = [distance(features[place], other.astype(np.float64)) for other in reference.features]
        assert places[place].tolist() == np.argsort(far)[:3].tolist()
        assert distances[place] == pytest.approx(np.sort(far)[:3], abs=2e-3)


def test_the_length_of_features_does_not_count(reference: Reference) -> None:
    features = np.random.default_rng(1).normal(size=(5, 8)).astype(np.float32)
    assert reference.scores(1000 * features) == pytest.approx(reference.scores(features), abs=1e-5)


def test_a_class_of_six_pictures_counts_its_sixth_neighbour() -> None:
    labels = np.array([0] * 6 + [1] * 30)
    assert Reference.of(np.random.default_rng(0).normal(size=(36, 4)), np.arange(36), labels).neighbours == 6


def test_features_that_are_all_zero_are_far_from_everything(reference: Reference) -> None:
    assert reference.scores(np.zeros((1, 8), np.float32)).tolist() == [[1.0, 1.0]]


def test_many_training_pictures_become_an_even_sample_of_each_class_in_bounded_bytes() -> None:
    labels = np.random.default_rng(0).permutation(np.repeat([0, 1], [20_000, 5_000]))
    chosen = choose_training(labels, 1280)
    assert len(chosen) * 1280 * 2 <= MAX_BYTES
    assert (labels[chosen] == 1).mean() == pytest.approx(0.2, abs=0.01)
    assert (np.diff(chosen) > 0).all()
    assert choose_training(labels[:500], 1280).tolist() == list(range(500))
