"""One picture of a dataset, large, with its facts."""

from collections.abc import Sequence

import streamlit as st

from core.datasets.dataset import Dataset, ImageRow
from core.datasets.pictures.decoder import Limits, render_preview
from core.errors import TuneMyPetsError
from core.formatting import SPLIT_NAMES, format_bytes
from core.revisions.corrections import corrected
from core.settings import Settings
from pages.components.explore.picture_corrections import offer_corrections
from pages.components.shared import frame
from pages.components.shared.pictures.close_up import open_close_up

KEY = "explore-close-up"
LONG_SIDE_PX = 900


def open_picture(settings: Settings, dataset: Dataset, rows: Sequence[ImageRow], row: ImageRow) -> None:
    """Open the dialog at a picture among `rows`."""
    open_close_up(
        KEY, len(rows), rows.index(row), lambda at: show_picture(settings, dataset, rows[at]), changes_page=True
    )


def show_picture(settings: Settings, dataset: Dataset, row: ImageRow) -> None:
    """Draw one picture with its facts, inside the dialog."""
    name = dataset.classes[row.label]
    st.markdown(
        f"**{frame.plain(name)}**, {SPLIT_NAMES[row.split]} picture. {row.width:,} × {row.height:,} pixels, "
        f"{format_bytes(row.bytes)}" + "".join(f", {frame.plain(flag)}" for flag in row.flags)
    )
    if frame.actor().may_change(dataset.summary.owner):
        found = corrected(dataset)
        if offer_corrections(dataset, found, [row.index], f"close-up-{row.index}"):
            st.rerun(scope="fragment")
        if row.index in found.changed(dataset):
            label = found.labels[row.index]
            st.caption(f"Corrected: {f'now {frame.plain(label)}' if label else 'left out'}, in the next revision.")
    try:
        shown = render_preview(
            dataset.read_image(row), Limits.from_settings(settings), row.name, LONG_SIDE_PX, dataset.greys
        )
    except TuneMyPetsError as error:
        st.error(frame.plain(str(error)), icon=":material/block:")
    else:
        st.image(shown, width="stretch", alt=f"{name}, {row.name}")
    st.caption(f"{frame.plain(row.name)} · sha256 `{row.sha256[:16]}…`")
