"""Which images are hard for all arms, and which only one arm gets right."""

import dataclasses

import pytest

from core.errors import ComparisonError
from core.statistics.comparison import compare
from core.statistics.difficulty import measure_difficulty
from tests.support.prediction_tables import three_class_table


def test_a_picture_that_no_training_gets_right_is_hard_and_has_a_most_common_answer() -> None:
    found = measure_difficulty(
        [
            ("scratch", [three_class_table([1, 0, 2, 0]), three_class_table([2, 0, 2, 0])]),
            ("transfer", [three_class_table([1, 0, 2, 0]), three_class_table([1, 1, 2, 0])]),
        ]
    )
    assert found.right.tolist() == [[0, 0, 2, 2], [0, 1, 2, 2]]
    assert found.always_wrong.tolist() == [0]
    assert found.common_answer(0) == (1, 3)


def test_only_an_arm_counts_where_all_its_seeds_are_right_and_no_other_arm_always_is() -> None:
    right, wrong = three_class_table([0, 1, 2]), three_class_table([0, 2, 0])
    half = three_class_table([0, 1, 0])
    found = measure_difficulty([("scratch", [wrong, half]), ("transfer", [right, right])])
    assert found.only(1).tolist() == [2, 1]  # the one that the other arm never gets right comes first
    assert found.only(0).tolist() == []


def test_an_arm_without_a_result_is_refused() -> None:
    with pytest.raises(ComparisonError, match="no test result yet"):
        measure_difficulty([("scratch", [three_class_table([0, 1])]), ("transfer", [])])


def test_of_two_networks_the_groups_are_those_of_their_comparison() -> None:
    a, b = three_class_table([0, 1, 2, 1, 1, 0]), three_class_table([0, 2, 2, 0, 1, 0], order=[5, 3, 1, 0, 2, 4])
    found, comparison = measure_difficulty([("a", [a]), ("b", [b])]), compare(a, b, "a", "b")
    groups = {
        "only_a": found.only(0),
        "only_b": found.only(1),
        "both_right": found.always_right,
        "both_wrong": found.always_wrong,
    }
    right_a, right_b = (set(table.indices[table.correct].tolist()) for table in (a, b))
    rows = {name: set(found.answers.indices[places].tolist()) for name, places in groups.items()}
    assert (rows["only_a"], rows["only_b"], rows["both_right"]) == (
        right_a - right_b,
        right_b - right_a,
        right_a & right_b,
    )
    assert {name: len(places) for name, places in rows.items()} == {name: getattr(comparison, name) for name in rows}


def test_the_mistakes_of_an_arm_come_with_the_surest_first() -> None:
    base = three_class_table([1, 1, 0, 0])
    sure = base.probabilities.copy()
    sure[2] = [0.9, 0.05, 0.05]
    found = measure_difficulty(
        [
            ("a", [base]),
            ("b", [dataclasses.replace(base, probabilities=sure)]),
            ("c", [three_class_table([0, 1, 2, 0])]),
        ]
    )
    assert found.never_right(0).tolist() == [0, 2]  # equally sure: as they come
    assert found.never_right(1).tolist() == [2, 0]
    assert found.never_right(2).tolist() == []
