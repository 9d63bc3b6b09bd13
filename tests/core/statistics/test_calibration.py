"""Calibration: what is measured, what scaling changes, and what it never changes."""

import dataclasses
import math

import numpy as np
import pytest

from core.errors import RunError
from core.statistics.calibration import calibrate, fit_temperature, scale
from core.statistics.predictions import PredictionTable
from tests.support.prediction_tables import sure_table


def drawn(n: int, temperature: float, split: str, seed: int) -> PredictionTable:
    """Predictions of a network that is perfectly calibrated once its logits are divided by `temperature`."""
    rng, classes = np.random.default_rng(seed), 3
    logits = 2 * rng.standard_normal((n, classes))
    honest = scale(np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True), 1.0)
    labels = (honest.cumsum(axis=1) < rng.random((n, 1))).sum(axis=1).clip(max=classes - 1)
    names = tuple(f"class {i}" for i in range(classes))
    scaled = scale(honest, 1 / temperature)
    return PredictionTable(split, names, tuple(map(str, range(n))), np.arange(n), labels, scaled)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_the_temperature_that_was_hidden_is_found(temperature: float) -> None:
    assert fit_temperature(drawn(20_000, temperature, "val", 0)) == pytest.approx(temperature, rel=0.05)


def test_scaling_calibrates_an_overconfident_network_on_pictures_it_was_not_fitted_on() -> None:
    found = calibrate(drawn(4000, 2.5, "test", 1), drawn(1000, 2.5, "val", 2))
    assert found.after is not None
    assert found.ece > 0.1
    assert found.after.ece < 0.03
    assert found.after.nll < found.nll
    assert "overconfident. With a temperature of 2." in found.note


def test_scaling_never_changes_the_accuracy() -> None:
    # Two classes that differ in the last bit, which logarithms and divisions lose.
    odd = np.array([[0.25, 0.5 - 2**-54, 0.25], [0.4, np.nextafter(0.4, 1), 0.2], [1.0, 0.0, 0.0]])
    classes = ("class 0", "class 1", "class 2")
    table = PredictionTable("test", classes, ("x", "y", "z"), np.arange(3), np.array([1, 1, 2]), odd)
    found = calibrate(table, drawn(300, 3.0, "val", 3))
    assert found.after is not None
    assert found.accuracy == found.after.accuracy == table.accuracy
    assert sum(part.count for part in found.after.bins) == 3


@pytest.mark.parametrize("temperature", [0.3, 1.0, 7.0])
def test_scaled_probabilities_keep_their_order_and_sum_to_one(temperature: float) -> None:
    table = drawn(500, 1.0, "test", 4)
    scaled = scale(table.probabilities, temperature)
    assert np.argsort(scaled, axis=1).tolist() == np.argsort(table.probabilities, axis=1).tolist()
    assert scaled.sum(axis=1) == pytest.approx(np.ones(500))


def test_probabilities_of_zero_and_one_have_finite_figures() -> None:
    table = sure_table([1.0, 1.0, 1.0, 0.9], [True, False, True, True])
    found = calibrate(table, sure_table([1.0, 1.0, 0.8], [False, True, True], "val"))
    assert found.after is not None
    for figures in (found, found.after):
        assert math.isfinite(figures.nll)
        assert 0 <= figures.ece_interval.low <= figures.ece <= figures.ece_interval.high <= 1


def test_the_loss_of_a_sure_and_wrong_prediction_is_whole() -> None:
    def nll(wrong: float) -> float:
        probabilities = np.array([[1.0, wrong], [0.3, 0.7]])
        table = PredictionTable("test", ("a", "b"), ("x", "y"), np.arange(2), np.array([1, 1]), probabilities)
        return 2 * calibrate(table, None).nll + math.log(0.7)

    assert nll(1e-30) == pytest.approx(30 * math.log(10))
    assert nll(1e-300) == pytest.approx(300 * math.log(10))
    assert nll(0.0) == pytest.approx(1074 * math.log(2))  # the smallest float64 is 2 ** -1074


def test_a_zero_of_a_float32_stands_for_its_smallest_number() -> None:
    probabilities = np.array([[1.0, 0.0], [0.3, 0.7]], dtype=np.float32)
    table = PredictionTable("test", ("a", "b"), ("x", "y"), np.arange(2), np.array([1, 1]), probabilities)
    assert 2 * calibrate(table, None).nll == pytest.approx(149 * math.log(2) - math.log(0.7))


@pytest.mark.parametrize("temperature", [0.05, 3.0])
def test_the_loss_after_scaling_is_that_of_the_scaled_logits(temperature: float) -> None:
    logits = np.array([[0.0, -300.0], [0.0, 2.0], [0.5, 0.0]])
    labels = np.array([1, 1, 0])
    probabilities = np.exp(logits - np.log(np.exp(logits).sum(axis=1, keepdims=True)))
    table = PredictionTable("test", ("a", "b"), ("x", "y", "z"), np.arange(3), labels, probabilities)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("core.statistics.calibration.fit_temperature", lambda _: temperature)
        found = calibrate(table, dataclasses.replace(table, split="val")).after
    assert found is not None
    scaled = logits / temperature
    each = np.logaddexp(scaled[:, 0], scaled[:, 1]) - scaled[np.arange(3), labels]
    assert found.nll == pytest.approx(each.mean())


def test_every_bin_has_its_pictures_with_accuracy_confidence_and_interval() -> None:
    found = calibrate(sure_table([0.55, 0.6, 0.61, 0.95, 1.0], [True, False, True, True, True]), None)
    assert [(part.low, part.high) for part in found.bins] == [(i / 10, (i + 1) / 10) for i in range(10)]
    assert [part.count for part in found.bins] == [0, 0, 0, 0, 0, 2, 1, 0, 0, 2]  # a bin holds its upper edge
    assert (found.bins[0].confidence, found.bins[0].accuracy, found.bins[0].interval) == (None, None, None)
    sixth = found.bins[5]
    assert (sixth.confidence, sixth.accuracy) == (pytest.approx(0.575), 0.5)
    assert sixth.interval is not None
    assert sixth.interval.low < 0.5 < sixth.interval.high


@pytest.mark.slow
def test_the_interval_of_the_error_holds_the_true_one() -> None:
    truth = calibrate(drawn(200_000, 2.0, "test", 6), None).ece
    held = 0
    for seed in range(30):
        interval = calibrate(drawn(400, 2.0, "test", 100 + seed), None).ece_interval
        held += interval.low <= truth <= interval.high
    assert held >= 25


def test_without_validation_pictures_nothing_is_scaled() -> None:
    found = calibrate(drawn(100, 2.0, "test", 7), None)
    assert (found.temperature, found.after) == (None, None)


def test_pictures_do_not_choose_the_temperature_that_they_judge() -> None:
    val = drawn(100, 2.0, "val", 8)
    found = calibrate(val, val)
    assert (found.temperature, found.after) == (None, None)
    assert "must be chosen on other pictures" in found.note


def test_validation_pictures_that_are_all_right_choose_no_temperature() -> None:
    found = calibrate(sure_table([0.9, 0.8], [True, False]), sure_table([0.9, 0.8], [True, True], "val"))
    assert (found.temperature, found.after) == (None, None)
    assert "(nearly) every validation picture is right" in found.note


@pytest.mark.parametrize(
    ("confidence", "right", "words"),
    [(0.97, 91, "overconfident"), (0.6, 95, "underconfident"), (0.91, 91, "about as confident as")],
)
def test_the_note_names_over_and_underconfidence(confidence: float, right: int, words: str) -> None:
    note = calibrate(sure_table([confidence] * 100, [i < right for i in range(100)]), None).note
    assert note.startswith(f"Mean confidence {100 * confidence:.1f} %, {right:.1f} % right (100 test pictures): ")
    assert words in note


def test_no_pictures_and_other_classes_are_refused() -> None:
    with pytest.raises(RunError, match="The test split is empty"):
        calibrate(sure_table([], []), None)
    with pytest.raises(RunError, match="different classes"):
        calibrate(drawn(10, 1.0, "test", 1), sure_table([0.9], [True], "val"))
