"""Words that verdicts share."""

import pytest

from core.formatting import describe_cost, join_names


@pytest.mark.parametrize(
    ("seconds", "other", "words"),
    [
        (10, 10, "in about the same time"),
        (11, 10, "in about the same time"),
        (9, 10, "in about the same time"),
        (8, 10, "in 80 % of the time"),
        (6.7, 10, "in two thirds of the time"),
        (5, 10, "in half the time"),
        (10, 60, "in a sixth of the time"),
        (1, 8, "in an eighth of the time"),
        (1, 10, "in a tenth of the time"),
        (1, 100, "in 1 % of the time"),
        (12, 10, "in 1.2 times the time"),
        (20, 10, "in twice the time"),
        (40, 10, "in 4 times the time"),
        (1234, 1, "in 1,234 times the time"),
        (None, 10, ""),
        (10, None, ""),
        (0, 10, ""),
    ],
)
def test_a_cost_is_told_as_people_say_it(seconds: float | None, other: float | None, words: str) -> None:
    assert describe_cost(seconds, other) == words


def test_every_ratio_of_times_is_told_about_right() -> None:
    parts = {
        "half": 1 / 2,
        "two fifths": 2 / 5,
        "three fifths": 3 / 5,
        "two thirds": 2 / 3,
        "three quarters": 3 / 4,
        "a third": 1 / 3,
        "a quarter": 1 / 4,
        "a fifth": 1 / 5,
        "a sixth": 1 / 6,
    }
    for hundredths in range(16, 78):
        words = describe_cost(hundredths, 100)
        told = [value for name, value in parts.items() if f" {name} " in words]
        assert len(told) == 1
        assert told[0] == pytest.approx(hundredths / 100, rel=0.15)


def test_names_are_joined_as_in_a_sentence() -> None:
    assert [join_names(names) for names in (["a"], ["a", "b"], ["a", "b", "c"])] == ["a", "a and b", "a, b and c"]
