"""What became of promises on test pictures, counted by plain loops."""

import numpy as np
import pytest

from core.errors import RunError
from core.novelty.coverage import Share, measure_coverage
from core.statistics.predictions import PredictionTable
from tests.core.novelty.test_novelty import make_novelty


def table(split: str, indices: list[int], seed: int) -> PredictionTable:
    count = len(indices)
    first = np.random.default_rng(seed).uniform(0.02, 0.98, count)
    ids = tuple(f"{split}{index}" for index in indices)
    labels = (np.random.default_rng(seed + 1).random(count) > first).astype(np.int64)
    return PredictionTable(split, ("cat", "dog"), ids, np.array(indices), labels, np.stack([first, 1 - first], axis=1))


def test_every_promise_is_counted_on_the_test_pictures_and_on_strangers() -> None:
    novelty, tested, validation = (
        make_novelty(),
        table("test", list(range(200, 240)), 1),
        table("val", list(range(60)), 2),
    )
    strange = np.array([0.001, 0.03, 0.9]), np.array([0.99, 0.6, 0.51])
    found = {item.promise: item for item in measure_coverage(novelty, tested, validation, strange)}
    own = novelty.p_values(novelty.test_scores)
    assert found[0.1].refused == Share(int((own <= 0.1).sum()), 40)
    assert found[0.05].caught == Share(2, 3)
    assert found[0.05].possible
    assert not found[0.01].possible
    confident = validation.probabilities.max(axis=1)
    by_hand = sum((1 + int((confident <= share).sum())) / 61 <= 0.2 for share in strange[1])
    assert found[0.2].caught_by_confidence == Share(by_hand, 3)
    sets = novelty.sets(tested.probabilities, 0.1)
    assert sets is not None
    assert found[0.1].missed == Share(sum(not row[label] for row, label in zip(sets, tested.labels, strict=True)), 40)
    assert found[0.1].set_size == pytest.approx(sets.sum() / 40)


def test_a_higher_promise_never_refuses_fewer() -> None:
    tested, validation = table("test", list(range(200, 240)), 1), table("val", list(range(60)), 2)
    counts = [item.refused.count for item in measure_coverage(make_novelty(), tested, validation)]
    assert counts == sorted(counts)


def test_without_a_test_split_nothing_is_claimed() -> None:
    validation = table("val", list(range(60)), 2)
    with pytest.raises(RunError, match="no test split"):
        measure_coverage(make_novelty(), validation, validation)


def test_distances_of_other_test_pictures_are_refused() -> None:
    with pytest.raises(RunError, match="other test pictures"):
        measure_coverage(make_novelty(), table("test", list(range(40)), 1), table("val", list(range(60)), 2))
