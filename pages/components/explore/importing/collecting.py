"""What the room collects at the moment: the mosaic, and the way to add to it; for the presenter, the way to begin."""

import streamlit as st

from core.room.board import show_scene
from core.settings import Settings
from pages.components.shared import frame
from pages.components.shared.pictures.mosaic import current_collection, describe_people, show_mosaic
from pages.server.collect_page import PAGE

REFRESH_SECONDS = 3.0


def show_collection(settings: Settings) -> None:
    """Draw the open collection, if there is one."""
    view = current_collection(settings)
    if view is None or not view.collection.open:
        return
    with st.container(border=True, key="collection"):
        st.markdown(f"**{frame.plain(view.collection.title)}**: everyone collects photos.")
        with st.container(horizontal=True):
            st.link_button("Add yours", PAGE.lstrip("/"), icon=":material/add_a_photo:")
            _offer_scene(settings)
        st.fragment(_show_pictures, run_every=REFRESH_SECONDS)(settings)


def offer_collection(settings: Settings) -> None:
    """Let the presenter begin one, where none is open."""
    view = current_collection(settings)
    if view is None or not view.collection.open:
        _offer_scene(settings)


def _offer_scene(settings: Settings) -> None:
    by = frame.actor()
    if by.presenter and st.button(
        "Collect photos with phones",
        icon=":material/qr_code:",
        key="collect-here",
        help="Everyone adds to one dataset: Room shows a code for phones, and the photos as they come.",
    ):
        show_scene(settings, "collect", by)
        frame.go(frame.ROOM, query_params={})


def _show_pictures(settings: Settings) -> None:
    view = current_collection(settings)
    if view is not None:
        st.caption(describe_people(view))
        show_mosaic(settings, view)
