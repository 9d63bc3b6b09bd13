"""The accuracy of each network: a large number and a bar with its interval, in the colour of its strategy."""

import html
from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from core.formatting import format_level, format_percent, format_points
from core.palette import ArmStyle
from core.statistics.metrics import Interval

MAX_LARGE = 2  # with more networks a compact row for each
SHAPES = {  # of the marks, as in the charts
    "circle": "border-radius:50%",
    "triangle": "clip-path:polygon(50% 0,100% 100%,0 100%)",
    "diamond": "clip-path:polygon(50% 0,100% 50%,50% 100%,0 50%)",
    "rect": "",
    "roundRect": "border-radius:4px",
    "pin": "clip-path:polygon(0 0,100% 0,50% 100%)",
}


@dataclass(frozen=True)
class Score:
    """One network or arm.

    Attributes:
        detail: what stands small next to the name, such as `petnet, head`.
        time: of its training, such as `45.3 s`; empty where unknown.
        mean: accuracy, a fraction.
        interval: of it.
    """

    name: str
    detail: str
    time: str
    style: ArmStyle
    mean: float
    interval: Interval

    @property
    def ends(self) -> str:
        """The interval, such as `86.0 to 94.4`."""
        return f"{format_points(self.interval.low)} to {format_points(self.interval.high)}"


def show_scores(scores: Sequence[Score], basis: str) -> None:
    """Draw the numbers next to each other, or a compact row for each where there are many.

    Args:
        basis: what they rest on, such as `180 test pictures`.
    """
    cells = "".join((_large if len(scores) <= MAX_LARGE else _row)(score) for score in scores)
    columns = f"repeat({len(scores)},minmax(0,1fr))" if len(scores) <= MAX_LARGE else "1fr"
    level = format_level(scores[0].interval.level)
    st.html(
        f'<div style="display:grid;grid-template-columns:{columns};gap:10px 28px;align-items:end;max-width:64rem">'
        f"{cells}</div>"
        f'<div style="font-size:.8rem;opacity:.8;margin-top:8px">Accuracy on {html.escape(basis)}. '
        f"Bars: {level} intervals, from 0 to 100 %.</div>"
    )


def height_px(count: int) -> int:
    """What they take on a phone, about."""
    return 176 if count <= MAX_LARGE else 40 + 46 * count


def draw_mark(style: ArmStyle) -> str:
    """The mark of a strategy as HTML, in its colour and shape."""
    return (
        '<span aria-hidden="true" style="display:inline-block;width:.8em;height:.8em;margin-right:.4em;'
        f'background:{style.colour};{SHAPES.get(style.symbol, "")}"></span>'
    )


def _large(score: Score) -> str:
    detail = f"{score.detail} · {score.time}" if score.time else score.detail
    return (
        f'<div style="min-width:0"><div style="overflow-wrap:anywhere">{draw_mark(score.style)}'
        f"<b>{html.escape(score.name)}</b></div>"
        f'<div style="font-size:.8rem;opacity:.8;overflow-wrap:anywhere">{html.escape(detail)}</div>'
        '<div style="display:flex;flex-wrap:wrap;align-items:baseline;gap:0 .6rem">'
        f'<span style="font-size:2.5rem;line-height:1.2;font-weight:700;white-space:nowrap">'
        f"{format_percent(score.mean)}</span>"
        f'<span style="font-size:.85rem;opacity:.85;white-space:nowrap">{score.ends}</span></div>'
        f"{_bar(score, 14)}</div>"
    )


def _row(score: Score) -> str:
    return (
        '<div style="display:grid;grid-template-columns:minmax(0,1fr) auto;gap:2px 12px;align-items:baseline">'
        f'<div style="min-width:0;overflow-wrap:anywhere">{draw_mark(score.style)}<b>{html.escape(score.name)}</b> '
        f'<span style="font-size:.8rem;opacity:.8">{html.escape(score.detail)}</span></div>'
        f'<div style="white-space:nowrap"><b>{format_percent(score.mean)}</b> '
        f'<span style="font-size:.8rem;opacity:.85">{score.ends}</span></div>'
        f'<div style="grid-column:1/-1">{_bar(score, 10)}</div></div>'
    )


def _bar(score: Score, height_px: int) -> str:
    low, high, at = (100 * value for value in (score.interval.low, score.interval.high, score.mean))
    words = f"{html.escape(score.name)}: {format_percent(score.mean)}, interval {score.ends}"
    return (
        f'<div role="img" aria-label="{words}" style="position:relative;height:{height_px}px;border-radius:4px;'
        'background:rgba(127,127,127,.2)">'
        f'<div style="position:absolute;left:{low:.1f}%;width:{max(high - low, 0.8):.1f}%;top:0;bottom:0;'
        f'border-radius:4px;background:{score.style.colour};opacity:.45"></div>'
        f'<div style="position:absolute;left:calc({at:.1f}% - 2px);width:4px;top:-2px;bottom:-2px;border-radius:2px;'
        f'background:{score.style.colour}"></div></div>'
    )
