"""Colours, markers and line styles: one for each strategy, on pages and in reports alike; other palettes for the rest.

Strategies differ in colour, marker and line, so that colour is never the only signal. Every colour has a contrast of
3:1 or more against the light and the dark background.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

SYMBOLS = ("circle", "triangle", "diamond", "rect", "roundRect", "pin")
LINES = ("solid", "dashed", "dotted")


@dataclass(frozen=True)
class ArmStyle:
    """How a network is drawn.

    Attributes:
        symbol, line: as ECharts calls them.
    """

    colour: str
    symbol: str
    line: str


STRATEGY_STYLES: Mapping[str, ArmStyle] = {
    "scratch": ArmStyle("#0072B2", "circle", "solid"),
    "head": ArmStyle("#D55E00", "triangle", "dashed"),
    "partial": ArmStyle("#009E73", "diamond", "dotted"),
    "full": ArmStyle("#BF6198", "rect", "dashed"),
    "gradual": ArmStyle("#96800A", "pin", "dotted"),
}

# of classes and of parts of work: Tol's muted palette, as far as it can be seen on both backgrounds
CLASS_COLOURS = ("#5B6ABF", "#3A9C8B", "#999933", "#CC6677", "#AA4499", "#88744C", "#4E8FA8", "#7F7F7F")
RIGHT_COLOUR, WRONG_COLOUR = "#2E8B57", "#C43C4E"  # always next to a check mark and a cross


def style_arms(strategies: Sequence[str]) -> list[ArmStyle]:
    """The style of each network by its strategy; of several with the same one, markers and lines differ."""
    seen: Counter[str] = Counter()
    styles = []
    for strategy in strategies:
        style, again = STRATEGY_STYLES[strategy], seen[strategy]
        seen[strategy] += 1
        symbols, lines = SYMBOLS.index(style.symbol), LINES.index(style.line)
        styles.append(
            replace(style, symbol=SYMBOLS[(symbols + again) % len(SYMBOLS)], line=LINES[(lines + again) % len(LINES)])
        )
    return styles
