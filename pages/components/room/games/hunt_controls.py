"""The presenter's buttons for a hunt: choose a dataset, how many wrong labels and how long; end it."""

import streamlit as st

from core.actor import Actor
from core.games.hunt import PICTURES, PLANTED, HuntStore
from core.games.planting import FEWEST_PLANTED, MAX_PICTURES, MAX_PLANTED
from core.settings import Settings
from pages.components.room.games.game_snapshot import current_hunt, redraw_games
from pages.components.shared import frame
from pages.components.shared.dataset_cache import list_datasets

MINUTES = (1, 2, 3, 5, 10)


def show_controls(settings: Settings, by: Actor) -> None:
    """Draw the buttons; they do not refresh by themselves."""
    view = current_hunt(settings)
    if view is None:
        _offer_hunt(settings, by)
        return
    with st.container(horizontal=True, key="hunt-controls"):
        if not view.over and st.button("End the hunt", icon=":material/stop:", key="hunt-end"):
            HuntStore(settings).end(view.id, by=by)
            redraw_games()
        with st.popover("New hunt", icon=":material/search:", key="hunt-new"):
            _offer_hunt(settings, by)


def _offer_hunt(settings: Settings, by: Actor) -> None:
    datasets = {item.id: item for item in list_datasets(settings) if len(item.classes) > 1}
    if not datasets:
        st.info("There is no dataset yet: add one on Explore, or collect photos with the room.")
        return
    with st.form("hunt-start", border=False):
        chosen = st.selectbox(
            "Dataset", list(datasets), format_func=lambda name: datasets[name].title, key="hunt-dataset",
            help="A copy is made, which nothing can train on.",
        )  # fmt: skip
        with st.container(horizontal=True):
            planted = st.number_input(
                "Wrong labels", FEWEST_PLANTED, MAX_PLANTED, PLANTED, key="hunt-planted", width=140
            )
            pictures = st.number_input("Pictures", 8, MAX_PICTURES, PICTURES, step=20, key="hunt-pictures", width=140)
            minutes = st.selectbox("Minutes", MINUTES, index=3, key="hunt-minutes", width=120)
        if st.form_submit_button("Plant and start", type="primary", icon=":material/search:"):
            with frame.explained():
                there = min(int(pictures), datasets[chosen].images)
                store = HuntStore(settings)
                hunt_id = store.start(
                    chosen, planted=min(int(planted), max(FEWEST_PLANTED, there // 5)), pictures=there,
                    seconds=60.0 * minutes, by=by,
                )  # fmt: skip
                store.start_doctor(hunt_id, by=by)
                redraw_games()
