"""The feature space of networks: every test picture a point, projected to two dimensions."""

from typing import Any

import pandas as pd
import streamlit as st

from core.formatting import format_percent
from core.predict.explanations.explanation_answers import INSTALL, Projection
from core.predict.explanations.projection import MIN_TSNE_IMAGES, can_run_tsne
from core.settings import Settings
from core.statistics.predictions import PredictionTable
from pages.components.compare.details import why_figures
from pages.components.compare.details.why_requests import Named, dataset_of, identity, predictions
from pages.components.shared import frame
from pages.components.shared.pictures import gallery
from pages.components.shared.predictor_requests import request
from pages.components.shared.snapshots.runs_snapshot import RunSnapshot

CHOSEN, SECTION = "why-picture", "why-section"  # in session state: the picture that a click chose, and the open part
HEATMAPS = "Heatmaps"


def show_feature_space(settings: Settings, named: Named) -> None:
    """A map for each run, and the points as CSV."""
    st.caption(
        "Each point is a held-out picture, a ring marks a mistake; click one to see it. Two dimensions lose detail: "
        "trust the number below."
    )
    tsne = _choose_method(settings, named) == "t-SNE"
    found = []
    for name, item in named:
        answer = request(
            f"{'Running t-SNE for' if tsne else 'Computing the features of'} {name}",
            (str(settings.home), "map", tsne, *identity(item)),
            lambda on_progress, run_id=item.id: frame.predictor(settings).projection(
                run_id, tsne=tsne, on_progress=on_progress
            ),
        )
        if answer is not None:
            found.append((name, item, answer))
    if not found:
        return
    if tsne and all(answer.tsne is None for _, _, answer in found):
        st.caption("No t-SNE: all pictures have the same features.")
    tables = []
    columns = st.columns(len(found))
    for column, (name, item, answer) in zip(columns, found, strict=True):
        with column:
            st.markdown(f"**{frame.plain(name)}**")
            tables.append(_show_projection(settings, name, item, answer, tsne=tsne))
    frame.offer_csv("Download the points as CSV", pd.concat(tables, ignore_index=True), "tunemypets-map.csv")


def _choose_method(settings: Settings, named: Named) -> str:
    """PCA or t-SNE; no choice is offered where there is none."""
    dataset = dataset_of(settings, named[0][1])
    count = 0 if dataset is None else len(dataset.rows_of("test") or dataset.rows_of("val"))
    if not can_run_tsne(count):
        if count >= MIN_TSNE_IMAGES:
            st.caption(f"Install openTSNE to see t-SNE too: {INSTALL}")
        return "PCA"
    return st.segmented_control(
        "Projection",
        ("PCA", "t-SNE"),
        default="PCA",
        required=True,
        key="why-flatten",
        help="PCA keeps distances as far as two dimensions can. t-SNE keeps neighbours together; sizes of its clusters "
        "and distances between them mean nothing. It takes some seconds longer.",
    )


def _show_projection(settings: Settings, name: str, item: RunSnapshot, found: Projection, *, tsne: bool) -> Any:
    dataset = dataset_of(settings, item)
    classes = item.meta.classes
    names = [f"picture {index}" if dataset is None else dataset.rows[index].name for index in found.indices]
    table = predictions(settings, item)
    wrong: list[bool] | None = None
    if table is not None:
        correct = {int(i): bool(c) for i, c in zip(table.indices, table.correct, strict=True)}
        wrong = [not correct.get(index, True) for index in found.indices]
    words = why_figures.describe_projection(found)
    state: Any = st.plotly_chart(
        why_figures.draw_projection(found, classes, names, wrong, tsne=tsne),
        key=f"why-map-{item.id}-{tsne}",
        on_select="rerun",
        selection_mode="points",
        config={"displayModeBar": False},
        alt=f"Feature space of {name}. {words}",
    )
    st.caption(frame.plain(words))
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
        help="Same as a click on a point. Mistakes come first.",
    )
    if chosen is not None and dataset is not None:
        row = dataset.rows[chosen]
        mark = None if wrong is None else ("wrong" if wrong[places[chosen]] else "right")
        tile = gallery.Tile(
            dataset.thumbnail_path(row), f"is: {classes[row.label]}", mark, _format_answer(table, chosen)
        )
        gallery.show_tiles([tile], width_px=150)
        st.button(
            "Heatmaps of this picture",
            icon=":material/local_fire_department:",
            key=f"why-open-{item.id}",
            on_click=_open_heatmaps,
            args=(int(chosen),),
        )
    return why_figures.tabulate_projection(name, found, classes, names)


def _format_answer(table: PredictionTable | None, index: int) -> str:
    if table is None:
        return ""
    place = int((table.indices == index).argmax())
    label = int(table.predicted[place])
    return f"answer: {table.classes[label]}, {format_percent(table.probabilities[place, label], 0)}"


def _open_heatmaps(index: int) -> None:
    st.session_state[CHOSEN] = index
    st.session_state[SECTION] = HEATMAPS
