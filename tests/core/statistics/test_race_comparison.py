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

from bench.verdicts import Setting, simulate
from core.errors import ComparisonError
from core.statistics.comparison import compare, mcnemar_p_value
from core.statistics.race_comparison import ArmTables, RaceJudgement, judge_race
from core.statistics.seeds import flip_signs, measure_seeds
from tests.support.prediction_tables import drawn_arm, table_of

TOLERANCE = 3 * math.sqrt(0.05 * 0.95 / 300)  # three standard errors of 300 races


def numbers(value: object) -> list[float]:
    """All numbers in nested lists and dictionaries."""
    if isinstance(value, dict):
        return [number for item in value.values() for number in numbers(item)]
    if isinstance(value, list):
        return [number for item in value for number in numbers(item)]
    return [float(value)] if isinstance(value, int | float) else []


# ---- with one seed


def test_one_seed_is_judged_as_two_networks_are() -> None:
    a, b = drawn_arm("scratch", 0.7, 1), drawn_arm("head", 0.95, 1)
    pair, single = judge_race([a, b]).pairs[0], compare(a.tables[0], b.tables[0], "scratch", "head")
    assert (pair.difference, pair.interval, pair.p_value) == (single.difference, single.interval, single.p_value)
    assert (pair.p_adjusted, pair.better) == (single.p_value, single.better)


def test_an_arm_of_one_seed_has_wilsons_interval() -> None:
    arm = judge_race([drawn_arm("head", 0.95, 1)]).arms[0]
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
def test_equal_arms_are_rarely_told_apart_and_intervals_hold_the_truth(setting: Setting) -> None:
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
    one_seed = judge_race([ArmTables(arm.name, arm.tables[:1]) for arm in arms])
    assert one_seed.pairs[0].better == "b"
    assert judge_race(arms).pairs[0].better is None


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
        pair = judge_race(arms, level).pairs[0]
        excluded = not pair.interval.low <= 0 <= pair.interval.high
        assert excluded == (pair.p_value < 1 - level)
        assert (pair.better is not None) == excluded  # one pair: nothing to correct
        verdicts.append(excluded)
    assert True in verdicts
    assert False in verdicts


@pytest.mark.parametrize("seeds", [1, 2, 3])
def test_swapping_two_arms_flips_the_sign_and_nothing_else(seeds: int) -> None:
    a, b = drawn_arm("a", 0.7, seeds, spread=0.05), drawn_arm("b", 0.9, seeds)
    there, back = judge_race([a, b]).pairs[0], judge_race([b, a]).pairs[0]
    assert back.difference == pytest.approx(-there.difference)
    assert (back.interval.low, back.interval.high) == pytest.approx((-there.interval.high, -there.interval.low))
    assert back.p_value == pytest.approx(there.p_value)
    assert {there.better, back.better} in ({"a", "b"}, {None})


def test_the_order_of_seeds_and_of_pictures_does_not_matter() -> None:
    a, b = drawn_arm("a", 0.7, 3, spread=0.05), drawn_arm("b", 0.9, 3)
    straight = judge_race([a, b])
    turned = judge_race([ArmTables("a", a.tables[::-1]), b])
    assert turned.pairs[0].interval.low == pytest.approx(straight.pairs[0].interval.low)
    assert turned.arms[0].mean == straight.arms[0].mean


# ---- several pairs


def test_asking_about_many_pairs_makes_each_harder_to_show() -> None:
    arms = [drawn_arm(name, accuracy, 1) for name, accuracy in (("a", 0.80), ("b", 0.89), ("c", 0.80), ("d", 0.82))]
    alone, among = judge_race(arms[:2]).pairs[0], judge_race(arms).pairs[0]
    assert alone.p_value == among.p_value
    assert among.p_adjusted > alone.p_adjusted
    assert (alone.better, among.better) == ("b", None)
    assert "which can be chance where 6 pairs are compared" in among.sentence
    assert among.interval.low > 0


def test_every_two_arms_are_a_pair_and_adjusted_values_keep_their_order() -> None:
    judged = judge_race([drawn_arm(name, 0.6 + 0.08 * i, 3) for i, name in enumerate("abcde")])
    assert [(pair.a, pair.b) for pair in judged.pairs] == list(combinations("abcde", 2))
    ordered = sorted(judged.pairs, key=lambda pair: pair.p_value)
    adjusted = [pair.p_adjusted for pair in ordered]
    assert adjusted == sorted(adjusted)
    assert all(pair.p_value <= pair.p_adjusted <= 1 for pair in judged.pairs)


# ---- what has little to say


@pytest.mark.parametrize("seeds", [1, 2, 3, 5])
@pytest.mark.parametrize("n", [1, 2, 30])
@pytest.mark.parametrize(("first", "second"), [(1.0, 1.0), (0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (0.5, 0.5)])
def test_odd_races_have_sound_numbers(seeds: int, n: int, first: float, second: float) -> None:
    judged = judge_race([drawn_arm("a", first, seeds, n), drawn_arm("b", second, seeds, n)])
    assert all(math.isfinite(number) for number in numbers(json.loads(json.dumps(judged.to_json()))))
    for arm in judged.arms:
        assert 0 <= arm.interval.low <= arm.mean <= arm.interval.high <= 1
        assert arm.interval.high - arm.interval.low > 0.01
    pair = judged.pairs[0]
    assert -1 <= pair.interval.low <= pair.difference <= pair.interval.high <= 1
    assert 0 <= pair.p_value <= pair.p_adjusted <= 1
    if n == 1 or pair.difference == 0:
        assert pair.better is None
    if n == 30 and first != second and seeds != 2:
        assert pair.better == ("b" if second > first else "a")


@pytest.mark.parametrize("seeds", [1, 3])
def test_arms_that_never_disagree_are_not_told_apart(seeds: int) -> None:
    tables = drawn_arm("a", 0.9, seeds).tables
    pair = judge_race([ArmTables("a", tables), ArmTables("b", tables)]).pairs[0]
    assert (pair.better, pair.p_value, pair.difference) == (None, 1.0, 0.0)
    assert pair.interval.low < 0 < pair.interval.high
    assert "right equally often" in pair.sentence


# ---- sentences


def judged(*arms: ArmTables) -> RaceJudgement:
    return judge_race(list(arms))


def test_the_sentence_names_size_interval_pictures_seeds_and_cost() -> None:
    race = judged(drawn_arm("scratch", 0.66, 3, seconds=80), drawn_arm("Transfer (head)", 0.97, 3, seconds=13))
    assert race.sentence == race.pairs[0].sentence
    low, high = race.pairs[0].interval.low, race.pairs[0].interval.high
    assert race.sentence == (
        f"Transfer (head) is 31.1 points better than scratch (95 % interval {100 * low:.1f} to {100 * high:.1f}, "
        "n = 180, 3 seeds), in a sixth of the time."
    )


def test_the_sentence_can_say_that_transfer_lost_and_what_that_cost() -> None:
    race = judged(drawn_arm("scratch", 0.95, 3, seconds=80), drawn_arm("head", 0.7, 3, seconds=20))
    assert race.sentence.startswith("Scratch is 25.0 points better than head (95 % interval ")
    assert race.sentence.endswith("in 3.9 times the time.")


def test_without_times_no_cost_is_named() -> None:
    assert judged(drawn_arm("scratch", 0.66, 1), drawn_arm("head", 0.97, 1)).sentence.endswith("n = 180, 1 seed).")


def test_where_chance_explains_the_difference_the_sentence_says_what_would_settle_it() -> None:
    sentence = judged(drawn_arm("scratch", 0.90, 1), drawn_arm("head", 0.92, 1)).sentence
    assert sentence.startswith("No difference shown: head is 2.2 points ahead of scratch (95 % interval −")
    assert "which can be chance; to show a difference of that size would take roughly " in sentence
    assert sentence.endswith("test pictures.")


def test_where_seeds_differ_more_than_the_arms_more_seeds_are_asked_for() -> None:
    race = judged(drawn_arm("a", 0.60, 3, 2000, spread=0.05), drawn_arm("b", 0.65, 3, 2000, spread=0.05))
    assert race.pairs[0].better is None
    assert "more seeds, roughly " in race.sentence
    assert "because seeds differ more than the arms do" in race.sentence


@pytest.mark.parametrize("seeds", [1, 3])
def test_on_validation_pictures_every_sentence_says_that_it_is_optimistic(seeds: int) -> None:
    arms = [drawn_arm(name, accuracy, seeds, split="val") for name, accuracy in (("a", 0.6), ("b", 0.9), ("c", 0.9))]
    for race in (judged(arms[0]), judged(*arms[:2]), judged(*arms[1:]), judged(*arms)):
        assert race.sentence.endswith("so the result is optimistic.")
        assert "180 validation pictures" in race.sentence
        assert all(pair.sentence.endswith("optimistic.") for pair in race.pairs)


def test_of_several_arms_the_best_is_held_against_scratch() -> None:
    race = judged(
        drawn_arm("head", 0.90, 3, seconds=10),
        drawn_arm("scratch", 0.60, 3, seconds=100),
        drawn_arm("full", 0.999, 3, seconds=400),
    )
    assert race.sentence.startswith("Full is the best of 3 arms with 100.0 % right, 40.0 points better than scratch (")
    assert race.sentence.endswith("n = 180, 3 seeds), in 4 times the time.")


def test_a_tie_at_the_top_is_named_as_a_tie() -> None:
    race = judged(drawn_arm("scratch", 0.60, 3), drawn_arm("head", 0.96, 3), drawn_arm("full", 0.97, 3))
    assert race.sentence.startswith(
        "No difference shown between full and head; full, ahead with 97.2 % right, "
        "is 37.2 points better than scratch (95 % interval "
    )


def test_where_scratch_shares_the_top_the_headline_says_so() -> None:
    race = judged(drawn_arm("scratch", 0.96, 3), drawn_arm("head", 0.97, 3), drawn_arm("full", 0.5, 3))
    assert race.sentence.startswith("No difference shown between head and scratch; head, ahead with 97.2 % right, is ")
    assert "is better than full (n = 180, 3 seeds)" in race.sentence


def test_scratch_that_won_is_held_against_the_next_best() -> None:
    race = judged(drawn_arm("scratch", 0.99, 3), drawn_arm("head", 0.7, 3), drawn_arm("full", 0.5, 3))
    assert race.sentence.startswith("Scratch is the best of 3 arms with 98.9 % right, 28.9 points better than the next")


def test_a_race_in_which_nothing_is_shown_says_so() -> None:
    race = judged(drawn_arm("scratch", 0.90, 3), drawn_arm("head", 0.91, 3), drawn_arm("full", 0.92, 3))
    assert race.sentence == (
        "No difference shown between full, which is ahead with 92.2 % right, and head and scratch (n = 180, 3 seeds)."
    )


def test_a_leader_of_which_nothing_is_known_does_not_hide_that_others_differ() -> None:
    race = judged(drawn_arm("scratch", 0.60, 3), drawn_arm("head", 0.85, 3), drawn_arm("full", 0.86, 3, spread=0.14))
    assert race.sentence.startswith("No difference shown between full, which is ahead with 86.1 % right, and head and ")
    assert race.sentence.endswith("(n = 180, 3 seeds), though head is better than scratch.")


# ---- what cannot be judged


def test_no_arms_no_race() -> None:
    with pytest.raises(ComparisonError, match="no result to judge yet"):
        judge_race([])
    with pytest.raises(ComparisonError, match="no result to judge yet"):
        judge_race([ArmTables("a", ())])


def test_arms_with_different_numbers_of_seeds_are_not_judged() -> None:
    with pytest.raises(ComparisonError, match="a has 3 results and b 2: judge the seeds that every arm has finished"):
        judge_race([drawn_arm("a", 0.9, 3), drawn_arm("b", 0.9, 2)])


def test_arms_of_one_name_are_not_judged() -> None:
    with pytest.raises(ComparisonError, match="same name"):
        judge_race([drawn_arm("a", 0.9, 1), drawn_arm("a", 0.8, 1)])


def test_other_pictures_in_any_seed_are_refused() -> None:
    odd = ArmTables("b", (*drawn_arm("b", 0.9, 2).tables, drawn_arm("b", 0.9, 1, n=90).tables[0]))
    with pytest.raises(ComparisonError, match="not the same pictures"):
        judge_race([drawn_arm("a", 0.9, 3), odd])


def test_training_pictures_and_empty_splits_are_refused() -> None:
    with pytest.raises(ComparisonError, match="says nothing about new pictures"):
        judge_race([drawn_arm("a", 0.9, 1, split="train")])
    with pytest.raises(ComparisonError, match="no test picture"):
        judge_race([drawn_arm("a", 0.9, 1, n=0)])


def test_times_must_be_one_a_seed() -> None:
    with pytest.raises(ComparisonError, match="3 results but 1 times"):
        judge_race([ArmTables("a", drawn_arm("a", 0.9, 3).tables, (1.0,))])


def test_five_arms_with_five_seeds_on_two_thousand_pictures_are_judged_within_a_fraction_of_a_second() -> None:
    arms = [drawn_arm(name, 0.8 + 0.03 * i, 5, 2000, spread=0.01) for i, name in enumerate("abcde")]
    judge_race(arms)  # imports scipy
    fastest = math.inf
    for _ in range(5):
        began = time.perf_counter()
        judge_race(arms)
        fastest = min(fastest, time.perf_counter() - began)
    assert fastest < 0.3


def arm(name: str, *seeds: NDArray[np.bool_]) -> ArmTables:
    return ArmTables(name, tuple(map(table_of, seeds)))


@pytest.mark.parametrize("seeds", [1, 2, 3])
@pytest.mark.parametrize("n", [1, 2, 3, 4, 5])
def test_a_handful_of_pictures_shows_nothing_however_many_seeds_say_the_same(seeds: int, n: int) -> None:
    found = judged(arm("scratch", *[np.zeros(n, bool)] * seeds), arm("head", *[np.ones(n, bool)] * seeds))
    assert found.pairs[0].better is None
    assert found.pairs[0].p_value == pytest.approx(2 * 0.5**n)
    assert found.sentence.startswith("No difference shown")
    if "would take" in found.sentence:
        assert int(re.search(r"roughly (\d+)", found.sentence)[1]) >= 6  # type: ignore[index]


def test_the_exact_test_over_pictures_is_mcnemars_for_one_seed_and_for_seeds_that_say_the_same() -> None:
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

    found = judged(arm("head", *map(first, (148, 148, 148))), arm("gradual", *map(first, (148, 146, 148))))
    head, gradual = (score.interval for score in found.arms)
    interval = found.pairs[0].interval
    assert interval.low == pytest.approx(gradual.low - head.high)
    assert interval.high == pytest.approx(gradual.high - head.low)
    assert interval.high - interval.low < 0.1, "20 points without the arms' own limits"


def test_where_only_the_exact_test_doubts_the_sentence_says_so() -> None:
    a = np.r_[np.ones(90, bool), np.zeros(10, bool)]
    b = np.r_[np.ones(95, bool), np.zeros(5, bool)]
    for seeds in (1, 3):
        sentence = judged(arm("a", *[a] * seeds), arm("b", *[b] * seeds)).sentence
        assert "5.0 points ahead" in sentence
        assert "which can be chance by the exact test (p = 0.062)" in sentence
        assert "pairs are compared" not in sentence
