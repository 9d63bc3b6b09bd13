import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.races.data_efficiency import (
    ArmCurve,
    compare_data_efficiency,
    describe_data_efficiency,
    measure_data_efficiency,
    reach,
)

SIZES = (1, 10, 100, 1000)


def line(name: str, *means: float, half: float = 0.02, sizes: tuple[int, ...] = SIZES) -> ArmCurve:
    return ArmCurve(name, sizes, means, tuple(mean - half for mean in means), tuple(mean + half for mean in means))


HEAD = line("head", 0.7, 0.8, 0.9, 0.95)


def test_a_size_between_two_points_lies_on_the_logarithmic_axis():
    assert reach(SIZES, (0.5, 0.6, 0.7, 0.8), 0.65) == pytest.approx(math.sqrt(10 * 100))
    assert reach(SIZES, (0.5, 0.6, 0.7, 0.8), 0.6) == pytest.approx(10)
    assert reach(SIZES, (0.5, 0.6, 0.7, 0.8), 0.3) == 1
    assert reach(SIZES, (0.5, 0.6, 0.7, 0.8), 0.81) is None


@given(st.lists(st.floats(0, 1), min_size=4, max_size=4), st.floats(0, 1), st.floats(0, 1))
def test_more_accuracy_never_needs_fewer_pictures(values, first, second):
    low, high = (reach(SIZES, values, target) for target in sorted((first, second)))

    assert high is None or (low is not None and low <= high)


def test_a_lucky_point_is_not_taken_for_the_crossing():
    lucky = reach(SIZES, (0.5, 0.7, 0.5, 0.7), 0.65)

    assert lucky is not None
    assert lucky > 100


def test_the_largest_size_whose_accuracy_is_reached_is_named():
    found = measure_data_efficiency(HEAD, line("scratch", 0.5, 0.6, 0.7, 0.85))

    assert (found.size, found.accuracy) == (10, 0.8)
    assert found.needs == pytest.approx(100 * 10 ** (2 / 3))
    assert found.least is not None
    assert found.most is not None
    assert found.least < found.needs < found.most
    assert found.sentence == (
        "scratch needs about 460 pictures per class (250 to 860) for the 80.0 % that head reaches with 10."
    )


def test_an_end_beyond_the_data_is_named():
    found = measure_data_efficiency(HEAD, line("scratch", 0.5, 0.6, 0.7, 0.81))

    assert found.most is None
    assert "to more than 1,000)" in found.sentence


def test_what_is_never_reached_within_the_data_is_not_guessed():
    found = measure_data_efficiency(HEAD, line("scratch", 0.5, 0.52, 0.55, 0.6))

    assert found.needs is None
    assert found.sentence == (
        "scratch reaches 60.0 % with 1,000 pictures per class, and not the 70.0 % that head reaches with 1."
    )


def test_curves_that_overlap_everywhere_show_no_difference():
    found = measure_data_efficiency(HEAD, line("scratch", 0.69, 0.79, 0.89, 0.94))

    assert (found.size, found.needs) == (None, None)
    assert "overlap at every size" in found.sentence


def test_where_the_other_arm_is_ahead_is_named():
    found = measure_data_efficiency(HEAD, line("scratch", 0.5, 0.6, 0.7, 0.99, half=0.01))

    assert "At 1,000, scratch is ahead." in found.sentence


def test_every_arm_is_compared_with_the_one_that_leads():
    scratch, full = line("scratch", 0.5, 0.6, 0.7, 0.8), line("full", 0.6, 0.7, 0.85, 0.95)
    found = list(compare_data_efficiency([scratch, HEAD, full]))

    assert [(item.ahead, item.behind) for item in found] == [("head", "scratch"), ("head", "full")]
    headline = describe_data_efficiency([scratch, HEAD, full], found, {"scratch"}, "n = 180 test pictures, 3 seeds")
    assert headline.startswith("scratch needs about")
    assert headline.endswith("(n = 180 test pictures, 3 seeds).")


def test_arms_without_a_common_size_are_not_compared():
    assert not list(compare_data_efficiency([HEAD, line("scratch", 0.5, sizes=(7,))]))
    assert not list(compare_data_efficiency([HEAD]))
    assert not list(compare_data_efficiency([]))


def test_one_arm_alone_is_described():
    assert describe_data_efficiency([HEAD], [], set(), "n = 180 test pictures, 1 seed") == (
        "head reaches 70.0 % with 1 picture per class and 95.0 % with 1,000 (n = 180 test pictures, 1 seed)."
    )
    assert describe_data_efficiency([], [], set(), "") == ""
