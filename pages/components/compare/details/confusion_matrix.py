"""Confusion matrices, two side by side or one at a time; a click on a cell shows its pictures.

They are tables, not charts: a table scrolls where twenty classes do not fit a phone, its numbers are legible, a
keyboard reaches its cells, and it is drawn in a tenth of the time that a chart library takes.
"""

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from core.settings import Settings
from core.statistics.aligned_predictions import AlignedPredictions
from core.statistics.metrics import confusion_matrix
from pages.components.compare.pictures import picture_grid, prediction_cache
from pages.components.shared import frame
from pages.components.shared.names import tell_apart
from pages.components.shared.results.named_runs import Named
from pages.components.shared.snapshots.runs_snapshot import RunSnapshot

Unit = Literal["pictures", "percent"]
Cell = tuple[int, int]  # true class, predicted class
UNITS: dict[Unit, str] = {"pictures": "Pictures", "percent": "% of the class"}
MAX_COLOURED = 40  # classes: more cells take too long to colour
MAX_CONFUSIONS = 3  # in the description
MAX_SIDE_BY_SIDE = 6  # classes with which two matrices fit next to each other on a laptop
ROW_PX = 35
MAX_ROWS = 21  # taller ones scroll
NAMES_PX = 130  # of the column of names, which stays while the others scroll
MAX_NAME = 28  # characters
CORNER = "is ↓ predicted →"
MAX_OPACITY = 0.6  # where all pictures of a class are in one cell: text stays legible on it


def show_confusions(settings: Settings, named: Sequence[Named]) -> None:
    """The matrices of two runs where both fit next to each other, else of one that is chosen; all in one unit."""
    with frame.explained():
        chosen = st.segmented_control(
            "Numbers",
            list(UNITS),
            default="pictures",
            required=True,
            format_func=lambda name: UNITS[name],
            help="Counts, or shares of the pictures of a class (each row adds up to 100 %).",
            key="confusion-unit",
            persist_state="page",
        )
        unit: Unit = chosen or "pictures"
        st.caption(
            "Rows: true class. Columns: predicted class. Darker means a larger share of the row; the diagonal is "
            "right. Click a cell to see its pictures."
        )
        classes = len(prediction_cache.read_predictions(settings, named[0][1].id).classes)
        if len(named) > (2 if classes <= MAX_SIDE_BY_SIDE else 1):
            names = {item.id: frame.plain(name) for name, item in named}
            picked = st.segmented_control(
                "Network",
                list(names),
                default=next(iter(names)),
                required=True,
                format_func=names.__getitem__,
                key="confusion-network",
                persist_state="page",
            )
            named = [(name, item) for name, item in named if item.id == picked]
        for column, (name, item) in zip(st.columns(len(named)), named, strict=True):
            with column:
                _show_one(settings, name, item, unit)


@st.fragment
def _show_one(settings: Settings, name: str, item: RunSnapshot, unit: Unit) -> None:
    with frame.explained():
        answers = prediction_cache.align_predictions(settings, (item.id,))
        counts = confusion_matrix(answers.labels, answers.predicted[0], answers.classes)
        st.markdown(f"**{frame.plain(name)}**")
        state: Any = st.dataframe(
            style(counts, answers.classes, unit),  # not shared: Streamlit computes the style in place
            key=f"confusion-{item.id}",
            on_select="rerun",
            selection_mode="single-cell",
            column_config=_widths(answers.classes),
            height=ROW_PX * (min(len(counts), MAX_ROWS) + 1) + 3,
            alt=f"Confusion matrix of {name}. {describe(counts, answers.classes)}",
        )
        st.caption(frame.plain(describe(counts, answers.classes)))
        frame.offer_csv(
            "Download the matrix as CSV",
            lambda: tabulate(counts, answers.classes),
            f"tunemypets-confusions-{item.id}.csv",
            key=f"confusion-csv-{item.id}",
        )
        _show_cell(settings, name, item, answers, counts, clicked(state, answers.classes))


def style(counts: NDArray[np.int64], classes: Sequence[str], unit: Unit) -> Any:
    """The matrix as a table with coloured cells; without colours above MAX_COLOURED classes."""
    totals = counts.sum(axis=1)
    shares = np.divide(counts, totals[:, None], out=np.zeros(counts.shape), where=totals[:, None] > 0)
    index = pd.Index([f"{name} ({total:,})" for name, total in zip(classes, totals, strict=True)], name=CORNER)
    values = counts if unit == "pictures" else np.round(100 * shares, 1)
    table = pd.DataFrame(values, index=_distinct(index), columns=list(classes))
    if len(classes) > MAX_COLOURED:
        return table
    colours = pd.DataFrame(
        [
            [f"background-color: rgba(0, 114, 178, {MAX_OPACITY * share:.3f})" if share else "" for share in row]
            for row in shares
        ],
        index=table.index,
        columns=table.columns,
    )
    shown = "{:,.0f}".format if unit == "pictures" else "{:.0f} %".format
    return table.style.apply(lambda _: colours, axis=None).format(shown)


def tabulate(counts: NDArray[np.int64], classes: Sequence[str]) -> pd.DataFrame:
    """The table of the CSV: a row for each true class, a column for each predicted one."""
    table = pd.DataFrame(counts, columns=list(classes))
    table.insert(0, tell_apart("is, predicted", classes), list(classes))
    return table


def describe(counts: NDArray[np.int64], classes: Sequence[str]) -> str:
    """The matrix in words: how many are right, and the most frequent confusions."""
    right, total = int(counts.diagonal().sum()), int(counts.sum())
    wrong = [(int(counts[cell]), cell) for cell in cells_of(counts) if cell[0] != cell[1]]
    short = [prediction_cache.shorten(name, MAX_NAME) for name in classes]
    most = [f"{short[label]} taken for {short[other]} ({count:,})" for count, (label, other) in wrong[:MAX_CONFUSIONS]]
    text = f"{right:,} of {total:,} pictures are right."
    return f"{text} Most frequent confusions: {', '.join(most)}." if most else text


def cells_of(counts: NDArray[np.int64]) -> list[Cell]:
    """The cells that hold pictures: mistakes first, the most frequent first."""
    cells = [(int(row), int(column)) for row, column in np.argwhere(counts)]
    return sorted(cells, key=lambda cell: (cell[0] == cell[1], -int(counts[cell]), cell))


def clicked(state: Any, classes: Sequence[str]) -> Cell | None:
    """The selected cell; None if nothing or the column of names is selected."""
    chosen = state.selection.cells if state is not None else []
    if not chosen:
        return None
    row, column = chosen[0]
    return (int(row), classes.index(column)) if column in classes and 0 <= int(row) < len(classes) else None


def _show_cell(
    settings: Settings,
    name: str,
    item: RunSnapshot,
    answers: AlignedPredictions,
    counts: NDArray[np.int64],
    picked: Cell | None,
) -> None:
    cells = cells_of(counts)
    short = [prediction_cache.shorten(item, MAX_NAME) for item in answers.classes]
    chosen = st.selectbox(
        "Pictures of a cell",
        [None, *cells],
        index=1 + cells.index(picked) if picked in cells else 0,
        format_func=lambda cell: (
            "Choose a cell" if cell is None else f"{counts[cell]:,}: is {short[cell[0]]}, predicted {short[cell[1]]}"
        ),
        key=f"cell-{item.id}-{picked}",
        help="Same as a click on the matrix.",
    )
    if picked is not None and picked not in cells:
        st.caption(f"No picture of {frame.plain(short[picked[0]])} is taken for {frame.plain(short[picked[1]])}.")
    if chosen is None:
        return
    picture_grid.show_grid(
        settings,
        picture_grid.Grid(
            key=f"cell-{chosen[0]}-{chosen[1]}-{item.id}",
            answers=answers,
            names=[name],
            dataset=prediction_cache.dataset_of(settings, item),
        ),
        answers.cell(0, *chosen),
        f"tunemypets-cell-{item.id}.csv",
    )


def _widths(classes: Sequence[str]) -> dict[Any, Any]:
    """Columns as wide as their names, within bounds: a long name must not push the numbers off a phone's screen."""
    widths: dict[Any, Any] = {}
    widest = 104 if len(classes) <= MAX_SIDE_BY_SIDE else 70
    for name in classes:
        widths[name] = st.column_config.Column(width=max(52, min(widest, 24 + 7 * len(name))))
    widths["_index"] = st.column_config.Column(width=NAMES_PX)  # last: a class may be called that
    return widths


def _distinct(index: "pd.Index[str]") -> "pd.Index[str]":
    """Unique row names, as a style needs them: `a (1)` may be a class of 2 pictures and the class `a` of 1."""
    if index.is_unique:
        return index
    return pd.Index([f"{name} #{place}" for place, name in enumerate(index, start=1)], name=index.name)
