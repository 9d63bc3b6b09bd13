"""The sentences about a race: who is better, by how much, how certain that is, and what would settle the rest."""

import numpy as np
import pytest

from core.statistics.race_comparison import ArmTables, RaceComparison, compare_arms
from core.statistics.race_sentences import describe_pair, describe_race
from tests.support.prediction_tables import drawn_arm, table_of


def compared(*arms: ArmTables) -> RaceComparison:
    return compare_arms(list(arms))


def test_the_sentence_names_size_interval_pictures_seeds_and_cost() -> None:
    race = compared(drawn_arm("scratch", 0.66, 3, seconds=80), drawn_arm("Transfer (head)", 0.97, 3, seconds=13))
    assert describe_race(race) == describe_pair(race, race.pairs[0])
    low, high = race.pairs[0].interval.low, race.pairs[0].interval.high
    assert describe_race(race) == (
        f"Transfer (head) is 31.1 points better than scratch (95 % interval {100 * low:.1f} to {100 * high:.1f}, "
        "n = 180, 3 seeds), in a sixth of the time."
    )


def test_the_sentence_can_report_that_transfer_lost_and_what_that_cost() -> None:
    race = compared(drawn_arm("scratch", 0.95, 3, seconds=80), drawn_arm("head", 0.7, 3, seconds=20))
    assert describe_race(race).startswith("Scratch is 25.0 points better than head (95 % interval ")
    assert describe_race(race).endswith("in 3.9 times the time.")


def test_without_times_no_cost_is_named() -> None:
    assert describe_race(compared(drawn_arm("scratch", 0.66, 1), drawn_arm("head", 0.97, 1))).endswith(
        "n = 180, 1 seed)."
    )


def test_where_chance_explains_the_difference_the_sentence_names_what_would_settle_it() -> None:
    sentence = describe_race(compared(drawn_arm("scratch", 0.90, 1), drawn_arm("head", 0.92, 1)))
    assert sentence.startswith("No clear difference: head is 2.2 points ahead of scratch (95 % interval −")
    assert "which may be chance. To show a difference of this size would take roughly " in sentence
    assert sentence.endswith("test pictures.")


def test_where_seeds_differ_more_than_the_arms_more_seeds_are_asked_for() -> None:
    race = compared(drawn_arm("a", 0.60, 3, 2000, spread=0.05), drawn_arm("b", 0.65, 3, 2000, spread=0.05))
    assert race.pairs[0].better is None
    assert "more seeds, roughly " in describe_race(race)
    assert "because seeds differ more than the arms do" in describe_race(race)


@pytest.mark.parametrize("seeds", [1, 3])
def test_on_validation_pictures_every_sentence_adds_that_it_is_optimistic(seeds: int) -> None:
    arms = [drawn_arm(name, accuracy, seeds, split="val") for name, accuracy in (("a", 0.6), ("b", 0.9), ("c", 0.9))]
    for race in (compared(arms[0]), compared(*arms[:2]), compared(*arms[1:]), compared(*arms)):
        assert describe_race(race).endswith("so the result is optimistic.")
        assert "180 validation pictures" in describe_race(race)
        assert all(describe_pair(race, pair).endswith("optimistic.") for pair in race.pairs)


def test_of_several_arms_the_best_is_held_against_scratch() -> None:
    race = compared(
        drawn_arm("head", 0.90, 3, seconds=10),
        drawn_arm("scratch", 0.60, 3, seconds=100),
        drawn_arm("full", 0.999, 3, seconds=400),
    )
    assert describe_race(race).startswith(
        "Full is the best of 3 arms with 100.0 % right, 40.0 points better than scratch ("
    )
    assert describe_race(race).endswith("n = 180, 3 seeds), in 4 times the time.")


def test_a_tie_at_the_top_is_named_as_a_tie() -> None:
    race = compared(drawn_arm("scratch", 0.60, 3), drawn_arm("head", 0.96, 3), drawn_arm("full", 0.97, 3))
    assert describe_race(race).startswith(
        "No clear difference between full and head; full, ahead with 97.2 % right, "
        "is 37.2 points better than scratch (95 % interval "
    )


def test_where_scratch_shares_the_top_the_headline_names_it() -> None:
    race = compared(drawn_arm("scratch", 0.96, 3), drawn_arm("head", 0.97, 3), drawn_arm("full", 0.5, 3))
    assert describe_race(race).startswith(
        "No clear difference between head and scratch; head, ahead with 97.2 % right, is "
    )
    assert "is better than full (n = 180, 3 seeds)" in describe_race(race)


def test_scratch_that_won_is_held_against_the_next_best() -> None:
    race = compared(drawn_arm("scratch", 0.99, 3), drawn_arm("head", 0.7, 3), drawn_arm("full", 0.5, 3))
    assert describe_race(race).startswith(
        "Scratch is the best of 3 arms with 98.9 % right, 28.9 points better than the next"
    )


def test_a_race_in_which_nothing_is_shown_reads_so() -> None:
    race = compared(drawn_arm("scratch", 0.90, 3), drawn_arm("head", 0.91, 3), drawn_arm("full", 0.92, 3))
    assert describe_race(race) == (
        "No clear difference between full, which is ahead with 92.2 % right, and head and scratch (n = 180, 3 seeds)."
    )


def test_a_leader_with_a_wide_interval_does_not_hide_that_others_differ() -> None:
    race = compared(drawn_arm("scratch", 0.60, 3), drawn_arm("head", 0.85, 3), drawn_arm("full", 0.86, 3, spread=0.14))
    assert describe_race(race).startswith(
        "No clear difference between full, which is ahead with 86.1 % right, and head and "
    )
    assert describe_race(race).endswith("(n = 180, 3 seeds), though head is better than scratch.")


def test_where_only_the_exact_test_doubts_the_sentence_names_it() -> None:
    a = np.r_[np.ones(90, bool), np.zeros(10, bool)]
    b = np.r_[np.ones(95, bool), np.zeros(5, bool)]
    for seeds in (1, 3):
        sentence = describe_race(
            compared(*(ArmTables(name, (table_of(right),) * seeds) for name, right in (("a", a), ("b", b))))
        )
        assert "5.0 points ahead" in sentence
        assert "which may be chance by the exact test (p = 0.062)" in sentence
        assert "pairs are compared" not in sentence
