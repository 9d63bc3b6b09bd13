"""Charts as geometry: the places of lines, bands, markers and ticks, in the units of an SVG's view box.

The template turns a `Drawing` into SVG and escapes every name in it. The charts need no script and no font file; text
takes the colour of the page, in light and in dark.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from core.formatting import format_line, format_number
from core.palette import SYMBOLS, ArmStyle
from core.report.content import ChartLine, LineChart, Point

WIDTH, HEIGHT = 440.0, 300.0
LEFT, RIGHT, TOP, BOTTOM = 52.0, 24.0, 12.0, 44.0
Item = TypeVar("Item")
DASHES = {"solid": "", "dashed": "8 5", "dotted": "2 4"}
MARKER_PX = 4.5
MAX_DRAWN = 160  # points of a line
MAX_MARKERS = 24
MAX_ROWS = 60  # of the table below a chart


@dataclass(frozen=True)
class Tick:
    """A place on an axis and its label."""

    at: float
    text: str


@dataclass(frozen=True)
class Marker:
    """A point with its tooltip."""

    path: str
    text: str


@dataclass(frozen=True)
class DrawnLine:
    """One arm; `path` and `band` are SVG path data."""

    name: str
    colour: str
    dash: str
    path: str
    band: str
    markers: tuple[Marker, ...]
    stages: tuple[float, ...]  # x of later stages


@dataclass(frozen=True)
class Drawing:
    """A chart with its text alternative and its table."""

    title: str
    x_title: str
    y_title: str
    summary: str  # the text alternative
    caption: str
    lines: tuple[DrawnLine, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    left_out: int  # rows
    diagonal: str = ""  # path of the line on which confidence and accuracy are equal
    width: float = WIDTH
    height: float = HEIGHT
    left: float = LEFT
    right: float = WIDTH - RIGHT
    top: float = TOP
    bottom: float = HEIGHT - BOTTOM


@dataclass(frozen=True)
class Scale:
    """Maps values to places, linearly or logarithmically."""

    low: float
    high: float
    begin: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        low, high, value = map(math.log10, (self.low, self.high, value)) if self.log else (self.low, self.high, value)
        share = (value - low) / (high - low) if high > low else 0.5
        return round(self.begin + share * (self.end - self.begin), 1)


def draw(curves: LineChart, styles: Mapping[str, ArmStyle], *, diagonal: bool = False) -> Drawing:
    """A line chart.

    Args:
        styles: how each arm is drawn, by its name.
    """
    fraction = curves.unit == "fraction"
    factor = 100.0 if fraction else 1.0
    xs = [point.x for curve in curves.curves for point in curve.points] + ([1.0] if diagonal else [])
    ys = [
        factor * y
        for curve in curves.curves
        for point in curve.points
        for y in (point.y, point.low, point.high)
        if y is not None
    ]
    x_ticks = log_ticks(min(xs), max(xs)) if curves.log_x else nice_ticks(min(0, min(xs)), max(xs), 6)
    if curves.x_title == "Epochs":  # no half epochs
        x_ticks = [value for value in x_ticks if value == round(value)]
    y_ticks = nice_ticks(0, 100, 5) if fraction else nice_ticks(min(0, min(ys)), max(ys), 5)
    x_low, x_high = (min(xs), max(xs)) if curves.log_x else (x_ticks[0], max(x_ticks[-1], max(xs)))
    if curves.log_x:  # room on both sides, also for one size alone
        x_low, x_high = x_low / 1.2, x_high * 1.2
    x = Scale(x_low, x_high, LEFT, WIDTH - RIGHT, curves.log_x)
    y = Scale(y_ticks[0], y_ticks[-1], HEIGHT - BOTTOM, TOP)
    columns = (curves.x_title, *(title for curve in curves.curves for title in _columns(curve)))
    rows = _rows(curves, factor)
    return Drawing(
        title=f"{curves.name[:1].upper()}{curves.name[1:]}",
        x_title=curves.x_title,
        y_title=curves.y_title,
        summary=summarise(curves),
        caption=_caption(curves),
        lines=tuple(_line(curve, styles[curve.arm], x, y, factor, curves) for curve in curves.curves),
        x_ticks=tuple(Tick(x(value), format_number(value)) for value in x_ticks if x_low <= value <= x_high),
        y_ticks=tuple(Tick(y(value), format_number(value)) for value in y_ticks),
        columns=columns,
        rows=tuple(_thinned(rows, MAX_ROWS)),
        left_out=max(0, len(rows) - MAX_ROWS),
        diagonal=f"M{x(0)} {y(0)}L{x(1)} {y(100)}" if diagonal else "",
    )


def nice_ticks(low: float, high: float, limit: int) -> list[float]:
    """Round numbers from below `low` to at least `high`, about `limit` of them.

    Source: Heckbert 1990, Nice numbers for graph labels, Graphics Gems 61.
    """
    if not high > low:
        high = low + 1.0
    rough = (high - low) / limit
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(unit * factor for factor in (1, 2, 5, 10) if unit * factor >= rough * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(place * step, 10) for place in range(first, last + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """1, 2 and 5 times powers of ten; powers alone where the range is wide."""
    powers = range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 2)
    factors = (1, 2, 5) if math.log10(high / low) < 2.5 else (1,)
    return [factor * 10.0**power for power in powers for factor in factors]


def summarise(curves: LineChart) -> str:
    """The text alternative: axes, first, best and last value of each arm, and the range of the last."""
    factor, unit = (100.0, " %") if curves.unit == "fraction" else (1.0, "")
    parts = []
    for curve in curves.curves:
        last = curve.points[-1]
        spread = (
            f" (from {format_number(factor * last.low)} to {format_number(factor * last.high)})"
            if last.low is not None and last.high is not None
            else ""
        )
        points = [(point.x, factor * point.y) for point in curve.points]
        line = format_line(points, lowest=curves.y_title.startswith("Loss"), unit=unit)
        parts.append(f"{curve.arm}: {line}{spread}")
    return f"{curves.y_title} by {curves.x_title.lower()}. {'; '.join(parts)}."


def _caption(curves: LineChart) -> str:
    stages = [
        f"{curve.arm}: {name} begins at {format_number(at)}" for curve in curves.curves for at, name in curve.marks
    ]
    marks = f"Vertical lines mark stages ({'; '.join(stages)})." if stages else ""
    return " ".join(part for part in (curves.band, marks) if part)


def _line(curve: ChartLine, style: ArmStyle, x: Scale, y: Scale, factor: float, curves: LineChart) -> DrawnLine:
    points = _thinned(curve.points, MAX_DRAWN)
    places = [(x(point.x), y(factor * point.y)) for point in points]
    upper = [(x(p.x), y(factor * p.high)) for p in points if p.high is not None]
    lower = [(x(p.x), y(factor * p.low)) for p in points if p.low is not None]
    unit = " %" if curves.unit == "fraction" else ""
    shown = _thinned(list(zip(points, places, strict=True)), MAX_MARKERS)
    return DrawnLine(
        name=curve.arm,
        colour=style.colour,
        dash=DASHES[style.line],
        path=_path(places),
        band=f"{_path([*upper, *reversed(lower)])}Z" if len(upper) > 1 else "",
        markers=tuple(
            Marker(
                marker_path(style.symbol, at[0], at[1]),
                f"{curve.arm}, {curves.x_title.lower()} {format_number(point.x)}: "
                f"{format_number(factor * point.y)}{unit}",
            )
            for point, at in shown
        ),
        stages=tuple(x(at) for at, _ in curve.marks),
    )


def _path(places: Sequence[tuple[float, float]]) -> str:
    return "".join(f"{'L' if count else 'M'}{x:g} {y:g}" for count, (x, y) in enumerate(places))


def marker_path(symbol: str, x: float, y: float) -> str:
    """The outline of one of `SYMBOLS`; the last two are a cross and a pentagon here."""
    r = MARKER_PX
    match SYMBOLS.index(symbol):
        case 0:
            return f"M{x - r:g} {y:g}a{r:g} {r:g} 0 1 0 {2 * r:g} 0a{r:g} {r:g} 0 1 0 {-2 * r:g} 0Z"
        case 1:
            corners = [(0.0, -1.25), (1.15, 0.85), (-1.15, 0.85)]
        case 2:
            corners = [(0.0, -1.3), (1.3, 0.0), (0.0, 1.3), (-1.3, 0.0)]
        case 3:
            corners = [(-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)]
        case 4:
            arm = 0.4
            corners = [
                (-arm, -1.2), (arm, -1.2), (arm, -arm), (1.2, -arm), (1.2, arm), (arm, arm),
                (arm, 1.2), (-arm, 1.2), (-arm, arm), (-1.2, arm), (-1.2, -arm), (-arm, -arm),
            ]  # fmt: skip
        case _:
            corners = [(1.2 * math.sin(turn * math.tau / 5), -1.2 * math.cos(turn * math.tau / 5)) for turn in range(5)]
    return _path([(round(x + r * dx, 1), round(y + r * dy, 1)) for dx, dy in corners]) + "Z"


def _columns(curve: ChartLine) -> list[str]:
    several = any(point.low is not None for point in curve.points)
    return [curve.arm, f"{curve.arm}, lowest", f"{curve.arm}, highest"] if several else [curve.arm]


def _rows(curves: LineChart, factor: float) -> list[tuple[str, ...]]:
    digits = 1 if curves.unit == "fraction" else 4

    def cell(value: float | None) -> str:
        return "" if value is None else f"{factor * value:.{digits}f}"

    found = [{point.x: point for point in curve.points} for curve in curves.curves]
    out = []
    for x in sorted({x for points in found for x in points}):
        row = [f"{x:,.10g}"]
        for curve, points in zip(curves.curves, found, strict=True):
            point = points.get(x, Point(x, math.nan))
            values = [cell(None if math.isnan(point.y) else point.y), cell(point.low), cell(point.high)]
            row.extend(values[: len(_columns(curve))])
        out.append(tuple(row))
    return out


def _thinned(items: Sequence[Item], limit: int) -> list[Item]:
    """At limit `limit` of the items, evenly spaced, with the first and the last."""
    if len(items) <= limit:
        return list(items)
    step = (len(items) - 1) / (limit - 1)
    return [items[round(place * step)] for place in range(limit)]
