"""Races: right numbers with one seed and with several, no winner without evidence, and sentences for people."""

import itertools
import json
import math
import re
import time
from itertools import combinations

import numpy as np
import pytest
from numpy.typing import NDArray

from core.errors import ComparisonError
from core.statistics.comparison import compare, mcnemar_p_value
from core.statistics.race_comparison import ArmTables, RaceComparison, compare_arms
from core.statistics.race_sentences import describe_pair, describe_race, race_as_json
from core.statistics.seeds import flip_signs, measure_seeds
from tests.support.prediction_tables import drawn_arm, table_of
from tests.support.simulated_races import Setting, simulate

TOLERANCE = 3 * math.sqrt(0.05 * 0.95 / 300)  # three standard errors of 300 races


def numbers(value: object) -> list[float]:
    """All numbers in nested lists and dictionaries."""
    if isinstance(value, dict):
        return [number for item in value.values() for number in numbers(item)]
    if isinstance(value, list):
        return [number for item in value for number in numbers(item)]
    return [float(value)] if isinstance(value, int | float) else []


def compared(*arms: ArmTables) -> RaceComparison:
    return compare_arms(list(arms))


def arm(name: str, *seeds: NDArray[np.bool_]) -> ArmTables:
    return ArmTables(name, tuple(map(table_of, seeds)))


# ---- with one seed


def test_one_seed_is_compared_as_two_networks_are() -> None:
    a, b = drawn_arm("scratch", 0.7, 1), drawn_arm("head", 0.95, 1)
    pair, single = compare_arms([a, b]).pairs[0], compare(a.tables[0], b.tables[0], "scratch", "head")
    assert (pair.difference, pair.interval, pair.p_value) == (single.difference, single.interval, single.p_value)
    assert (pair.p_adjusted, pair.better) == (single.p_value, single.better)


def test_an_arm_of_one_seed_has_wilsons_interval() -> None:
    arm = compare_arms([drawn_arm("head", 0.95, 1)]).arms[0]
    assert (arm.mean, arm.interval) == (171 / 180, arm.accuracies[0].interval)


# ---- how often it is right


@pytest.mark.parametrize(
    "setting",
    [
        Setting((0.9, 0.9), 180, 1, 0.0),
        Setting((0.9, 0.9), 180, 3, 0.2),
        Setting((0.9, 0.9), 180, 5, 0.2),
        Setting((0.6, 0.6), 180, 3, 0.5),
        Setting((0.9,) * 4, 180, 3, 0.2),
    ],
)
def test_equal_arms_rarely_differ_and_intervals_hold_the_truth(setting: Setting) -> None:
    found = simulate(setting, 300, np.random.default_rng(1))
    assert found.claims <= 0.05 + TOLERANCE
    assert found.covered >= 0.95 - TOLERANCE


@pytest.mark.parametrize("setting", [Setting((0.75, 0.97), 180, 1, 0.0), Setting((0.75, 0.97), 180, 3, 0.2)])
def test_a_real_difference_is_found_and_its_interval_holds_it(setting: Setting) -> None:
    found = simulate(setting, 300, np.random.default_rng(2))
    assert found.claims >= 0.99
    assert 0.95 - TOLERANCE <= found.covered <= 0.99


def test_seeds_that_differ_much_are_no_evidence_where_one_seed_would_claim_it() -> None:
    rng = np.random.default_rng(3)
    arms = [
        ArmTables(name, tuple(table_of(rng.random(2000) < accuracy) for accuracy in accuracies))
        for name, accuracies in (("a", (0.5, 0.7, 0.9)), ("b", (0.62, 0.8, 0.95)))
    ]
    one_seed = compare_arms([ArmTables(arm.name, arm.tables[:1]) for arm in arms])
    assert one_seed.pairs[0].better == "b"
    assert compare_arms(arms).pairs[0].better is None


# ---- test and interval agree


@pytest.mark.parametrize("seeds", [2, 3, 5])
@pytest.mark.parametrize("level", [0.8, 0.95, 0.99])
def test_the_p_value_is_below_the_level_exactly_where_the_interval_excludes_zero(seeds: int, level: float) -> None:
    rng = np.random.default_rng(seeds)
    verdicts = []
    for _ in range(60):
        shift = rng.uniform(0, 0.12)
        arms = [
            ArmTables(name, tuple(table_of(rng.random(120) < 0.8 + up) for _ in range(seeds)))
            for name, up in (("a", 0.0), ("b", shift))
        ]
        pair = compare_arms(arms, level).pairs[0]
        excluded = not pair.interval.low <= 0 <= pair.interval.high
        assert excluded == (pair.p_value < 1 - level)
        assert (pair.better is not None) == excluded  # one pair: nothing to correct
        verdicts.append(excluded)
    assert True in verdicts
    assert False in verdicts


@pytest.mark.parametrize("seeds", [1, 2, 3])
def test_swapping_two_arms_flips_the_sign_and_nothing_else(seeds: int) -> None:
    a, b = drawn_arm("a", 0.7, seeds, spread=0.05), drawn_arm("b", 0.9, seeds)
    there, back = compare_arms([a, b]).pairs[0], compare_arms([b, a]).pairs[0]
    assert back.difference == pytest.approx(-there.difference)
    assert (back.interval.low, back.interval.high) == pytest.approx((-there.interval.high, -there.interval.low))
    assert back.p_value == pytest.approx(there.p_value)
    assert {there.better, back.better} in ({"a", "b"}, {None})


def test_the_order_of_seeds_and_of_pictures_does_not_matter() -> None:
    a, b = drawn_arm("a", 0.7, 3, spread=0.05), drawn_arm("b", 0.9, 3)
    straight = compare_arms([a, b])
    turned = compare_arms([ArmTables("a", a.tables[::-1]), b])
    assert turned.pairs[0].interval.low == pytest.approx(straight.pairs[0].interval.low)
    assert turned.arms[0].mean == straight.arms[0].mean


# ---- several pairs


def test_asking_about_many_pairs_makes_each_harder_to_show() -> None:
    arms = [drawn_arm(name, accuracy, 1) for name, accuracy in (("a", 0.80), ("b", 0.89), ("c", 0.80), ("d", 0.82))]
    race = compare_arms(arms)
    alone, among = compare_arms(arms[:2]).pairs[0], race.pairs[0]
    assert alone.p_value == among.p_value
    assert among.p_adjusted > alone.p_adjusted
    assert (alone.better, among.better) == ("b", None)
    assert "which may be chance where 6 pairs are compared" in describe_pair(race, among)
    assert among.interval.low > 0


def test_every_two_arms_are_a_pair_and_adjusted_values_keep_their_order() -> None:
    found = compare_arms([drawn_arm(name, 0.6 + 0.08 * i, 3) for i, name in enumerate("abcde")])
    assert [(pair.a, pair.b) for pair in found.pairs] == list(combinations("abcde", 2))
    ordered = sorted(found.pairs, key=lambda pair: pair.p_value)
    adjusted = [pair.p_adjusted for pair in ordered]
    assert adjusted == sorted(adjusted)
    assert all(pair.p_value <= pair.p_adjusted <= 1 for pair in found.pairs)


# ---- races with little evidence


@pytest.mark.parametrize("seeds", [1, 2, 3, 5])
@pytest.mark.parametrize("n", [1, 2, 30])
@pytest.mark.parametrize(("first", "second"), [(1.0, 1.0), (0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (0.5, 0.5)])
def test_odd_races_have_sound_numbers(seeds: int, n: int, first: float, second: float) -> None:
    found = compare_arms([drawn_arm("a", first, seeds, n), drawn_arm("b", second, seeds, n)])
    assert all(math.isfinite(number) for number in numbers(json.loads(json.dumps(race_as_json(found)))))
    for arm in found.arms:
        assert 0 <= arm.interval.low <= arm.mean <= arm.interval.high <= 1
        assert arm.interval.high - arm.interval.low > 0.01
    pair = found.pairs[0]
    assert -1 <= pair.interval.low <= pair.difference <= pair.interval.high <= 1
    assert 0 <= pair.p_value <= pair.p_adjusted <= 1
    if n == 1 or pair.difference == 0:
        assert pair.better is None
    if n == 30 and first != second and seeds != 2:
        assert pair.better == ("b" if second > first else "a")


@pytest.mark.parametrize("seeds", [1, 3])
def test_arms_that_never_disagree_show_no_difference(seeds: int) -> None:
    tables = drawn_arm("a", 0.9, seeds).tables
    race = compare_arms([ArmTables("a", tables), ArmTables("b", tables)])
    pair = race.pairs[0]
    assert (pair.better, pair.p_value, pair.difference) == (None, 1.0, 0.0)
    assert pair.interval.low < 0 < pair.interval.high
    assert "right equally often" in describe_pair(race, pair)


# ---- what cannot be compared


def test_no_arms_no_race() -> None:
    with pytest.raises(ComparisonError, match="no result to compare yet"):
        compare_arms([])
    with pytest.raises(ComparisonError, match="no result to compare yet"):
        compare_arms([ArmTables("a", ())])


def test_arms_with_different_numbers_of_seeds_are_not_compared() -> None:
    with pytest.raises(ComparisonError, match="a has 3 results and b 2: compare the seeds that every arm has finished"):
        compare_arms([drawn_arm("a", 0.9, 3), drawn_arm("b", 0.9, 2)])


def test_arms_of_one_name_are_not_compared() -> None:
    with pytest.raises(ComparisonError, match="same name"):
        compare_arms([drawn_arm("a", 0.9, 1), drawn_arm("a", 0.8, 1)])


def test_other_pictures_in_any_seed_are_refused() -> None:
    odd = ArmTables("b", (*drawn_arm("b", 0.9, 2).tables, drawn_arm("b", 0.9, 1, n=90).tables[0]))
    with pytest.raises(ComparisonError, match="not the same pictures"):
        compare_arms([drawn_arm("a", 0.9, 3), odd])


def test_training_pictures_and_empty_splits_are_refused() -> None:
    with pytest.raises(ComparisonError, match="which the models have seen"):
        compare_arms([drawn_arm("a", 0.9, 1, split="train")])
    with pytest.raises(ComparisonError, match="no test picture"):
        compare_arms([drawn_arm("a", 0.9, 1, n=0)])


def test_times_must_be_one_a_seed() -> None:
    with pytest.raises(ComparisonError, match="3 results but 1 times"):
        compare_arms([ArmTables("a", drawn_arm("a", 0.9, 3).tables, (1.0,))])


def test_five_arms_with_five_seeds_on_two_thousand_pictures_are_compared_within_a_fraction_of_a_second() -> None:
    arms = [drawn_arm(name, 0.8 + 0.03 * i, 5, 2000, spread=0.01) for i, name in enumerate("abcde")]
    compare_arms(arms)  # imports scipy
    fastest = math.inf
    for _ in range(5):
        began = time.perf_counter()
        compare_arms(arms)
        fastest = min(fastest, time.perf_counter() - began)
    assert fastest < 0.3


@pytest.mark.parametrize("seeds", [1, 2, 3])
@pytest.mark.parametrize("n", [1, 2, 3, 4, 5])
def test_a_handful_of_pictures_shows_nothing_however_many_seeds_agree(seeds: int, n: int) -> None:
    found = compared(arm("scratch", *[np.zeros(n, bool)] * seeds), arm("head", *[np.ones(n, bool)] * seeds))
    assert found.pairs[0].better is None
    assert found.pairs[0].p_value == pytest.approx(2 * 0.5**n)
    assert describe_race(found).startswith("No clear difference")
    if "would take" in describe_race(found):
        assert int(re.search(r"roughly (\d+)", describe_race(found))[1]) >= 6  # type: ignore[index]


def test_the_exact_test_over_pictures_is_mcnemars_for_one_seed_and_for_seeds_that_agree() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        a, b = rng.random((2, 60)) < 0.8
        expected = mcnemar_p_value(int((a & ~b).sum()), int((~a & b).sum()))
        for seeds in (1, 3):
            scores = [measure_seeds(np.stack([row] * seeds)) for row in (a, b)]
            assert flip_signs(*scores) == pytest.approx(expected)


def test_the_exact_test_over_pictures_counts_every_way_to_turn_them() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.random((2, 3, 9)) < [[[0.4]], [[0.8]]]
    found = flip_signs(measure_seeds(a), measure_seeds(b))
    steps = b.sum(axis=0) - a.sum(axis=0)
    sums = [abs(int((np.array(signs) * steps).sum())) for signs in itertools.product((1, -1), repeat=9)]
    assert found == pytest.approx(np.mean([total >= abs(steps.sum()) for total in sums]))


def test_a_difference_is_no_wider_than_the_arms_leave_room_for() -> None:
    def first(count: int) -> NDArray[np.bool_]:
        return np.arange(150) < count

    found = compared(arm("head", *map(first, (148, 148, 148))), arm("gradual", *map(first, (148, 146, 148))))
    head, gradual = (score.interval for score in found.arms)
    interval = found.pairs[0].interval
    assert interval.low == pytest.approx(gradual.low - head.high)
    assert interval.high == pytest.approx(gradual.high - head.low)
    assert interval.high - interval.low < 0.1, "20 points without the arms' own limits"
