"""The dialog of one picture: large, with its true class and each network's most probable classes as bars."""

import html
from collections.abc import Sequence

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from core.datasets.dataset import Dataset, ImageRow
from core.datasets.pictures.decoder import Limits, render_preview
from core.errors import TuneMyPetsError
from core.formatting import format_percent
from core.palette import RIGHT_COLOUR, WRONG_COLOUR
from core.settings import Settings
from core.statistics.aligned_predictions import AlignedPredictions
from pages.components.shared import frame
from pages.components.shared.pictures import gallery
from pages.components.shared.pictures.close_up import open_close_up

TOP = 3
LONG_SIDE_PX = 640


def open_image(
    settings: Settings,
    answers: AlignedPredictions,
    names: Sequence[str],
    dataset: Dataset,
    places: NDArray[np.int64],
    place: int,
    key: str,
) -> None:
    """Open the dialog of a picture; its buttons lead to the ones before and after it in `places`."""
    order = [int(item) for item in places]
    open_close_up(
        f"{key}-closeup",
        len(order),
        order.index(place),
        lambda at: _show(settings, answers, names, dataset, order[at]),
    )


def _show(settings: Settings, answers: AlignedPredictions, names: Sequence[str], dataset: Dataset, place: int) -> None:
    row = dataset.rows[int(answers.indices[place])]
    truth = answers.classes[int(answers.labels[place])]
    left, right = st.columns(2)
    with left:
        _show_image(settings, dataset, row, truth)
        st.markdown(f"True class: **{frame.plain(truth)}**")
        st.caption(f"{frame.plain(row.name)}, {row.width} × {row.height} pixels")
    with right:
        st.html("".join(draw_bars(answers, model, place, name) for model, name in enumerate(names)))
        if answers.models > 1:
            st.caption(f"Disagreement: {format_percent(answers.disagreement[place], 0)}.")


def _show_image(settings: Settings, dataset: Dataset, row: ImageRow, truth: str) -> None:
    try:
        data = dataset.read_image(row)
        shown = render_preview(data, Limits.from_settings(settings), row.name, LONG_SIDE_PX, dataset.greys)
    except TuneMyPetsError as error:
        st.warning(frame.plain(str(error)), icon=":material/photo_library:")
        small = dataset.thumbnail_path(row)
        if small.exists():
            gallery.show_tiles([gallery.Tile(small, truth)], width_px=200)
    else:
        st.image(shown, width="stretch", alt=f"{truth}, {row.name}")


def draw_bars(answers: AlignedPredictions, model: int, place: int, name: str) -> str:
    """The most probable classes of one network as bars, the true class always among them, marked.

    HTML with all texts escaped: a chart library is too slow for three bars.
    """
    label = int(answers.labels[place])
    right = bool(answers.right[model, place])
    mark, colour, word = gallery.MARKS["right" if right else "wrong"]
    rows = []
    for found, value in answers.top(model, place, TOP):
        true = found == label
        shown = RIGHT_COLOUR if true else WRONG_COLOUR if found == answers.predicted[model, place] else "#8A8A8A"
        stripes = "" if true else "background-image:repeating-linear-gradient(45deg,transparent 0 4px,#fff6 4px 6px);"
        note = " <small>(the true class)</small>" if true else ""
        rows.append(
            f'<div style="margin:2px 0;overflow-wrap:anywhere;font-size:.85rem">{html.escape(answers.classes[found])}'
            f"{note}</div>"
            '<div style="display:flex;align-items:center;gap:8px">'
            '<div aria-hidden="true" style="flex:1;background:rgba(127,127,127,.18);border-radius:4px">'
            f'<div style="width:{100 * value:.1f}%;min-width:2px;height:14px;border-radius:4px;'
            f'background-color:{shown};{stripes}"></div></div>'
            f'<div style="width:4.2em;text-align:right;font-size:.85rem">{format_percent(value)}</div></div>'
        )
    return (
        '<div style="margin-bottom:14px">'
        f'<div style="font-weight:600;overflow-wrap:anywhere">{html.escape(name)} '
        f'<span style="color:{colour}">{mark}</span> <small>{word}</small></div>{"".join(rows)}</div>'
    )
