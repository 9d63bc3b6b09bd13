"""The paired comparison: right numbers, right sentences, and no winner where there is none."""

import json
import math

import numpy as np
import pytest
from numpy.typing import NDArray

from core.errors import ComparisonError
from core.statistics.comparison import (
    Comparison,
    choose_better,
    compare,
    images_needed,
    mcnemar_p_value,
    paired_interval,
)
from core.statistics.metrics import Accuracy, Interval
from core.statistics.predictions import PredictionTable

SCRATCH, TRANSFER = "scratch (scratch_cnn)", "Transfer (mobilenet_v2, head)"


def table_of(right: NDArray[np.bool_], split: str = "test") -> PredictionTable:
    """Two classes in turn; picture i is row 1000 + i and right where `right` is."""
    n = len(right)
    labels = np.arange(n) % 2
    predicted = np.where(right, labels, 1 - labels)
    probabilities = np.full((n, 2), 0.25)
    probabilities[np.arange(n), predicted] = 0.75
    ids = tuple(f"picture{i}" for i in range(n))
    return PredictionTable(split, ("Cat", "Dog"), ids, 1000 + np.arange(n), labels, probabilities)


def tables_of(
    both_right: int, only_a: int, only_b: int, both_wrong: int, split: str = "test"
) -> tuple[PredictionTable, PredictionTable]:
    sizes = [both_right, only_a, only_b, both_wrong]
    return (
        table_of(np.repeat([True, True, False, False], sizes), split),
        table_of(np.repeat([True, False, True, False], sizes), split),
    )


def race(both_right: int, only_a: int, only_b: int, both_wrong: int, split: str = "test") -> Comparison:
    return compare(*tables_of(both_right, only_a, only_b, both_wrong, split), SCRATCH, TRANSFER)


def rearranged(table: PredictionTable, order: list[int]) -> PredictionTable:
    return PredictionTable(
        table.split,
        table.classes,
        tuple(table.image_ids[i] for i in order),
        table.indices[order],
        table.labels[order],
        table.probabilities[order],
    )


def draw(rng: np.random.Generator, n: int, cells: list[float]) -> tuple[int, int, int, int]:
    both_right, only_a, only_b, both_wrong = rng.multinomial(n, cells).tolist()
    return both_right, only_a, only_b, both_wrong


# ---- the interval and the test


@pytest.mark.parametrize(
    ("cells", "low", "high"),
    [
        # Newcombe 1998, Statistics in Medicine 17:2635, example with cells 36, 12, 2, 0, method 10
        ((36, 2, 12, 0), 0.0569, 0.3404),
        # Fagerland, Lydersen, Laake 2017, Statistical Analysis of Contingency Tables, ch. 8, Cavo's data
        ((59, 16, 6, 80), -0.1186, -0.0046),
    ],
)
def test_the_paired_interval_is_the_published_one(cells: tuple[int, int, int, int], low: float, high: float) -> None:
    interval = paired_interval(*cells)
    assert (round(interval.low, 4), round(interval.high, 4)) == (low, high)


@pytest.mark.parametrize(
    "cells",
    [
        [0.60, 0.08, 0.22, 0.10],  # transfer clearly better
        [0.80, 0.05, 0.05, 0.10],  # equal and alike
        [0.30, 0.20, 0.25, 0.25],  # hardly related
        [0.45, 0.27, 0.27, 0.01],  # right on different pictures
    ],
)
def test_the_interval_covers_the_true_difference_as_often_as_it_promises(cells: list[float]) -> None:
    rng = np.random.default_rng(20_26)
    truth = cells[2] - cells[1]
    covered = 0
    for _ in range(2000):
        interval = paired_interval(*draw(rng, 120, cells))
        covered += interval.low <= truth <= interval.high
    assert 0.93 <= covered / 2000 <= 0.985


def test_pairing_makes_the_interval_narrower_than_two_separate_ones() -> None:
    alike, unlike = paired_interval(150, 5, 15, 10), paired_interval(141, 14, 24, 1)
    assert alike.high - alike.low < 0.8 * (unlike.high - unlike.low)


@pytest.mark.parametrize("level", [0.8, 0.95, 0.99])
@pytest.mark.parametrize("n", [1, 2, 3, 9])
def test_every_small_table_has_a_sound_interval(n: int, level: float) -> None:
    for both_right in range(n + 1):
        for only_a in range(n + 1 - both_right):
            for only_b in range(n + 1 - both_right - only_a):
                cells = (both_right, only_a, only_b, n - both_right - only_a - only_b)
                interval = paired_interval(*cells, level)
                assert -1 <= interval.low <= (only_b - only_a) / n <= interval.high <= 1
                assert interval.high - interval.low > 0.05
                swapped = paired_interval(cells[0], cells[2], cells[1], cells[3], level)
                assert swapped.low == pytest.approx(-interval.high)
                assert swapped.high == pytest.approx(-interval.low)


def test_a_higher_level_gives_a_wider_interval() -> None:
    narrow, wide = paired_interval(90, 20, 40, 30, 0.9), paired_interval(90, 20, 40, 30, 0.99)
    assert wide.low < narrow.low < narrow.high < wide.high


def test_the_p_value_is_the_sum_of_binomial_tails() -> None:
    def by_hand(only_a: int, only_b: int) -> float:
        n, fewer = only_a + only_b, min(only_a, only_b)
        return min(1.0, sum(math.comb(n, k) for k in range(fewer + 1)) / 2.0 ** (n - 1))

    for only_a in range(15):
        for only_b in range(15):
            assert mcnemar_p_value(only_a, only_b) == pytest.approx(by_hand(only_a, only_b), abs=1e-12)


def test_without_disagreement_the_p_value_is_one() -> None:
    assert mcnemar_p_value(0, 0) == 1.0


def test_no_pictures_have_no_interval() -> None:
    with pytest.raises(ComparisonError, match="no picture"):
        paired_interval(0, 0, 0, 0)


# ---- who is better


@pytest.mark.parametrize("cells", [[0.6, 0.15, 0.15, 0.1], [0.85, 0.05, 0.05, 0.05], [0.1, 0.4, 0.4, 0.1]])
def test_equal_models_rarely_show_a_difference(cells: list[float]) -> None:
    rng = np.random.default_rng(7)
    claims = 0
    for _ in range(1000):
        both_right, only_a, only_b, both_wrong = draw(rng, 180, cells)
        interval = paired_interval(both_right, only_a, only_b, both_wrong)
        claims += choose_better(interval, mcnemar_p_value(only_a, only_b)) is not None
    # 5 % and two standard errors of 1,000 draws; the exact test stays below 5 %.
    assert claims / 1000 <= 0.05 + 2 * math.sqrt(0.05 * 0.95 / 1000)


def test_a_real_difference_is_found() -> None:
    rng = np.random.default_rng(8)
    found = [race(*draw(rng, 180, [0.6, 0.05, 0.30, 0.05])).better for _ in range(100)]
    assert found.count("b") >= 99
    assert "a" not in found


@pytest.mark.parametrize(
    ("interval", "p_value", "better"),
    [
        (Interval(0.01, 0.2), 0.01, "b"),
        (Interval(-0.2, -0.01), 0.01, "a"),
        (Interval(0.01, 0.2), 0.06, None),
        (Interval(-0.01, 0.2), 0.01, None),
        (Interval(0.0, 0.2), 0.01, None),
        (Interval(0.01, 0.2, 0.99), 0.02, None),
    ],
)
def test_a_winner_needs_both_the_test_and_the_interval(interval: Interval, p_value: float, better: str | None) -> None:
    assert choose_better(interval, p_value) == better


@pytest.mark.parametrize("cells", [[0.70, 0.06, 0.12, 0.12], [0.55, 0.10, 0.20, 0.15]])
def test_the_number_of_pictures_named_gives_about_eighty_percent_power(cells: list[float]) -> None:
    needed = images_needed(round(1000 * cells[1]), round(1000 * cells[2]), 1000)
    assert needed is not None
    rng = np.random.default_rng(9)
    shown = 0
    for _ in range(1000):
        _, only_a, only_b, _ = draw(rng, needed, cells)
        shown += mcnemar_p_value(only_a, only_b) < 0.05
    assert 0.72 <= shown / 1000 <= 0.86


def test_no_number_of_pictures_shows_a_difference_of_zero() -> None:
    assert images_needed(7, 7, 180) is None
    assert images_needed(0, 0, 180) is None


def test_one_picture_can_never_be_enough() -> None:
    assert images_needed(0, 1, 1) == 6  # 2 / 2**6 is the first below 0.05


# ---- the whole comparison


def test_counts_accuracies_and_difference_are_those_of_the_pictures() -> None:
    result = race(100, 8, 64, 8)
    assert (result.both_right, result.only_a, result.only_b, result.both_wrong) == (100, 8, 64, 8)
    assert result.n == 180
    assert result.accuracy_a == Accuracy(108, 180)
    assert result.accuracy_b == Accuracy(164, 180)
    assert result.difference == pytest.approx(164 / 180 - 108 / 180)
    assert result.interval == paired_interval(100, 8, 64, 8)
    assert result.p_value == mcnemar_p_value(8, 64)
    assert result.better == "b"


def test_the_order_of_the_pictures_does_not_matter() -> None:
    a, b = tables_of(40, 5, 20, 10)
    rng = np.random.default_rng(1)
    shuffled = compare(
        rearranged(a, rng.permutation(a.n).tolist()),
        rearranged(b, rng.permutation(b.n).tolist()),
        SCRATCH,
        TRANSFER,
    )
    straight = compare(a, b, SCRATCH, TRANSFER)
    assert shuffled.to_json() == straight.to_json()


def test_copies_of_a_picture_are_paired_with_their_own_label() -> None:
    # The same pixels under both labels: whatever is predicted, one of the two is wrong.
    a = PredictionTable(
        "test",
        ("Cat", "Dog"),
        ("copy", "copy"),
        np.array([3, 9]),
        np.array([0, 1]),
        np.array([[1.0, 0.0]] * 2),
    )
    b = PredictionTable(
        "test",
        ("Cat", "Dog"),
        ("copy", "copy"),
        np.array([9, 3]),
        np.array([1, 0]),
        np.array([[0.0, 1.0]] * 2),
    )
    result = compare(a, b, SCRATCH, TRANSFER)
    assert (result.only_a, result.only_b) == (1, 1)


def test_swapping_the_arms_flips_the_sign_and_nothing_else() -> None:
    a, b = tables_of(100, 8, 30, 12)
    there, back = compare(a, b, SCRATCH, TRANSFER), compare(b, a, TRANSFER, SCRATCH)
    assert back.difference == -there.difference
    assert back.interval.low == pytest.approx(-there.interval.high)
    assert back.interval.high == pytest.approx(-there.interval.low)
    assert back.p_value == there.p_value
    assert (there.better, back.better) == ("b", "a")
    assert (back.only_a, back.only_b) == (there.only_b, there.only_a)
    assert back.verdict == there.verdict


def test_one_picture_proves_nothing() -> None:
    result = race(0, 0, 1, 0)
    assert (result.better, result.p_value, result.difference) == (None, 1.0, 1.0)
    assert "on the same test picture" in result.verdict


@pytest.mark.parametrize("cells", [(20, 0, 0, 0), (0, 0, 0, 20), (1, 0, 0, 0), (15, 0, 0, 5)])
def test_models_that_never_disagree_show_no_difference(cells: tuple[int, int, int, int]) -> None:
    result = race(*cells)
    assert (result.better, result.p_value, result.difference) == (None, 1.0, 0.0)
    assert result.interval.low < 0 < result.interval.high
    assert "neither scratch (scratch_cnn) nor Transfer (mobilenet_v2, head) is right where" in result.verdict


# ---- the verdict


def test_the_verdict_names_winner_margin_interval_count_and_p() -> None:
    assert race(100, 8, 64, 8).verdict == (
        "Transfer (mobilenet_v2, head) is 31.1 points better than scratch (scratch_cnn) on the same 180 test "
        "pictures (95 % interval 22.8 to 39.0, p < 0.001)."
    )


def test_the_verdict_names_the_lead_the_pictures_and_the_evidence() -> None:
    a, b = tables_of(100, 8, 64, 8)
    assert compare(a, b, SCRATCH, TRANSFER).verdict == (
        "Transfer (mobilenet_v2, head) is 31.1 points better than scratch (scratch_cnn) on the same 180 test "
        "pictures (95 % interval 22.8 to 39.0, p < 0.001)."
    )
    assert compare(a, a, SCRATCH, TRANSFER).verdict.endswith("p = 1.00).")


def test_the_verdict_can_say_that_transfer_lost() -> None:
    verdict = race(100, 64, 8, 8).verdict
    assert verdict.startswith("Scratch (scratch_cnn) is 31.1 points better than Transfer")
    assert "95 % interval 22.8 to 39.0" in verdict


def test_the_verdict_names_when_chance_explains_the_difference_and_what_would_settle_it() -> None:
    assert race(160, 3, 5, 12).verdict == (
        "No clear difference: Transfer (mobilenet_v2, head) is 1.1 points ahead of scratch (scratch_cnn) on "
        "the same 180 test pictures, which may be chance (95 % interval −2.5 to 4.8, p = 0.73). To show a "
        "difference of this size would take roughly 2,900 test pictures."
    )


def test_the_verdict_names_when_there_is_no_difference_at_all() -> None:
    verdict = race(160, 5, 5, 10).verdict
    assert verdict.startswith("No clear difference: scratch (scratch_cnn) and Transfer (mobilenet_v2, head) are right")
    assert "equally often" in verdict
    assert "roughly" not in verdict


def test_the_pictures_asked_for_are_more_than_there_were() -> None:
    for n in (1, 4, 8, 20):
        for only_a in range(n + 1):
            for only_b in range(n + 1 - only_a):
                needed = images_needed(only_a, only_b, n)
                if needed is not None and mcnemar_p_value(only_a, only_b) >= 0.05:
                    assert needed > n


@pytest.mark.parametrize("cells", [(100, 8, 64, 8), (160, 3, 5, 12), (160, 5, 5, 10)])
def test_the_verdict_on_validation_pictures_adds_that_it_is_optimistic(
    cells: tuple[int, int, int, int],
) -> None:
    test, val = race(*cells), race(*cells, split="val")
    assert "optimistic" not in test.verdict
    assert "180 validation pictures" in val.verdict
    assert "test picture" not in val.verdict
    assert "choosing their best epoch" in val.verdict
    assert val.verdict.endswith("optimistic.")


def test_runs_of_the_same_name_are_kept_apart_in_the_verdict() -> None:
    a, b = tables_of(100, 8, 64, 8)
    assert compare(a, b, "ResNet", "ResNet").verdict.startswith(
        "ResNet (second) is 31.1 points better than ResNet (first)"
    )


def test_the_record_is_plain_json_with_fractions_and_counts() -> None:
    result = race(100, 8, 64, 8)
    record = json.loads(json.dumps(result.to_json(), allow_nan=False))
    assert record == {
        "difference": result.difference,
        "interval": [result.interval.low, result.interval.high],
        "p_value": result.p_value,
        "n": 180,
        "verdict": result.verdict,
        "accuracy_a": 0.6,
        "accuracy_b": 164 / 180,
        "both_right": 100,
        "only_a": 8,
        "only_b": 64,
        "both_wrong": 8,
        "split": "test",
        "better": "b",
        "caveats": [],
    }


# ---- what cannot be compared


def test_different_pictures_cannot_be_compared() -> None:
    a, b = table_of(np.ones(5, bool)), table_of(np.ones(4, bool))
    with pytest.raises(ComparisonError, match=r"5 test pictures .* 4 test pictures.*4 in common.*same dataset"):
        compare(a, b, SCRATCH, TRANSFER)


def test_the_same_number_of_other_pictures_cannot_be_compared() -> None:
    a = table_of(np.ones(5, bool))
    b = PredictionTable(a.split, a.classes, tuple("vwxyz"), a.indices, a.labels, a.probabilities)
    with pytest.raises(ComparisonError, match="0 in common"):
        compare(a, b, SCRATCH, TRANSFER)


def test_different_labels_cannot_be_compared() -> None:
    a = table_of(np.ones(5, bool))
    b = PredictionTable(a.split, a.classes, a.image_ids, a.indices, 1 - a.labels, a.probabilities)
    with pytest.raises(ComparisonError, match="5 of the pictures have another label"):
        compare(a, b, SCRATCH, TRANSFER)


@pytest.mark.parametrize("classes", [("Dog", "Cat"), ("Cat", "Hund")])
def test_different_classes_cannot_be_compared(classes: tuple[str, str]) -> None:
    a = table_of(np.ones(5, bool))
    b = PredictionTable(a.split, classes, a.image_ids, a.indices, a.labels, a.probabilities)
    with pytest.raises(ComparisonError, match=f"Cat, Dog against {', '.join(classes)}"):
        compare(a, b, SCRATCH, TRANSFER)


def test_different_splits_cannot_be_compared() -> None:
    with pytest.raises(ComparisonError, match=r"test split .* val split"):
        compare(table_of(np.ones(5, bool)), table_of(np.ones(5, bool), "val"), SCRATCH, TRANSFER)


def test_pictures_that_were_trained_on_are_no_contest() -> None:
    with pytest.raises(ComparisonError, match="train split"):
        race(3, 1, 1, 0, split="train")


def test_no_pictures_cannot_be_compared() -> None:
    with pytest.raises(ComparisonError, match="no test picture"):
        race(0, 0, 0, 0)
