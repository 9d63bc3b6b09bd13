"""A sheet of judged pictures: filter, sort, pages of 24; a click on a picture opens it large, and the whole is a CSV.

Every picture is a button of Streamlit's own whose label holds the thumbnail: it needs no script of ours, which the
content policy forbids, and a keyboard reaches it. Draw a sheet within a fragment: then a click redraws only it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from core.datasets.dataset import Dataset
from core.settings import Settings
from core.statistics.aligned_predictions import AlignedPredictions
from pages.components.compare import comparison_cache, picture_dialog
from pages.components.shared import frame, gallery

PER_PAGE = 24
TILE_PX = 112  # three beside each other on a phone
LONGEST_NAME = 20  # characters on a tile; the large view has room for all
RIGHT, WRONG = "✓", "✗"
AS_GIVEN = "as given"
ALL = -1  # in place of a class; a selectbox that is drawn again forgets None
_STYLE = f"""<style>
[class*="st-key-sheet-"] button {{padding:5px; height:auto; min-height:0; align-items:flex-start; width:100%}}
[class*="st-key-sheet-"] button img {{max-height:none; width:100%; height:{TILE_PX - 22}px; object-fit:cover;
  border-radius:6px; display:block; margin:0 0 4px 0; vertical-align:top}}
[class*="st-key-sheet-"] button p {{font-size:.8rem; line-height:1.3; text-align:left; overflow-wrap:anywhere;
  white-space:normal}}
[class*="st-key-sheet-"] button div, [class*="st-key-sheet-"] button span {{width:100%; justify-content:flex-start}}
</style>"""

Column = Callable[[NDArray[np.int64]], Sequence[object]]  # values at places


@dataclass(frozen=True, eq=False)
class Sheet:
    """What a sheet shows.

    Args:
        key: tells its widgets from those of other sheets; letters, digits and hyphens.
        answers: what the models say.
        names: one a model, as it is called on this page.
        dataset: where the pictures are; None where it is gone: then a table stands in for the tiles.
        lines: what a tile says below the true class, in place of each model's answer; takes a place.
        columns: more columns for the CSV; each takes places.
        first: how the pictures are sorted at first: a key of `ORDERS`, or `AS_GIVEN` for the order of the places.
        given: what the order of the places is called; empty where it means nothing.
    """

    key: str
    answers: AlignedPredictions
    names: Sequence[str]
    dataset: Dataset | None
    lines: Callable[[int], Sequence[str]] | None = None
    columns: Mapping[str, Column] | None = None
    first: str = "confidence"
    given: str = ""


Order = Callable[[AlignedPredictions, NDArray[np.int64]], NDArray[np.float64]]  # the smallest comes first
ORDERS: Mapping[str, tuple[str, Order]] = {
    "confidence": ("Most confident first", lambda answers, at: -answers.confidence[:, at].max(axis=0)),
    "doubt": ("Least confident first", lambda answers, at: answers.confidence[:, at].max(axis=0)),
    "disagreement": ("Greatest disagreement first", lambda answers, at: -answers.disagreement[at]),
    "agreement": ("Least disagreement first", lambda answers, at: answers.disagreement[at]),
    "file": ("By place in the dataset", lambda answers, at: answers.indices[at].astype(np.float64)),
}


def show_sheet(settings: Settings, sheet: Sheet, places: NDArray[np.int64], file_name: str) -> None:
    """Draw a sheet of the pictures at these places of its answers."""
    if not len(places):
        st.caption("There are none.")
        return
    found = _choose(sheet, places)
    pages = -(-len(found) // PER_PAGE)
    number = 1
    if pages > 1:
        number = st.pagination(pages, key=f"{sheet.key}-page-{len(found)}", persist_state="page")
    shown = found[(number - 1) * PER_PAGE : number * PER_PAGE]
    st.caption(_extent(len(shown), (number - 1) * PER_PAGE, len(found), len(places)))
    if len(shown) and sheet.dataset is not None:
        _draw_tiles(settings, sheet, sheet.dataset, shown, found)
    elif len(shown):
        st.dataframe(tabulate(sheet, shown), hide_index=True, key=f"{sheet.key}-table")
    frame.offer_csv(
        f"Download these {len(found):,} as CSV" if len(found) > 1 else "Download this one as CSV",
        lambda: tabulate(sheet, found),
        file_name,
        key=f"{sheet.key}-csv",
    )


def tabulate(sheet: Sheet, places: NDArray[np.int64]) -> pd.DataFrame:
    """The pictures as a table: name, class, and each model's answer with its confidence in per cent."""
    answers, names = sheet.answers, np.array(sheet.answers.classes, dtype=object)
    columns: dict[str, object] = {"row": answers.indices[places]}
    if sheet.dataset is not None:
        columns["picture"] = [sheet.dataset.rows[int(index)].name for index in answers.indices[places]]
    columns["is"] = names[answers.labels[places]]
    for model, sign in enumerate(signs(answers.models)):
        said = f"{sign} " if sign else ""
        columns[f"{said}says"] = names[answers.predicted[model, places]]
        columns[f"{said}right"] = answers.right[model, places]
        columns[f"{said}confidence (%)"] = np.round(100 * answers.confidence[model, places], 2)
    if answers.models > 1:
        columns["disagreement (%)"] = np.round(100 * answers.disagreement[places], 2)
    for name, values in (sheet.columns or {}).items():
        columns[name] = values(places)
    return pd.DataFrame(columns)


def signs(count: int) -> list[str]:
    """What tells the models apart in a small space: nothing for one, letters for a few, numbers for many."""
    if count == 1:
        return [""]
    return (
        list(comparison_cache.SIGNS[:count])
        if count <= len(comparison_cache.SIGNS)
        else [str(place + 1) for place in range(count)]
    )


def _choose(sheet: Sheet, places: NDArray[np.int64]) -> NDArray[np.int64]:
    """The places of the chosen class in the chosen order."""
    answers = sheet.answers
    counts = np.bincount(answers.labels[places], minlength=len(answers.classes))
    there = [int(label) for label in np.flatnonzero(counts)]
    label, right = ALL, st.container()
    if len(there) > 1:
        left, right = st.columns(2)
        label = left.selectbox(
            "Class",
            [ALL, *there],
            format_func=lambda item: (
                f"All classes ({len(places):,})" if item == ALL else f"{answers.classes[item]} ({counts[item]:,})"
            ),
            help="Only pictures that are of this class.",
            key=f"{sheet.key}-class",
            persist_state="page",
        )
    options = [name for name in ORDERS if answers.models > 1 or "agreement" not in name]
    if sheet.given:
        options.insert(0, AS_GIVEN)
    order = right.selectbox(
        "Order",
        options,
        index=options.index(sheet.first) if sheet.first in options else 0,
        format_func=lambda name: sheet.given if name == AS_GIVEN else ORDERS[name][0],
        help=(
            "Confidence: the probability a network gives its answer. Disagreement: how much probability would have to "
            "move to turn one network's answer into the other's."
            if answers.models > 1
            else "Confidence: the probability the network gives its answer."
        ),
        key=f"{sheet.key}-order",
        persist_state="page",
    )
    if label != ALL and counts[label]:
        places = places[answers.labels[places] == label]
    if order == AS_GIVEN:
        return places
    return places[np.argsort(ORDERS[order][1](answers, places), kind="stable")]


def _extent(shown: int, before: int, found: int, of: int) -> str:
    text = f"Pictures {before + 1:,} to {before + shown:,} of {found:,}" if found > shown else f"{found:,} of {of:,}"
    if found > shown and found < of:
        text += f", {of:,} in all classes"
    return f"{text}. Click a picture to see it large, with what each network says."


def _draw_tiles(
    settings: Settings, sheet: Sheet, dataset: Dataset, shown: NDArray[np.int64], found: NDArray[np.int64]
) -> None:
    st.html(_STYLE)
    with st.container(horizontal=True, gap="xsmall", key=f"sheet-{sheet.key}"):
        for place in shown:
            clicked = st.button(_label(sheet, dataset, int(place)), key=f"{sheet.key}-at-{place}", width=TILE_PX)
            if clicked:
                picture_dialog.open_image(settings, sheet.answers, sheet.names, dataset, found, int(place), sheet.key)


def _label(sheet: Sheet, dataset: Dataset, place: int) -> str:
    answers = sheet.answers
    row = dataset.rows[int(answers.indices[place])]
    truth = answers.classes[int(answers.labels[place])]
    uri = gallery.data_uri(dataset.thumbnail_path(row))
    image = f"![{frame.plain(truth)}]({uri})" if uri != gallery.NO_IMAGE else "🖼️ lost  \n"
    lines = [f"{image}**is: {_short(truth)}**"]
    if sheet.lines is not None:
        lines += [_short(line, 3 * LONGEST_NAME) for line in sheet.lines(place)]
    else:
        for model, sign in enumerate(signs(answers.models)):
            mark = RIGHT if answers.right[model, place] else WRONG
            said = answers.classes[int(answers.predicted[model, place])]
            percent = 100 * answers.confidence[model, place]
            lines.append(f"{sign} {mark} {_short(said)} {percent:.0f} %".strip())
    return "  \n".join(lines)


def _short(text: str, most: int = LONGEST_NAME) -> str:
    return frame.plain(comparison_cache.shorten(text, most))
