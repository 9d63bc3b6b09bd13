"""Accuracy against the share of pictures answered."""

import numpy as np
import pytest

from core.errors import RunError
from core.statistics.metrics import wilson_interval
from core.statistics.risk_coverage import measure_risk_coverage
from tests.support.prediction_tables import sure_table


def test_the_least_sure_pictures_are_left_unanswered_first() -> None:
    curve = measure_risk_coverage(sure_table([0.6, 0.9, 0.7, 0.8], [False, True, False, True]))
    assert curve.shares == (0.25, 0.5, 0.75, 1.0)
    assert curve.accuracies == (1.0, 1.0, pytest.approx(2 / 3), 0.5)
    assert curve.thresholds == (0.9, 0.8, 0.7, 0.6)
    assert curve.intervals[2] == wilson_interval(2, 3)


def test_a_threshold_answers_exactly_its_share() -> None:
    rng = np.random.default_rng(0)
    table = sure_table((0.5 + rng.random(500).round(2) / 2).tolist(), (rng.random(500) < 0.8).tolist())
    curve = measure_risk_coverage(table)
    confidence = table.probabilities.max(axis=1)
    for share, accuracy, threshold in zip(curve.shares, curve.accuracies, curve.thresholds, strict=True):
        answered = confidence >= threshold
        assert share == pytest.approx(answered.mean())
        assert accuracy == pytest.approx(table.correct[answered].mean())


def test_equally_sure_pictures_are_answered_together() -> None:
    curve = measure_risk_coverage(sure_table([0.9, 0.9, 0.9, 0.6], [True, False, True, False]))
    assert curve.shares == (0.75, 1.0)
    same = measure_risk_coverage(sure_table([0.9, 0.9, 0.9, 0.6], [False, True, True, False]))
    assert same == curve  # their order in the table does not matter


def test_the_sentence_names_the_share_and_what_answering_all_would_give() -> None:
    confidence = np.linspace(0.99, 0.6, 100)
    curve = measure_risk_coverage(sure_table(confidence.tolist(), [i < 79 or i % 2 == 0 for i in range(100)]))
    assert curve.sentence == (
        "Answers 80 % of the pictures at 98.8 % right (95 % interval 93.3 to 99.8, n = 80), and all of them at 89.0 %."
    )


@pytest.mark.parametrize("right", [True, False])
@pytest.mark.parametrize("n", [1, 30])
def test_odd_tables_have_sound_curves(right: bool, n: int) -> None:
    curve = measure_risk_coverage(sure_table([1.0] * n, [right] * n))
    assert (curve.shares, curve.accuracies) == ((1.0,), (float(right),))
    assert curve.sentence.startswith("Answers all pictures at ")


def test_no_pictures_have_no_curve() -> None:
    with pytest.raises(RunError, match="The test split is empty"):
        measure_risk_coverage(sure_table([], []))
