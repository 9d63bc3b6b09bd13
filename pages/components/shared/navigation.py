"""The top of every page: links to the pages, and one line on what the visitor has in training.

One tap opens a page, on a phone as well: Streamlit's own menu is a drawer that covers narrow screens.
"""

from collections.abc import Sequence
from contextlib import suppress

import streamlit as st
from streamlit.delta_generator import DeltaGenerator
from streamlit.errors import StreamlitAPIException

from core.actor import Actor
from core.errors import SweepError
from core.room.board import read_board
from core.runs.summary import RunSummary
from core.scheduling.run_queue import sort_active
from core.settings import Settings
from core.sweeps.sweep import Sweep
from core.sweeps.sweep_store import SweepStore
from pages.components.shared.names import plain
from pages.components.shared.page_links import (
    GAME_LINKS,
    HOME,
    MAIN,
    NAVIGATION,
    ROOM,
    has_router,
    link_to_run,
    link_to_sweep,
)
from pages.components.shared.snapshots.runs_snapshot import list_runs, look_at_queue
from pages.components.shared.snapshots.sweep_snapshot import list_active_sweeps, look_at_sweep

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
            elif settings.room and (game := read_board(settings).game):
                label, _, icon = GAME_LINKS[game]
                st.page_link(path, label=label, icon=icon)
            elif settings.room and read_board(settings).leaderboard_shared:
                st.page_link(path, label="Leaderboard", icon=":material/leaderboard:")
        if settings.room:
            st.caption(f"{plain(visitor.name)}{', presenter' if visitor.presenter else ''}", width="content")


def show_status(settings: Settings, visitor: Actor) -> None:
    """One line with a link while something of the visitor trains, on every page but the one that shows it."""
    active, sweeps = _active(settings, visitor), _active_sweeps(settings, visitor)
    shown = _shown(settings)
    if (not active and not sweeps) or any(item.id in shown or item.meta.race in shown for item in active):
        return
    if not any(sweep.id in shown for sweep in sweeps):
        begun = active[-1].id if active else sweeps[-1].id
        st.fragment(_status, run_every=REFRESH_SECONDS)(settings, visitor, begun)


def _status(settings: Settings, visitor: Actor, begun: str) -> None:
    active, sweeps = _active(settings, visitor), _active_sweeps(settings, visitor)
    run = active[-1] if active else next((item for item in list_runs(settings) if item.id == begun), None)
    sweep = sweeps[-1].id if sweeps else begun if begun.startswith("sweep-") else ""
    if sweep and not active:
        with suppress(SweepError):  # deleted just now
            _show_sweep(look_at_sweep(settings, sweep).sweep)
    elif run is not None:
        _show_run(settings, run, active)


def _show_sweep(sweep: Sweep) -> None:
    of = "" if sweep.goal.trials is None else f" of {sweep.goal.trials:,}"
    running = sweep.result is None
    state = f"{sweep.counted:,}{of} trials" if running else sweep.state
    with st.container(key="status"):
        link_to_sweep(
            sweep.id,
            label=f"{plain(sweep.title)} on {plain(sweep.plan.base.dataset)}: {state}",
            icon=":material/travel_explore:" if running else ":material/check_circle:",
        )


def _show_run(settings: Settings, newest: RunSummary, active: Sequence[RunSummary]) -> None:
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
    """The visitor's queued and running runs, newest first; a sweep stands for its trials."""
    return [item for item in list_runs(settings) if item.state.active and item.meta.owner == visitor.id]


def _active_sweeps(settings: Settings, visitor: Actor) -> Sequence[Sweep]:
    """The visitor's sweeps that have not ended, newest first."""
    return [item for item in list_active_sweeps(settings) if item.meta.owner == visitor.id]


def _shown(settings: Settings) -> set[str]:
    """The ids of what this page shows: a run, a race, a sweep with its races."""
    ids = {st.query_params.get(name, "") for name in ("run", "race", "sweep")} - {""}
    with suppress(SweepError):
        ids |= {item.race for item in SweepStore(settings).get(st.query_params.get("sweep", "")).races()}
    return ids
