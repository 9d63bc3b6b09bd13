"""How networks see the test pictures: every picture a point."""

from typing import Any

import pandas as pd
import streamlit as st

from core.predict.explanations import INSTALL, ImageMap
from core.predict.projection import FEWEST_FOR_TSNE, can_lay_out
from core.settings import Settings
from core.statistics.predictions import PredictionTable
from pages.components.compare import why_figures
from pages.components.compare.why_requests import Named, ask, dataset_of, identity, predictions
from pages.components.shared import frame, gallery
from pages.components.shared.runs_snapshot import RunSnapshot

CHOSEN, SECTION = "why-picture", "why-section"  # in session state: a picture that a click chose, and what is looked at
HEAT = "Heat maps"


def show_maps(settings: Settings, named: Named) -> None:
    st.caption(
        "Every point is a held-out picture; near each other lie those that the network cannot tell apart well. Two "
        "dimensions show only a part: trust the number below each map. A ring: answered wrong. Click a point "
        "to see its picture."
    )
    neighbours = _choose_way(settings, named) == "t-SNE"
    found = []
    for name, item in named:
        answer = ask(
            f"{'Laying out neighbours for' if neighbours else 'Showing the pictures to'} {name}; then it is kept",
            (str(settings.home), "map", neighbours, *identity(item)),
            lambda tell, run_id=item.id: frame.predictor(settings).map_images(run_id, neighbours=neighbours, tell=tell),
        )
        if answer is not None:
            found.append((name, item, answer))
    if not found:
        return
    if neighbours and all(answer.tsne is None for _, _, answer in found):
        st.caption("t-SNE has nothing to lay out: to these networks all pictures are the same.")
    tables = []
    columns = st.columns(len(found))
    for column, (name, item, answer) in zip(columns, found, strict=True):
        with column:
            st.markdown(f"**{frame.plain(name)}**")
            tables.append(_show_map(settings, name, item, answer, neighbours=neighbours))
    frame.offer_csv("Download the points as CSV", pd.concat(tables, ignore_index=True), "tunemypets-map.csv")


def _choose_way(settings: Settings, named: Named) -> str:
    """How to flatten; without a choice where there is none."""
    dataset = dataset_of(settings, named[0][1])
    pictures = 0 if dataset is None else len(dataset.rows_of("test") or dataset.rows_of("val"))
    if not can_lay_out(pictures):
        if pictures >= FEWEST_FOR_TSNE:
            st.caption(f"Install openTSNE to see t-SNE too: {INSTALL}")
        return "PCA"
    return st.segmented_control(
        "Way to flatten",
        ("PCA", "t-SNE"),
        default="PCA",
        required=True,
        key="why-flatten",
        help="PCA keeps directions and distances, as far as two directions can. t-SNE keeps neighbours together; "
        "the size of its groups and the distance between them mean nothing. It takes seconds more.",
    )


def _show_map(settings: Settings, name: str, item: RunSnapshot, found: ImageMap, *, neighbours: bool) -> Any:
    dataset = dataset_of(settings, item)
    classes = item.meta.classes
    names = [f"picture {index}" if dataset is None else dataset.rows[index].name for index in found.indices]
    table = predictions(settings, item)
    wrong: list[bool] | None = None
    if table is not None:
        correct = {int(i): bool(c) for i, c in zip(table.indices, table.correct, strict=True)}
        wrong = [not correct.get(index, True) for index in found.indices]
    state: Any = st.plotly_chart(
        why_figures.images_map(found, classes, names, wrong, neighbours=neighbours),
        key=f"why-map-{item.id}-{neighbours}",
        on_select="rerun",
        selection_mode="points",
        config={"displayModeBar": False},
        alt=f"Map of the pictures as {name} sees them. {why_figures.map_words(found)}",
    )
    st.caption(frame.plain(why_figures.map_words(found)))
    points = state.selection.points
    clicked = points[0].get("customdata") if points else None
    if isinstance(clicked, list):
        clicked = clicked[0]
    places = {index: place for place, index in enumerate(found.indices)}
    order = sorted(found.indices, key=lambda index: (not (wrong and wrong[places[index]]), index))  # mistakes first
    chosen = st.selectbox(
        "Picture of a point",
        [None, *order],
        index=1 + order.index(clicked) if clicked in places else 0,
        format_func=lambda index: (
            "Choose a picture" if index is None else f"{names[places[index]]} · {classes[found.labels[places[index]]]}"
        ),
        key=f"why-point-{item.id}-{clicked}",
        help="The same as a click on a point; pictures that were answered wrong come first.",
    )
    if chosen is not None and dataset is not None:
        place = places[chosen]
        row = dataset.rows[chosen]
        mark = None if wrong is None else ("wrong" if wrong[place] else "right")
        said = _said(table, chosen)
        gallery.show_tiles(
            [gallery.Tile(dataset.thumbnail_path(row), f"is: {classes[row.label]}", mark, said)], width_px=150
        )
        st.button(
            "Heat maps of this picture",
            icon="🔥",
            key=f"why-open-{item.id}",
            on_click=_open_heat,
            args=(int(chosen),),
        )
    return why_figures.map_table(name, found, classes, names)


def _said(table: PredictionTable | None, index: int) -> str:
    if table is None:
        return ""
    place = int((table.indices == index).argmax())
    label = int(table.predicted[place])
    return f"answer: {table.classes[label]}, {100 * table.probabilities[place, label]:.0f} %"


def _open_heat(index: int) -> None:
    st.session_state[CHOSEN] = index
    st.session_state[SECTION] = HEAT
