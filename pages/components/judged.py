"""Test predictions to look at: confusion matrices whose cells open, and the pictures on which two runs disagree."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import streamlit as st

from core.datasets.dataset import Dataset
from core.errors import DatasetError
from core.evaluation.comparison import Comparison
from core.evaluation.predictions import PredictionTable
from core.runs.races import comparison_of
from core.settings import Settings
from pages.components import explored, frame, gallery
from pages.components.live import load_dataset
from pages.components.snapshot import RunSnapshot

TILES = 24

Cell = tuple[int, int]  # true class, predicted class


@dataclass(frozen=True)
class Pair:
    """Two judged runs and what their comparison says."""

    first: RunSnapshot
    second: RunSnapshot
    comparison: Comparison


@st.cache_resource(max_entries=32, show_spinner=False)
def compare_once(home: str, first: str, second: str) -> Comparison:
    """The comparison of two runs; test results never change, so it is made once for all sessions.

    Raises:
        ComparisonError, RunError: each with a sentence for people.
    """
    del home  # part of the cache's key
    store = frame.runs(Settings.from_environment())
    return comparison_of(store.get(first), store.get(second))


def show_verdict(comparison: Comparison) -> None:
    """The verdict in its own words, with a sign that does not depend on colour."""
    show, icon = (st.success, "🏆") if comparison.better else (st.info, "⚖️")
    show(frame.plain(comparison.verdict), icon=icon)


@st.cache_resource(max_entries=32, show_spinner=False)
def read_once(home: str, run_id: str) -> PredictionTable:
    """The stored predictions of a run.

    Raises:
        RunError: if there are none.
    """
    del home  # part of the cache's key
    return frame.runs(Settings.from_environment()).get(run_id).predictions()


def show_confusions(settings: Settings, named: Sequence[tuple[str, RunSnapshot]]) -> None:
    """Confusion matrices side by side; a cell opens its pictures."""
    st.subheader("Confusion matrices")
    st.caption("Rows: what the picture is. Columns: what the network says. Click a cell to see its pictures.")
    columns = st.columns(min(2, len(named)))
    for place, (name, item) in enumerate(named):
        table = read_once(str(settings.home), item.id)
        with columns[place % len(columns)]:
            st.markdown(f"**{frame.plain(name)}**")
            state = st.plotly_chart(
                explored.confusion(table),
                key=f"confusion-{item.id}",
                on_select="rerun",
                selection_mode="points",
                config={"displayModeBar": False},
                alt=f"Confusion matrix of {name}",
            )
            _show_cell(settings, item, table, _clicked(state))


def _clicked(state: Any) -> Cell | None:
    points = state.selection.points
    given = points[0].get("customdata") if points else None
    return (int(given[0]), int(given[1])) if given else None


def _show_cell(settings: Settings, item: RunSnapshot, table: PredictionTable, clicked: Cell | None) -> None:
    counts = {cell: int(((table.labels == cell[0]) & (table.predicted == cell[1])).sum()) for cell in _cells(table)}
    cells = list(counts)
    names = table.classes
    chosen = st.selectbox(
        "Pictures of a cell",
        [None, *cells],
        index=1 + cells.index(clicked) if clicked in counts else 0,
        format_func=lambda cell: (
            "Choose a cell" if cell is None else f"is {names[cell[0]]}, predicted {names[cell[1]]}: {counts[cell]}"
        ),
        key=f"cell-{item.id}-{clicked}",
        help="The same as a click into the matrix.",
    )
    if chosen is None:
        return
    dataset = _dataset(settings, item)
    if dataset is None:
        return
    places = [int(place) for place in ((table.labels == chosen[0]) & (table.predicted == chosen[1])).nonzero()[0]]
    tiles = []
    for place in places[:TILES]:
        predicted = int(table.predicted[place])
        tiles.append(
            gallery.Tile(
                dataset.thumbnail_path(dataset.rows[int(table.indices[place])]),
                f"{names[predicted]} {100 * table.probabilities[place, predicted]:.0f} %",
                "right" if table.correct[place] else "wrong",
                f"is: {names[int(table.labels[place])]}",
            )
        )
    gallery.show_tiles(tiles, width_px=96)
    _more(len(places))


def _cells(table: PredictionTable) -> list[Cell]:
    pairs = {(int(true), int(said)) for true, said in zip(table.labels, table.predicted, strict=True)}
    return sorted(pairs, key=lambda pair: (pair[0] == pair[1], pair))  # mistakes first


def show_pictures(settings: Settings, pair: Pair) -> None:
    """The four groups: only one is right, both are wrong, both are right."""
    comparison = pair.comparison
    st.subheader("Picture by picture")
    groups = {
        f"Only {comparison.name_b} is right ({comparison.only_b})": comparison.only_b_indices,
        f"Only {comparison.name_a} is right ({comparison.only_a})": comparison.only_a_indices,
        f"Both are wrong ({comparison.both_wrong})": comparison.both_wrong_indices,
        f"Both are right ({comparison.both_right})": comparison.both_right_indices,
    }
    first = next((place for place, found in enumerate(groups.values()) if len(found)), 0)
    chosen = st.radio(
        "Which pictures",
        list(groups),
        index=first,
        format_func=frame.plain,
        help="The verdict rests on the first two groups.",
    )
    indices = [int(index) for index in groups[chosen]]
    dataset = _dataset(settings, pair.first)
    if not indices or dataset is None:
        st.caption("There are none." if not indices else "")
        return
    tables = [read_once(str(settings.home), item.id) for item in (pair.first, pair.second)]
    said = [dict(zip(table.indices.tolist(), table.predicted.tolist(), strict=True)) for table in tables]
    tiles = [
        gallery.Tile(
            dataset.thumbnail_path(dataset.rows[index]),
            f"is: {dataset.classes[dataset.rows[index].label]}",
            None,
            f"A: {dataset.classes[said[0][index]]}, B: {dataset.classes[said[1][index]]}",
        )
        for index in indices[:TILES]
    ]
    st.caption(f"A: {frame.plain(comparison.name_a)}. B: {frame.plain(comparison.name_b)}.")
    gallery.show_tiles(tiles, width_px=104)
    _more(len(indices))
    names = pd.DataFrame(
        {
            "picture": [dataset.rows[index].name for index in indices],
            "is": [dataset.classes[dataset.rows[index].label] for index in indices],
            "A": [dataset.classes[said[0][index]] for index in indices],
            "B": [dataset.classes[said[1][index]] for index in indices],
        }
    )
    frame.offer_csv("Download this list as CSV", names, "tunemypets-pictures.csv")


def _more(count: int) -> None:
    if count > TILES:
        st.caption(f"The first {TILES} of {count}.")


def _dataset(settings: Settings, item: RunSnapshot) -> Dataset | None:
    try:
        return load_dataset(str(settings.home), item.config.dataset, item.meta.dataset_fingerprint)
    except DatasetError as error:
        st.info(frame.plain(str(error)))
        return None
