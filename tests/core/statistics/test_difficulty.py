"""Which images are hard for all arms, and which only one arm gets right."""

import pytest

from core.errors import ComparisonError
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
