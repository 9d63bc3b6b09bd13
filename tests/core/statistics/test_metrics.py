"""Metrics of one model, against published values and against counting by hand."""

import subprocess
import sys

import numpy as np
import pytest
from scipy.stats import binomtest

from core.errors import RunError
from core.formatting import format_points
from core.settings import PROJECT_ROOT
from core.statistics.metrics import (
    Accuracy,
    Interval,
    confusion_matrix,
    exact_interval,
    measure_accuracy,
    wilson_interval,
)
from tests.support.prediction_tables import certain_table


@pytest.mark.parametrize(
    ("correct", "n", "low", "high"),
    [  # Newcombe 1998, Statistics in Medicine 17:857, table I, method 3
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_intervals_are_the_published_ones(correct: int, n: int, low: float, high: float) -> None:
    interval = wilson_interval(correct, n)
    assert (round(interval.low, 4), round(interval.high, 4)) == (low, high)


@pytest.mark.parametrize("n", [1, 2, 7, 180, 5_000])
@pytest.mark.parametrize("level", [0.5, 0.95, 0.99])
def test_wilson_intervals_are_scipys(n: int, level: float) -> None:
    for correct in {0, 1, n // 3, n - 1, n}:
        theirs = binomtest(correct, n).proportion_ci(confidence_level=level, method="wilson")
        ours = wilson_interval(correct, n, level)
        assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


@pytest.mark.parametrize("n", [1, 2, 7, 180, 5_000])
@pytest.mark.parametrize("level", [0.5, 0.95])
def test_exact_intervals_are_scipys(n: int, level: float) -> None:
    for count in {0, 1, n // 3, n - 1, n}:
        theirs = binomtest(count, n).proportion_ci(confidence_level=level, method="exact")
        ours = exact_interval(count, n, level)
        assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1e-8)


def test_a_wilson_limit_is_where_the_score_test_just_rejects() -> None:
    # The definition that Wilson's formula solves: |p - limit| is z standard errors, taken at the limit.
    interval = wilson_interval(37, 50, level=0.9)
    for limit in (interval.low, interval.high):
        assert abs(37 / 50 - limit) / np.sqrt(limit * (1 - limit) / 50) == pytest.approx(1.6448536, abs=1e-6)


@pytest.mark.parametrize("n", [1, 2, 7, 180, 10_000])
def test_all_right_reaches_one_and_all_wrong_zero_exactly(n: int) -> None:
    assert wilson_interval(n, n).high == 1.0
    assert wilson_interval(0, n).low == 0.0
    assert wilson_interval(n, n).low == pytest.approx(1 - wilson_interval(0, n).high)


def test_no_pictures_mean_that_anything_is_possible() -> None:
    assert wilson_interval(0, 0) == Interval(0.0, 1.0, 0.95)
    assert Accuracy(0, 0).value is None
    assert Accuracy(0, 0).text() == "unknown (no pictures)"


@pytest.mark.parametrize(("correct", "n", "level"), [(3, 2, 0.95), (-1, 2, 0.95), (1, 2, 1.0), (1, 2, 0.0)])
def test_an_impossible_count_or_level_is_refused(correct: int, n: int, level: float) -> None:
    with pytest.raises(ValueError, match="no interval"):
        wilson_interval(correct, n, level)


def test_an_accuracy_reads_as_percent_with_interval_and_count() -> None:
    assert Accuracy(164, 180).text() == "91.1 % (95 % interval 86.0 to 94.5, n = 180)"


def test_an_accuracy_is_called_perfect_only_when_it_is() -> None:
    assert Accuracy(2999, 3000).text().startswith("99.97 % ")
    assert Accuracy(3000, 3000).text().startswith("100.0 % ")


@pytest.mark.parametrize(
    ("fraction", "text"),
    [
        (0.0, "0.0"),
        (-0.0, "0.0"),
        (1.0, "100.0"),
        (-1.0, "−100.0"),
        (0.3111, "31.1"),
        (-0.02, "−2.0"),
        (-0.0003, "−0.03"),
        (0.00004, "0.004"),
        (-1e-9, "0.000"),
        (0.9996, "99.96"),
    ],
)
def test_points_never_turn_a_small_number_into_none(fraction: float, text: str) -> None:
    assert format_points(fraction) == text


def test_a_confusion_matrix_has_the_truth_in_its_rows() -> None:
    matrix = confusion_matrix([0, 0, 1, 2, 2, 2], [0, 1, 1, 0, 2, 2], ("a", "b", "c"))
    assert matrix.tolist() == [[1, 1, 0], [0, 1, 0], [1, 0, 2]]


def test_a_confusion_matrix_counts_every_picture_once() -> None:
    rng = np.random.default_rng(3)
    labels, predicted = rng.integers(0, 5, 1000), rng.integers(0, 5, 1000)
    matrix = confusion_matrix(labels, predicted, "abcde")
    by_hand = [[int(((labels == i) & (predicted == j)).sum()) for j in range(5)] for i in range(5)]
    assert matrix.tolist() == by_hand


def test_a_confusion_matrix_of_nothing_is_all_zero() -> None:
    assert confusion_matrix([], [], ("a", "b")).tolist() == [[0, 0], [0, 0]]


@pytest.mark.parametrize(
    ("labels", "predicted", "reason"),
    [
        ([0, 1], [0], "one for each"),
        ([0, 2], [0, 1], "A label is none of the 2 classes"),
        ([0, 1], [0, -1], "A prediction is none of the 2 classes"),
    ],
)
def test_a_confusion_matrix_refuses_what_is_no_class(labels: list[int], predicted: list[int], reason: str) -> None:
    with pytest.raises(RunError, match=reason):
        confusion_matrix(labels, predicted, ("a", "b"))


def test_accuracy_is_the_diagonal_of_the_confusion_matrix() -> None:
    table = certain_table([0, 1, 1, 0], [0, 1, 0, 0], ("a", "b"))
    matrix = confusion_matrix(table.labels, table.predicted, table.classes)
    assert measure_accuracy(table) == Accuracy(int(matrix.trace()), int(matrix.sum()))
    assert table.accuracy == measure_accuracy(table).value == 0.75


def test_importing_the_evaluation_loads_neither_scipy_nor_torch() -> None:
    code = (
        "import sys, core.statistics.comparison, core.statistics.metrics, core.statistics.race_comparison, "
        "core.statistics.calibration, core.statistics.risk_coverage, core.statistics.race_sentences; "
        "print([name for name in ('scipy', 'torch', 'streamlit') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PROJECT_ROOT)
    assert done.stdout.strip() == "[]"
