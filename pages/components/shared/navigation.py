"""The top of every page: links to the pages, and one line on what the visitor has in training.

One tap opens a page, on a phone as well: Streamlit's own menu is a drawer that covers narrow screens.
"""

from collections.abc import Sequence
from contextlib import suppress

import streamlit as st
from streamlit.delta_generator import DeltaGenerator
from streamlit.errors import StreamlitAPIException

from core.actor import Actor
from core.jobs.run_queue import sort_active
from core.room.board import read_board
from core.runs.summary import RunSummary
from core.settings import Settings
from pages.components.shared.names import plain
from pages.components.shared.page_links import HOME, MAIN, NAVIGATION, ROOM, has_router, link_to_run
from pages.components.shared.runs_snapshot import list_runs, look_at_queue

REFRESH_SECONDS = 3.0


def reserve_navigation() -> DeltaGenerator:
    """The place of the links, so that the page does not move when they arrive."""
    return st.container(horizontal=True, key="navigation", gap="xsmall", vertical_alignment="center")


def show_navigation(place: DeltaGenerator, settings: Settings, visitor: Actor) -> None:
    """Draw the links, the same with and without the router, so that a deep link looks like any visit."""
    with place, suppress(StreamlitAPIException):
        for path, (label, icon) in NAVIGATION.items():
            if path != ROOM:
                st.page_link(MAIN if path == HOME and not has_router() else path, label=label, icon=icon)
            elif settings.room and visitor.presenter:
                st.page_link(path, label=label, icon=icon)
            elif settings.room and read_board(settings).leaderboard_shared:
                st.page_link(path, label="Leaderboard", icon=":material/leaderboard:")
        if settings.room:
            st.caption(f"{plain(visitor.name)}{', presenter' if visitor.presenter else ''}", width="content")


def show_status(settings: Settings, visitor: Actor) -> None:
    """One line with a link while something of the visitor trains, on every page but the one that shows it."""
    active = _active(settings, visitor)
    if active and not any(_is_shown(item) for item in active):
        st.fragment(_status, run_every=REFRESH_SECONDS)(settings, visitor, active[-1])


def _status(settings: Settings, visitor: Actor, begun: RunSummary) -> None:
    active = _active(settings, visitor)
    newest = active[-1] if active else next((item for item in list_runs(settings) if item.id == begun.id), None)
    if newest is None:
        return
    title = newest.meta.plan.title if newest.meta.plan else ""
    name = title or ("Race" if newest.meta.race else newest.title)
    running, waiting = sort_active(active, look_at_queue(settings))
    parts = [f"{len(found)} {word}" for found, word in ((running, "training"), (waiting, "waiting")) if found]
    state = ", ".join(parts) if active else newest.state.value
    with st.container(key="status"):
        link_to_run(
            newest.id,
            newest.meta.race,
            label=f"{plain(name)} on {plain(newest.config.dataset)}: {state}",
            icon=":material/model_training:" if active else ":material/check_circle:",
        )


def _active(settings: Settings, visitor: Actor) -> Sequence[RunSummary]:
    """The visitor's queued and running runs, newest first."""
    return [item for item in list_runs(settings) if item.state.active and item.meta.owner == visitor.id]


def _is_shown(item: RunSummary) -> bool:
    shown = (st.query_params.get("run", ""), st.query_params.get("race", ""))
    return item.id in shown or bool(item.meta.race and item.meta.race in shown)
