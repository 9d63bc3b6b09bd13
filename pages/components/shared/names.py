"""Names of classes, files and runs where they are shown: as they are, whatever they look like.

A class may be called `1e3`, `2020-01`, `<b>`, `&lt;`, `NA` or `All classes`.
"""

import html
import re
from collections.abc import Collection, Sequence
from typing import Any

MAX_TICKS = 40  # names on an axis that are all written; of more, plotly leaves some out
MAX_LEGEND_PX = 340
NOT_A_CLASS = " (not a class)"
WORD_JOINER = "\u2060"  # has no width
# Streamlit replaces these in texts even where each character is escaped: emoji, icons, arrows, addresses
_READ_ANYWAY = re.compile(
    r":(?=[\w+-]+[:/])|(?<!\S)(?:<->|->|<-|--|>=|<=|~=)(?!\S)|https?:(?=//)|www(?=\.)|(?<=[\w.+-])@(?=[\w-])",
    re.IGNORECASE,
)


def plain(text: str) -> str:
    """A text from a user as it is, inside Streamlit's markdown."""
    out = _READ_ANYWAY.sub(lambda found: found[0] + WORD_JOINER, text)
    for mark in "\\`*_{}[]()#+-.!|<>~$:&":
        out = out.replace(mark, f"\\{mark}")
    return out


def plotly_text(name: str) -> str:
    """A name for a plotly figure, which reads tags and entities in each of its texts.

    Source: plotly.js, src/lib/svg_text_utils.js.
    """
    return html.escape(name, quote=False)


def category_axis(names: Sequence[str], title: str) -> dict[str, Any]:
    """An axis of names in this order. Left to itself, plotly takes `1e3` for a number and `2020-01` for a date."""
    shown = [plotly_text(name) for name in names]
    ticks = {"tickmode": "array", "tickvals": shown} if len(shown) <= MAX_TICKS else {}
    return {
        "title": title,
        "type": "category",
        "categoryorder": "array",
        "categoryarray": shown,
        "automargin": True,
        **ticks,
    }


def legend_px(names: Sequence[str]) -> int:
    """What a figure needs besides its usual height, so that a legend of many names leaves room for the points."""
    return min(MAX_LEGEND_PX, 10 * max(0, len(names) - 6))


def tell_apart(own: str, names: Collection[str]) -> str:
    """A word of the app for a list that also holds names: `All classes`, unless a class is called that."""
    while own in names:
        own += NOT_A_CLASS
    return own
