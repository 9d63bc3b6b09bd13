"""A histogram of bets, with the result and its interval across it: HTML, as large as the screen that shows it."""

import html
from collections.abc import Sequence

from core.formatting import format_count
from core.games.bet_outcome import Outcome
from core.games.bet_scores import bin_leads

NARROW, WIDE = 5, 10  # points of a bin
MANY_BINS = 16
TICKS = 5


def describe_lead(a: str, b: str, lead: float, decimals: int = 0) -> str:
    """Such as `Transfer by 15 points`."""
    if round(lead, decimals) == 0:
        return "a tie"
    points = f"{abs(lead):.{decimals}f}"
    return f"{b if lead > 0 else a} by {points} {'point' if points == '1' else 'points'}"


def draw_leads(leads: Sequence[int], a: str, b: str, outcome: Outcome | None, own: int | None = None) -> str:
    """The histogram as HTML.

    Args:
        leads: points by which b wins, of each bet.
        a, b: names of the arms.
        own: the bet of who looks at it, which is marked.
    """
    width = NARROW if not leads or max(leads) - min(leads) < NARROW * MANY_BINS else WIDE
    bins = bin_leads(leads, width)
    low, high = _limits(bins, width, outcome)
    most = max((count for _, count in bins), default=1)

    def place(points: float) -> float:
        return round(100 * (points - low) / (high - low), 2)

    bars = "".join(
        f'<div class="leads-bar" style="left:{place(begin)}%;width:{place(low + width)}%;'
        f'height:{80 * count / most:.1f}%"><span>{count}</span></div>'
        for begin, count in bins
        if count
    )
    marks = f'<div class="leads-zero" style="left:{place(0)}%"></div>'
    if own is not None:
        marks += f'<div class="leads-own" style="left:{place(own)}%">▲ you</div>'
    if outcome is not None:
        begin, end = place(outcome.low), place(outcome.high)
        side = "right" if place(outcome.difference) > 60 else "left"
        marks += (
            f'<div class="leads-interval" style="left:{begin}%;width:{max(0.5, end - begin):.2f}%"></div>'
            f'<div class="leads-result" style="left:{place(outcome.difference)}%">'
            f'<b class="leads-{side}">Result</b></div>'
        )
    step = (high - low) / (TICKS - 1)
    ticks = "".join(
        f'<span style="left:{25 * number}%">{_signed(low + step * number)}</span>' for number in range(TICKS)
    )
    left, right = html.escape(a), html.escape(b)
    return (
        f'<div class="leads" role="img" aria-label="{html.escape(describe_leads(leads, a, b, outcome))}">'
        f'<div class="leads-plot">{bars}{marks}</div><div class="leads-ticks">{ticks}</div>'
        f'<div class="leads-axis"><span>← {left} wins</span><span>points</span><span>{right} wins →</span></div></div>'
    )


def describe_leads(leads: Sequence[int], a: str, b: str, outcome: Outcome | None) -> str:
    """The histogram in words."""
    said = f"{format_count(len(leads), 'bet')}"
    if leads:
        ends = describe_lead(a, b, min(leads)), describe_lead(a, b, max(leads))
        said += f", from {ends[0]} to {ends[1]}" if ends[0] != ends[1] else f", {ends[0]}"
    if outcome is not None:
        said += (
            f"; the result is {describe_lead(a, b, outcome.difference, 1)}, "
            f"95 % interval {_signed(outcome.low, 1)} to {_signed(outcome.high, 1)}"
        )
    return f"{said}."


def _limits(bins: Sequence[tuple[int, int]], width: int, outcome: Outcome | None) -> tuple[float, float]:
    """The ends of the axis: all bins, the result with its interval, and 0."""
    ends = [0.0, *(float(begin) for begin, _ in bins), *(float(begin + width) for begin, _ in bins)]
    if outcome is not None:
        ends += [outcome.low, outcome.high]
    low, high = (width * int(min(ends) // width), -width * int(-max(ends) // width))
    while (high - low) % (TICKS - 1):
        high += width
    return low - width * (high == low), high + width * (high == low)


def _signed(points: float, decimals: int = 0) -> str:
    text = f"{abs(points):.{decimals}f}"
    return text if not float(text) else f"−{text}" if points < 0 else f"+{text}"
