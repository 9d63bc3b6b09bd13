"""Pictures that a session selected to correct them: one by one, a page, or all between two clicks.

Streamlit's buttons do not report the shift key, so a range is two clicks and *Select all between*.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import streamlit as st

from core.datasets.dataset import Dataset, ImageRow


@dataclass
class Selection:
    """What is selected.

    Attributes:
        places: in the dataset's table.
        clicks: the last two that were clicked and are selected, in order.
    """

    places: set[int] = field(default_factory=set)
    clicks: list[int] = field(default_factory=list)

    def toggle(self, place: int) -> None:
        """Select a picture, or no longer."""
        self.places ^= {place}
        self.clicks = [*(click for click in self.clicks if click != place), place][-2:]
        self.clicks = [click for click in self.clicks if click in self.places]

    def clear(self) -> None:
        """Select nothing."""
        self.places.clear()
        self.clicks.clear()

    def between(self, rows: Sequence[ImageRow]) -> list[int]:
        """Places between the last two clicks that are not selected yet; none unless `rows` hold both clicks."""
        if len(self.clicks) < 2:
            return []
        order = [row.index for row in rows]
        if not set(self.clicks) <= set(order):
            return []
        first, last = sorted(map(order.index, self.clicks))
        return [place for place in order[first:last] if place not in self.places]


def selection_of(dataset: Dataset) -> Selection:
    """The selection of this session in a dataset."""
    return st.session_state.setdefault(f"selected-{dataset.id}", Selection())  # type: ignore[no-any-return]
