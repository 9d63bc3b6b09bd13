"""Room: the scenes of a workshop and a remote for the presenter; for everyone, games and the leaderboard."""

from collections.abc import Callable

import streamlit as st

from core.actor import Actor
from core.room.board import SCENES, read_board, show_scene
from core.settings import Settings
from pages.components.room import (
    collect_scene,
    demo_scene,
    goodbye_scene,
    join_scene,
    lanes,
    leaderboard_scene,
    node_table,
    people_table,
    queue_table,
    remote,
)
from pages.components.room.games import game_scene
from pages.components.shared import door, frame
from pages.components.shared.page_links import GAME_LINKS

LABELS = dict(
    zip(SCENES, ("Join", "Demo", "Collect", "Everyone trains", "Games", "Leaderboard", "Goodbye"), strict=True)
)
REFRESH_SECONDS = 3.0
# an element of the wall's page: with `:has(.st-key-wall)` in a style sheet, every change on any page is looked at
ALONE = """<style>
#root :is(.st-key-navigation, .st-key-status, [data-testid="stHeading"]) {display: none}
#root [data-testid="stMainBlockContainer"] {padding: 1.5rem 2.5rem}
</style>"""
DETAILS: dict[str, tuple[str, Callable[[Settings, Actor], None]]] = {
    "Queue": (":material/low_priority:", queue_table.show_queue),
    "People": (":material/group:", lambda settings, _: people_table.show_people(settings)),
    "Machine": (":material/memory:", lambda settings, _: people_table.show_machine(settings)),
}

CLUSTER: dict[str, tuple[str, Callable[[Settings, Actor], None]]] = {
    "Cluster": (":material/lan:", lambda settings, _: node_table.show_nodes(settings)),
}


def page() -> None:
    settings = frame.open_page(_title(Settings.from_environment()))
    with frame.explained():
        by = frame.actor()
        if not by.presenter:
            if game_scene.play(settings, by):
                return
            if read_board(settings).leaderboard_shared:
                st.fragment(leaderboard_scene.show_leaderboard, run_every=10.0)(settings)
            else:
                st.fragment(_wait, run_every=REFRESH_SECONDS)(settings)
            return
        if remote.WALL in st.query_params:
            st.html(ALONE)
            with st.container(key="wall"):
                _show_scene(settings, by)
            if st.button("Remote", icon=":material/settings_remote:", type="tertiary", key="room-remote-back"):
                frame.go(frame.ROOM, query_params={})
            return
        _choose_scene(settings, by)
        with st.container(key="room-columns"):
            left, right = st.columns([11, 4], gap="medium")
        with right.container(key="room-remote"):  # first: on a phone it stands above the scene, folded
            st.fragment(remote.show_figures, run_every=REFRESH_SECONDS)(settings)
            with st.expander("Remote", expanded=not remote.is_phone(), icon=":material/settings_remote:"):
                remote.show_remote(settings, by)
        with left.container(key="room-scene-place"):
            if read_board(settings).scene == "collect":
                collect_scene.show_controls(settings, by)
            elif read_board(settings).scene == "games":
                with frame.explained():
                    game_scene.show_controls(settings, by)
            if _show_scene(settings, by) == "goodbye":
                remote.offer_shutdown(settings, by)
        for name, (icon, show) in (DETAILS | (CLUSTER if settings.cluster else {})).items():
            details = st.expander(name, icon=icon, key=f"room-{name.lower()}", on_change="rerun")
            if details.open:
                with details:
                    st.fragment(_explained, run_every=REFRESH_SECONDS)(show, settings, by)


def _wait(settings: Settings) -> None:
    """What an attendee sees before the presenter opens something."""
    board = read_board(settings)
    if board.game or board.leaderboard_shared:
        st.rerun()
    st.info(
        "This page is for the presenter only. A game or the leaderboard appears here as soon as they open it.",
        icon=":material/hourglass_top:",
    )


def _title(settings: Settings) -> str:
    """What the page is for the visitor: an attendee comes for the open game or the leaderboard."""
    person = door.visitor(settings) if settings.room else None
    if person is None or person.presenter or door.SECRET in st.query_params or door.is_presenter(settings):
        return "Room"
    board = read_board(settings)
    if board.game:
        return GAME_LINKS[board.game][1]
    return "Leaderboard" if board.leaderboard_shared else "Room"


def _choose_scene(settings: Settings, by: Actor) -> None:
    def change() -> None:
        show_scene(settings, st.session_state["room-scene"], by)

    st.session_state["room-scene"] = read_board(settings).scene
    with st.container(key="room-scenes"):
        st.segmented_control(
            "Scene",
            SCENES,
            format_func=LABELS.__getitem__,
            required=True,
            key="room-scene",
            on_change=change,
            label_visibility="collapsed",
        )


def _show_scene(settings: Settings, by: Actor) -> str:
    """Draw the scene that the presenter chose last, on whichever device."""
    scene, game = read_board(settings).scene, game_scene.describe_state(settings)

    def draw(settings: Settings, by: Actor) -> None:
        if read_board(settings).scene != scene:
            st.rerun()
        match scene:
            case "demo":
                demo_scene.show_demo(settings, by)
            case "collect":
                collect_scene.show_collecting(settings)
            case "train":
                lanes.show_everyone(settings)
            case "games":
                if game_scene.describe_state(settings) != game:
                    st.rerun()  # other buttons fit now
                game_scene.show_game(settings)
            case "leaderboard":
                leaderboard_scene.show_leaderboard(settings)
            case "goodbye":
                goodbye_scene.show_goodbye(settings)
            case _:
                join_scene.show_joining(settings)

    st.fragment(_explained, run_every=REFRESH_SECONDS)(draw, settings, by)
    return scene


def _explained(show: Callable[[Settings, Actor], None], settings: Settings, by: Actor) -> None:
    with frame.explained():
        show(settings, by)


page()
