"""Metrics of one model, against published values and against counting by hand."""

import subprocess
import sys

import numpy as np
import pytest
from scipy.stats import binomtest

from core.errors import RunError
from core.settings import PROJECT_ROOT
from core.statistics.metrics import (
    Accuracy,
    Interval,
    average_classes,
    confident_mistakes,
    confusion_matrix,
    f1_interval,
    format_points,
    measure_accuracy,
    per_class,
    wilson_interval,
)
from core.statistics.predictions import PredictionTable


def table_of(labels: list[int], predicted: list[int], classes: tuple[str, ...]) -> PredictionTable:
    n = len(labels)
    probabilities = np.zeros((n, len(classes)))
    probabilities[np.arange(n), predicted] = 1.0
    return PredictionTable("test", classes, tuple(map(str, range(n))), np.arange(n), np.array(labels), probabilities)


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
    assert Accuracy(0, 0).text() == "not known (no pictures)"


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


def test_scores_per_class_match_the_counts() -> None:
    cat, dog = per_class(table_of([0] * 6 + [1] * 4, [0, 0, 0, 0, 1, 1, 1, 1, 1, 0], ("Cat", "Dog")))
    assert (cat.label, cat.support, cat.predicted, cat.correct) == ("Cat", 6, 5, 4)
    assert (cat.precision, cat.recall) == (4 / 5, 4 / 6)
    assert cat.f1 == pytest.approx(2 * (4 / 5) * (4 / 6) / (4 / 5 + 4 / 6))
    assert (dog.label, dog.support, dog.predicted, dog.correct) == ("Dog", 4, 5, 3)


def test_what_is_undefined_is_none_and_not_zero() -> None:
    never_predicted, without_images, neither = per_class(
        table_of([0, 0], [1, 1], ("never predicted", "without pictures", "neither"))
    )
    assert (never_predicted.precision, never_predicted.recall, never_predicted.f1) == (None, 0.0, 0.0)
    assert (without_images.precision, without_images.recall, without_images.f1) == (0.0, None, 0.0)
    assert (neither.precision, neither.recall, neither.f1) == (None, None, None)


def test_a_table_without_pictures_has_no_scores() -> None:
    empty = table_of([], [], ("a", "b"))
    assert [(s.precision, s.recall, s.f1, s.support) for s in per_class(empty)] == [(None, None, None, 0)] * 2
    assert measure_accuracy(empty) == Accuracy(0, 0)


def test_every_score_of_a_class_lies_in_its_interval() -> None:
    table = table_of([0, 0, 0, 1, 1, 2], [0, 0, 1, 1, 0, 0], ("a", "b", "c"))
    for score in per_class(table):
        for value, interval in (
            (score.precision, score.precision_interval),
            (score.recall, score.recall_interval),
            (score.f1, score.f1_interval),
        ):
            assert (value is None) == (interval is None)
            if value is not None and interval is not None:
                assert 0 <= interval.low <= value <= interval.high <= 1
    first = per_class(table)[0]
    assert (first.precision_interval, first.recall_interval) == (wilson_interval(2, 4), wilson_interval(2, 3))


def test_f1_is_certain_of_nothing_where_nothing_is_known() -> None:
    assert f1_interval(0, 0, 0) == Interval(0.0, 1.0)
    assert f1_interval(20, 20, 20).high == 1.0
    assert f1_interval(0, 20, 20).low == 0.0


def test_macro_averages_count_every_class_that_occurs_the_same() -> None:
    # 90 pictures of a class that is always found, 2 of one that never is, and a class without pictures
    macro = average_classes(per_class(table_of([0] * 90 + [1] * 2, [0] * 92, ("a", "b", "c"))))
    assert macro.recall == pytest.approx(0.5)
    assert macro.precision == pytest.approx(90 / 92 / 2)
    assert macro.f1 == pytest.approx(180 / 182 / 2)
    nothing = average_classes(per_class(table_of([], [], ("a", "b"))))
    assert (nothing.precision, nothing.recall, nothing.f1) == (None, None, None)


def test_the_surest_mistakes_come_first() -> None:
    labels = np.array([0, 0, 0, 1, 1])
    chances = np.array([[0.1, 0.9], [0.8, 0.2], [0.3, 0.7], [0.9, 0.1], [0.2, 0.8]])
    table = PredictionTable("test", ("a", "b"), tuple("vwxyz"), np.arange(5), labels, chances)
    assert confident_mistakes(table).tolist() == [0, 3, 2]  # the first two are equally sure
    assert confident_mistakes(table, most=1).tolist() == [0]
    assert confident_mistakes(table_of([0], [0], ("a", "b"))).tolist() == []


def test_accuracy_is_the_diagonal_of_the_confusion_matrix() -> None:
    table = table_of([0, 1, 1, 0], [0, 1, 0, 0], ("a", "b"))
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
