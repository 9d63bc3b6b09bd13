import re

import pytest

from core.palette import STRATEGY_STYLES, SYMBOLS, style_arms
from core.report.chart_geometry import (
    HEIGHT,
    MAX_DRAWN,
    MAX_ROWS,
    WIDTH,
    Drawing,
    draw,
    log_ticks,
    marker_path,
    nice_ticks,
)
from core.report.content import ChartLine, LineChart, Point

ARMS = ["scratch", "head"]
STYLES = dict(zip(ARMS, style_arms(ARMS), strict=True))


def chart(*tracks: list[Point], log_x: bool = False, unit: str = "fraction") -> LineChart:
    curves = tuple(ChartLine(arm, tuple(points)) for arm, points in zip(ARMS, tracks, strict=False))
    return LineChart("accuracy by epochs", "Epochs", "Accuracy (%)", unit, curves, log_x)


def places(drawing: Drawing) -> list[tuple[float, float]]:
    paths = [path for line in drawing.lines for path in (line.path, line.band)]
    return [(float(x), float(y)) for path in paths for x, y in re.findall(r"[ML]([-\d.]+) ([-\d.]+)", path)]


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 100, [0, 20, 40, 60, 80, 100]),
        (0, 3, [0, 1, 2, 3]),
        (0, 0.69, [0, 0.2, 0.4, 0.6, 0.8]),
        (0, 1234, [0, 500, 1000, 1500]),
        (-0.3, 0.3, [-0.4, -0.2, 0, 0.2, 0.4]),
        (5, 5, [5, 5.2, 5.4, 5.6, 5.8, 6]),
    ],
)
def test_ticks_are_round_and_hold_all_values(low, high, expected):
    assert nice_ticks(low, high, 5) == pytest.approx(expected)


def test_a_logarithmic_axis_has_1_2_and_5_or_powers_of_ten_where_it_is_long():
    assert [tick for tick in log_ticks(3, 150) if 3 <= tick <= 150] == [5, 10, 20, 50, 100]
    assert [tick for tick in log_ticks(1, 100_000) if tick <= 100_000 and tick >= 1] == [1, 10, 100, 1e3, 1e4, 1e5]


@pytest.mark.parametrize(
    "tracks",
    [
        [[Point(1, 0.5)]],
        [[Point(0, 0.0), Point(0.001, 1.0)]],
        [[Point(1, 0.2, 0.0, 1.0, 3), Point(9e8, 0.9, 0.4, 1.0, 3)], [Point(5, 0.0)]],
        [[Point(x, x / 4000) for x in range(1, 4000)]],
    ],
)
@pytest.mark.parametrize("log_x", [False, True])
def test_everything_lies_within_the_chart(tracks, log_x):
    if log_x:
        tracks = [[point for point in track if point.x > 0] for track in tracks]

    drawing = draw(chart(*tracks, log_x=log_x), STYLES)

    assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in places(drawing))
    assert all(0 <= tick.at <= WIDTH for tick in drawing.x_ticks)
    assert all(len(line.markers) <= MAX_DRAWN for line in drawing.lines)
    assert len(drawing.rows) <= MAX_ROWS


def test_an_axis_of_epochs_has_no_half_epochs():
    drawing = draw(chart([Point(1, 0.2), Point(3, 0.8)]), STYLES)

    assert [tick.text for tick in drawing.x_ticks] == ["0", "1", "2", "3"]


def test_a_higher_value_lies_higher_and_a_later_one_further_right():
    (first, second) = places(draw(chart([Point(1, 0.2), Point(2, 0.8)]), STYLES))

    assert second[0] > first[0]
    assert second[1] < first[1]


def test_an_arm_keeps_its_colour_and_marker_where_another_is_missing():
    drawing = draw(LineChart("x", "Epochs", "Loss (nats)", "nats", (ChartLine("head", (Point(1, 2.0),)),)), STYLES)

    assert drawing.lines[0].colour == STRATEGY_STYLES["head"].colour
    assert drawing.lines[0].dash != draw(chart([Point(1, 0.5)]), STYLES).lines[0].dash


def test_every_symbol_has_its_own_shape():
    assert len({marker_path(symbol, 0, 0) for symbol in SYMBOLS}) == len(SYMBOLS)


def test_the_text_alternative_names_the_axes_and_the_ends_of_every_line():
    drawing = draw(chart([Point(1, 0.5, 0.4, 0.6, 2), Point(4, 0.75, 0.7, 0.8, 2)], [Point(1, 0.9)]), STYLES)

    assert drawing.summary == (
        "Accuracy (%) by epochs. scratch: 50 % at 1, 75 % at 4 (from 70 to 80); head: 90 % at 1."
    )
    assert drawing.columns == ("Epochs", "scratch", "scratch, lowest", "scratch, highest", "head")
    assert drawing.rows == (("1", "50.0", "40.0", "60.0", "90.0"), ("4", "75.0", "70.0", "80.0", ""))
