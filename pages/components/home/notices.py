"""The presenter's notices for everyone: pinned runs, settings to start from, photos that are collected, games."""

import streamlit as st

from core.formatting import format_count
from core.room.board import Board, read_board
from core.settings import Settings
from pages.components.shared import frame
from pages.components.shared.page_links import GAME_HINTS, GAME_LINKS
from pages.components.shared.pictures.mosaic import current_collection
from pages.components.shared.prefilled_form import prefill
from pages.components.shared.results.recent_runs import draw_run
from pages.components.shared.snapshots.runs_snapshot import list_runs
from pages.server.collect_page import PAGE


def show_pins(settings: Settings) -> None:
    """Draw the pinned runs; nothing where there are none."""
    pins = read_board(settings).pins
    found = {item.id: item for item in list_runs(settings) if item.id in pins}
    if found:
        st.subheader(":material/keep: Pinned by the presenter")
        for run_id in pins:
            if run_id in found:
                draw_run(settings, found[run_id])


def show_collection(settings: Settings) -> None:
    """Ask for photos while the room collects some."""
    view = current_collection(settings) if settings.room else None
    if view is not None and view.collection.open:
        with st.container(border=True, horizontal=True, vertical_alignment="center"):
            title = frame.plain(view.collection.title)
            st.markdown(f":material/photo_camera: **{title}**: everyone collects photos.", width="stretch")
            st.link_button("Add yours", PAGE.lstrip("/"), icon=":material/add_a_photo:")


def show_game(settings: Settings) -> None:
    """Ask everyone to join the game that the presenter opened."""
    game = read_board(settings).game if settings.room else ""
    if game and not frame.actor().presenter:
        link, title, icon = GAME_LINKS[game]
        with st.container(border=True, horizontal=True, vertical_alignment="center"):
            st.markdown(f"{icon} **{title}**: {GAME_HINTS[game]}", width="stretch")
            frame.link(frame.ROOM, label=link, icon=icon)


def show_sent(settings: Settings, *, on_train: bool) -> None:
    """Offer the settings that the presenter sent; a click fills the form of the Train page with them.

    Args:
        on_train: whether the form is on this page.
    """
    board = read_board(settings)
    if board.sent is None or st.session_state.get("sent-used") == board.sent.time:
        return
    sent = board.sent
    here = frame.datasets(settings).summaries()
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        st.markdown(
            f":material/campaign: **{frame.plain(sent.sender)}** sent settings to everyone: {_words(board)}.",
            width="stretch",
        )
        if not any(item.id == sent.config.dataset for item in here):
            st.caption("Their dataset was deleted.")
        elif st.button(
            "Use these settings",
            type="primary",
            icon=":material/download:",
            key="sent-use",
            on_click=prefill,
            args=(sent.config,),
        ):
            st.session_state["sent-used"] = sent.time
            if on_train:
                st.rerun()
            frame.go(frame.TRAIN, query_params={"dataset": sent.config.dataset})


def _words(board: Board) -> str:
    assert board.sent is not None
    config = board.sent.config
    epochs = format_count(config.epochs, "epoch")
    return f"{frame.plain(config.title())}, {epochs} on {frame.plain(config.dataset)}"
