"""The same ten validation pictures in one row, each with the network's latest answer."""

import html

import streamlit as st

from core.errors import DatasetError
from core.formatting import bind_percent, format_probability
from core.settings import Settings
from pages.components.shared.dataset_cache import open_dataset
from pages.components.shared.pictures.gallery import MARKS, Tiles, data_uri
from pages.components.shared.snapshots.runs_snapshot import RunSnapshot
from pages.components.shared.snapshots.shared_cache import SharedCache

PLACES = 10  # shown before the run has chosen its pictures
_strips: SharedCache[tuple[Settings, str, int], Tiles] = SharedCache(None, max_entries=64)


def show_strip(settings: Settings, snapshot: RunSnapshot) -> None:
    """Draw the row; grey places before the run has begun, nothing where it never will."""
    described, strip = snapshot.history.described, snapshot.history.strip
    if described is None:
        if snapshot.moving:
            st.markdown("##### Validation pictures")
            st.html(_row("".join('<figure><div class="run-empty"></div></figure>' for _ in range(PLACES))))
        return
    if not described.strip:
        return
    key = settings, snapshot.id, strip.epoch if strip else 0
    try:
        tiles = _strips.get(key, lambda: _arrange(settings, snapshot))
    except DatasetError:
        st.caption("The validation pictures are not shown: their dataset was deleted or changed.")
        return
    right = sum(1 for answer in strip.predictions if answer["correct"]) if strip else 0
    count = len(described.strip)
    after = f": {right} of {count} right after epoch {strip.epoch}" if strip else ""
    st.markdown(f"##### Validation pictures{after}")
    st.html(tiles)


def _arrange(settings: Settings, snapshot: RunSnapshot) -> Tiles:
    """The fixed pictures with the predictions after an epoch.

    Raises:
        DatasetError: if the dataset was deleted or changed.
    """
    described, strip = snapshot.history.described, snapshot.history.strip
    dataset = open_dataset(settings, snapshot.config.dataset, snapshot.meta.dataset_fingerprint)
    answers = {item["index"]: item for item in strip.predictions} if strip else {}
    cells = []
    for picture in described.strip if described else []:
        row = dataset.rows[picture["index"]]
        truth, answer = html.escape(dataset.classes[row.label]), answers.get(picture["index"])
        if answer is None:
            sign, colour, word = MARKS["waiting"]
            said = truth
        else:
            sign, colour, word = MARKS["right" if answer["correct"] else "wrong"]
            predicted = dataset.classes[answer["predicted"]]
            said = html.escape(f"{predicted} {bind_percent(format_probability(answer['probability']))}")
        cells.append(
            f'<figure><img alt="{truth}: {word}" src="{data_uri(dataset.thumbnail_path(row))}">'
            f'<figcaption title="{said}"><b style="color:{colour}" aria-hidden="true">{sign}</b> {said}</figcaption>'
            "</figure>"
        )
    return Tiles(_row("".join(cells)))


def _row(cells: str) -> str:
    label = "The same validation pictures after each epoch"
    return f'<div class="run-strip" tabindex="0" role="region" aria-label="{label}">{cells}</div>'
