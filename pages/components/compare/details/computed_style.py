"""A pandas style that is computed once, for all sessions.

Streamlit has a style computed at every rerun, and writes what it shows into a table of text, column by column: 9 ms of
the processor for ten classes, although nothing has changed. And a style that two sessions share computes in place.
"""

from typing import TYPE_CHECKING, Any

import pandas as pd

if TYPE_CHECKING:
    from pandas.io.formats.style import Styler


class _Numbers(pd.DataFrame):
    """A table that becomes the shown text as text, which is how Streamlit asks for it.

    Attributes:
        shown: the text of all cells.
    """

    _metadata = ["shown"]  # noqa: RUF012 - of pandas: names of attributes that are no columns
    shown: pd.DataFrame

    def astype(self, dtype: Any, *args: Any, **options: Any) -> Any:
        return self.shown.copy() if dtype is str else super().astype(dtype, *args, **options)


def compute_once(style: "Styler") -> "Styler":
    """Compute a style now, and keep what it gives: it must not be changed any more."""
    private: Any = style
    private._compute()
    cells = private._translate(False, False)
    texts = [[str(cell["display_value"]) for cell in row if cell["type"] == "td"] for row in cells.pop("body")]
    numbers = _Numbers(private.data)
    numbers.shown = pd.DataFrame(texts, index=numbers.index, columns=numbers.columns, dtype=str)
    private.data, private._compute, private._translate = numbers, lambda: style, lambda *_: cells
    return style
