"""The dialog of one picture of a dataset: large, with its facts; its buttons lead to the ones before and after."""

from collections.abc import Sequence

import streamlit as st

from core.datasets.dataset import Dataset, ImageRow
from core.datasets.pictures.decoder import Limits, render_preview
from core.errors import TuneMyPetsError
from core.formatting import SPLIT_NAMES, format_bytes
from core.settings import Settings
from pages.components.shared import frame

KEY = "explore-close-up"
LONG_SIDE_PX = 900


def open_picture(settings: Settings, dataset: Dataset, rows: Sequence[ImageRow], row: ImageRow) -> None:
    """Open the dialog at a picture among `rows`."""
    st.session_state[KEY] = rows.index(row)

    @st.dialog("One picture", width="large")
    def look() -> None:
        at = min(st.session_state[KEY], len(rows) - 1)
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
            previous = st.button("Previous", key=f"{KEY}-previous", icon=":material/arrow_back:", disabled=at == 0)
            st.markdown(f"**{at + 1:,}** of {len(rows):,}", width="content")
            following = st.button(
                "Next", key=f"{KEY}-next", icon=":material/arrow_forward:", disabled=at == len(rows) - 1
            )
        if previous or following:
            st.session_state[KEY] = at + (1 if following else -1)
            st.rerun(scope="fragment")
        with frame.explained():
            _show(settings, dataset, rows[at])

    look()


def _show(settings: Settings, dataset: Dataset, row: ImageRow) -> None:
    name = dataset.classes[row.label]
    st.markdown(
        f"**{frame.plain(name)}**, {SPLIT_NAMES[row.split]} picture. {row.width:,} × {row.height:,} pixels, "
        f"{format_bytes(row.bytes)}" + "".join(f", {frame.plain(flag)}" for flag in row.flags)
    )
    try:
        shown = render_preview(
            dataset.read_image(row), Limits.from_settings(settings), row.name, LONG_SIDE_PX, dataset.greys
        )
    except TuneMyPetsError as error:
        st.error(frame.plain(str(error)), icon=":material/block:")
    else:
        st.image(shown, width="stretch", alt=f"{name}, {row.name}")
    st.caption(f"{frame.plain(row.name)} · sha256 `{row.sha256[:16]}…`")
