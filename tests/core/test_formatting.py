import math

import pytest

from core.formatting import format_line, format_number


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (0, 4, "0"),
        (0.0, 2, "0"),
        (1, 4, "1"),
        (52.84, 4, "52.84"),
        (52.846, 4, "52.85"),
        (70.0, 4, "70"),
        (5880, 4, "5,880"),
        (12600, 4, "12,600"),
        (2520.4, 4, "2,520"),
        (1345.2, 3, "1,345"),
        (0.6931, 3, "0.693"),
        (0.9996, 3, "1"),
        (6.699e-05, 4, "0.00006699"),
        (1e-06, 2, "0.000001"),
        (0.0068, 2, "0.0068"),
        (30.0, 2, "30"),
        (100.0, 2, "100"),
        (-0.25, 4, "-0.25"),
        (-1234.0, 4, "-1,234"),
        (math.inf, 3, "inf"),
    ],
)
def test_a_number_is_told_as_people_write_it(value, digits, text):
    assert format_number(value, digits) == text


@pytest.mark.parametrize("exponent", range(-11, 16))
def test_no_number_is_told_with_an_exponent_and_none_loses_its_size(exponent):
    value = 1.234567 * 10.0**exponent
    told = format_number(value)

    assert "e" not in told
    assert float(told.replace(",", "")) == pytest.approx(value, rel=1e-3 if exponent > -9 else 0.2)


def test_a_line_tells_where_it_begins_is_best_and_ends():
    points = [(1, 52.8), (14, 76.1), (15, 75.6)]

    assert format_line(points) == "52.8 at 1, highest 76.1 at 14, 75.6 at 15"
    assert format_line(points, unit=" %") == "52.8 % at 1, highest 76.1 % at 14, 75.6 % at 15"
    assert format_line([(1, 0.9), (2, 0.2), (3, 0.4)], lowest=True) == "0.9 at 1, lowest 0.2 at 2, 0.4 at 3"


def test_a_best_that_is_the_first_or_the_last_is_told_once():
    assert format_line([(1, 10.0), (1000, 70.0)]) == "10 at 1, 70 at 1,000"
    assert format_line([(2, 0.5)]) == "0.5 at 2"
