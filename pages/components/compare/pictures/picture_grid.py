"""A grid of pictures with predictions: filter, order, pages of 18, a dialog for each picture, all as CSV.

Every picture is a Streamlit button whose label holds the thumbnail: that needs no script, which the content policy
forbids, and a keyboard reaches it. Draw a grid within a fragment, so that a click redraws only the grid.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import streamlit as st
from numpy.typing import NDArray

from core.datasets.dataset import Dataset
from core.formatting import bind_percent, format_probability
from core.settings import Settings
from core.statistics.aligned_predictions import AlignedPredictions
from pages.components.compare.pictures import picture_dialog, prediction_cache
from pages.components.shared import frame
from pages.components.shared.names import tell_apart
from pages.server import thumbnail_files

PER_PAGE = 18
TILE_PX = 102  # three next to each other on a phone of 390 px
MAX_NAME = 20  # characters on a tile; the dialog has room for all
MAX_OWN = 10  # characters of the name of a model on a tile
RIGHT, WRONG = "✓", "✗"
AS_GIVEN = "as given"
ALL = -1  # in place of a class: a selectbox that is drawn again forgets None

Column = Callable[[NDArray[np.int64]], Sequence[object]]  # values at places


@dataclass(frozen=True, eq=False)
class Grid:
    """The content of a grid.

    Args:
        key: unique prefix of its widgets' keys; letters, digits and hyphens.
        answers: the predictions.
        names: of the models, as on this page.
        dataset: holds the pictures; None where it is gone: then a table replaces the tiles.
        lines: of a tile, below the true class, in place of each model's answer; takes a place.
        columns: additional columns of the CSV; each takes places.
        first: the initial order: a key of `ORDERS`, or `AS_GIVEN` for the order of the places.
        given: the label of `AS_GIVEN`; empty if that order is not offered.
    """

    key: str
    answers: AlignedPredictions
    names: Sequence[str]
    dataset: Dataset | None
    lines: Callable[[int], Sequence[str]] | None = None
    columns: Mapping[str, Column] | None = None
    first: str = "confidence"
    given: str = ""


Order = Callable[[AlignedPredictions, NDArray[np.int64]], NDArray[np.float64]]  # a sort key, ascending
ORDERS: Mapping[str, tuple[str, Order]] = {
    "confidence": ("Most confident first", lambda answers, at: -answers.confidence[:, at].max(axis=0)),
    "doubt": ("Least confident first", lambda answers, at: answers.confidence[:, at].max(axis=0)),
    "disagreement": ("Greatest disagreement first", lambda answers, at: -answers.disagreement[at]),
    "agreement": ("Least disagreement first", lambda answers, at: answers.disagreement[at]),
    "file": ("Order of the dataset", lambda answers, at: answers.indices[at].astype(np.float64)),
}


def show_grid(settings: Settings, grid: Grid, places: NDArray[np.int64], file_name: str) -> None:
    """Draw a grid of the pictures at these places of its answers."""
    if not len(places):
        st.caption("No pictures in this group.")
        return
    found = _choose(grid, places)
    pages = -(-len(found) // PER_PAGE)
    number = 1
    if pages > 1:
        number = st.pagination(pages, key=f"{grid.key}-page-{len(found)}", persist_state="page")
    shown = found[(number - 1) * PER_PAGE : number * PER_PAGE]
    st.caption(_count(len(shown), (number - 1) * PER_PAGE, len(found), len(places)))
    if len(shown) and grid.dataset is not None:
        _draw_tiles(settings, grid, grid.dataset, shown, found)
    elif len(shown):
        st.dataframe(tabulate(grid, shown), hide_index=True, key=f"{grid.key}-table")
    frame.offer_csv(
        f"Download these {len(found):,} as CSV" if len(found) > 1 else "Download this one as CSV",
        lambda: tabulate(grid, found),
        file_name,
        key=f"{grid.key}-csv",
    )


def tabulate(grid: Grid, places: NDArray[np.int64]) -> pd.DataFrame:
    """The pictures as a table: name, class, and each model's answer with its confidence in per cent."""
    answers, names = grid.answers, np.array(grid.answers.classes, dtype=object)
    columns: dict[str, object] = {"row": answers.indices[places]}
    if grid.dataset is not None:
        columns["picture"] = [grid.dataset.rows[int(index)].name for index in answers.indices[places]]
    columns["is"] = names[answers.labels[places]]
    for model, name in enumerate(short_names(grid)):
        who = f"{name} " if name else ""
        columns[f"{who}says"] = names[answers.predicted[model, places]]
        columns[f"{who}right"] = answers.right[model, places]
        columns[f"{who}confidence (%)"] = np.round(100 * answers.confidence[model, places], 2)
    if answers.models > 1:
        columns["disagreement (%)"] = np.round(100 * answers.disagreement[places], 2)
    for name, values in (grid.columns or {}).items():
        columns[name] = values(places)
    return pd.DataFrame(columns)


def short_names(grid: Grid) -> list[str]:
    """Names of the models that fit a tile: empty for a single one, their own where those are short, else letters or
    numbers."""
    count = grid.answers.models
    if count == 1:
        return [""]
    if all(len(name) <= MAX_OWN for name in grid.names):
        return list(grid.names)
    if count <= len(prediction_cache.LETTERS):
        return list(prediction_cache.LETTERS[:count])
    return [str(place + 1) for place in range(count)]


def _choose(grid: Grid, places: NDArray[np.int64]) -> NDArray[np.int64]:
    """The places of the chosen class in the chosen order."""
    answers = grid.answers
    counts = np.bincount(answers.labels[places], minlength=len(answers.classes))
    present = [int(label) for label in np.flatnonzero(counts)]
    label, right = ALL, st.container()
    if len(present) > 1:
        left, right = st.columns(2)
        every = tell_apart("All classes", answers.classes)
        label = left.selectbox(
            "Class",
            [ALL, *present],
            format_func=lambda item: (
                f"{every} ({len(places):,})" if item == ALL else f"{answers.classes[item]} ({counts[item]:,})"
            ),
            help="The true class of the pictures.",
            key=f"{grid.key}-class",
            persist_state="page",
        )
    options = [name for name in ORDERS if answers.models > 1 or "agreement" not in name]
    if grid.given:
        options.insert(0, AS_GIVEN)
    order = right.selectbox(
        "Order",
        options,
        index=options.index(grid.first) if grid.first in options else 0,
        format_func=lambda name: grid.given if name == AS_GIVEN else ORDERS[name][0],
        help=(
            "Confidence: the probability a network gives its answer. Disagreement: total variation distance, the "
            "probability on which two networks differ."
            if answers.models > 1
            else "Confidence: the probability the network gives its answer."
        ),
        key=f"{grid.key}-order",
        persist_state="page",
    )
    if label != ALL and counts[label]:
        places = places[answers.labels[places] == label]
    if order == AS_GIVEN:
        return places
    return places[np.argsort(ORDERS[order][1](answers, places), kind="stable")]


def _count(shown: int, before: int, found: int, total: int) -> str:
    text = f"Pictures {before + 1:,} to {before + shown:,} of {found:,}" if found > shown else f"{found:,} of {total:,}"
    if found > shown and found < total:
        text += f", {total:,} in all classes"
    return f"{text}. Click a picture for details."


def _draw_tiles(
    settings: Settings, grid: Grid, dataset: Dataset, shown: NDArray[np.int64], found: NDArray[np.int64]
) -> None:
    with st.container(horizontal=True, gap="xsmall", key=f"sheet-{grid.key}"):
        for place in shown:
            clicked = st.button(_label(grid, dataset, int(place)), key=f"{grid.key}-at-{place}", width=TILE_PX)
            if clicked:
                picture_dialog.open_image(settings, grid.answers, grid.names, dataset, found, int(place), grid.key)


def _label(grid: Grid, dataset: Dataset, place: int) -> str:
    answers = grid.answers
    row = dataset.rows[int(answers.indices[place])]
    truth = answers.classes[int(answers.labels[place])]
    address = thumbnail_files.address_of(dataset, row)
    image = f"![{frame.plain(truth)}]({address})" if address else ":material/photo_library: missing  \n"
    lines = [f"{image}**is: {_short(truth)}**"]
    if grid.lines is not None:
        lines += [_short(line, 3 * MAX_NAME) for line in grid.lines(place)]
    else:
        for model, who in enumerate(short_names(grid)):
            mark = RIGHT if answers.right[model, place] else WRONG
            predicted = answers.classes[int(answers.predicted[model, place])]
            sure = bind_percent(format_probability(answers.confidence[model, place]))
            lines.append(f"{mark} {f'{frame.plain(who)}: ' if who else ''}{_short(predicted)} {sure}")
    return "  \n".join(lines)


def _short(text: str, length: int = MAX_NAME) -> str:
    return frame.plain(prediction_cache.shorten(text, length))
