import math
import time

import pytest

from core.formatting import (
    bind_percent,
    count_images,
    format_bytes,
    format_count,
    format_day,
    format_duration,
    format_estimate,
    format_limit,
    format_line,
    format_number,
    format_percent,
    format_probability,
    format_rough_duration,
)


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
def test_a_number_is_written_as_people_write_it(value, digits, text):
    assert format_number(value, digits) == text


@pytest.mark.parametrize("exponent", range(-11, 16))
def test_no_number_has_an_exponent_and_none_loses_its_size(exponent):
    value = 1.234567 * 10.0**exponent
    text = format_number(value)

    assert "e" not in text
    assert float(text.replace(",", "")) == pytest.approx(value, rel=1e-3 if exponent > -9 else 0.2)


def test_a_line_is_described_by_its_beginning_best_and_end():
    points = [(1, 52.8), (14, 76.1), (15, 75.6)]

    assert format_line(points) == "52.8 at 1, highest 76.1 at 14, 75.6 at 15"
    assert format_line(points, unit=" %") == "52.8 % at 1, highest 76.1 % at 14, 75.6 % at 15"
    assert format_line([(1, 0.9), (2, 0.2), (3, 0.4)], lowest=True) == "0.9 at 1, lowest 0.2 at 2, 0.4 at 3"


def test_a_best_that_is_the_first_or_the_last_stands_there_once():
    assert format_line([(1, 10.0), (1000, 70.0)]) == "10 at 1, 70 at 1,000"
    assert format_line([(2, 0.5)]) == "0.5 at 2"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"), (0.0424, "0.042 s"), (4.234, "4.23 s"), (45.31, "45.3 s"), (59.96, "1 min 00 s"),
        (200, "3 min 20 s"), (3599.7, "1 h 00 min"), (3900, "1 h 05 min"), (-0.001, "0 s"),
    ],
)  # fmt: skip
def test_a_measured_time_has_three_digits_or_minutes(seconds, text):
    assert format_duration(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "1 s"), (8.4, "8 s"), (42, "40 s"), (89, "90 s"), (200, "3 min"), (5399, "90 min"), (5400, "1.5 h")],
)
def test_an_estimated_time_is_rough(seconds, text):
    assert format_rough_duration(seconds) == text


@pytest.mark.parametrize(
    ("probability", "text"),
    [
        (0.0, "<1 %"),
        (0.0099, "<1 %"),
        (0.01, "1 %"),
        (0.876, "88 %"),
        (0.9899, "99 %"),
        (0.99, "99 %"),
        (0.9901, ">99 %"),
        (1.0, ">99 %"),
    ],
)
def test_a_probability_is_never_written_as_certain(probability: float, text: str) -> None:
    assert format_probability(probability) == text


def test_no_line_breaks_between_a_number_and_its_percent_sign() -> None:
    assert bind_percent("rose >99 %, of 5 pictures") == "rose >99\u00a0%, of 5 pictures"


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 bytes"), (999, "999 bytes"), (310_400, "310 kB"), (23_500_000, "23.5 MB"), (1_420_000_000, "1.42 GB")],
)
def test_a_size_has_three_digits_and_a_unit(count, text):
    assert format_bytes(count) == text


def test_a_limit_is_in_the_unit_of_its_setting():
    assert format_limit(64 * 2**20) == "64 MB"
    assert format_limit(8 * 2**30) == "8,192 MB"


def test_percents_and_counts_are_written_in_one_way():
    assert format_percent(0.9112) == "91.1 %"
    assert format_percent(0.9996) == "99.96 %"
    assert format_percent(0.5, 0) == "50 %"
    assert (format_count(1, "run"), format_count(2000, "run")) == ("1 run", "2,000 runs")
    assert count_images(1, "val") == "1 validation picture"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "under 10 s"), (9.9, "under 10 s"), (41, "about 40 s"), (290, "about 5 min"), (5400, "about 1.5 h")],
)
def test_an_estimate_is_rounded_in_words(seconds: float, text: str) -> None:
    assert format_estimate(seconds) == text


def test_a_day_has_its_year_where_it_is_another_one() -> None:
    noon = (5, 3, 12, 0, 0, 0, 0, -1)
    assert format_day(time.mktime((2020, *noon))) == "3 May 2020"
    assert format_day(time.mktime((time.localtime().tm_year, *noon))) == "3 May"
