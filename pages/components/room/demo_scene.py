"""The demo on the wall: started here, followed here, with a link to its page."""

from collections.abc import Sequence

import streamlit as st

from core.actor import Actor
from core.races import demo
from core.races.race import Race
from core.scheduling.scheduler import ensure_scheduler
from core.settings import Settings
from pages.components.room.lanes import show_lanes
from pages.components.shared import frame
from pages.components.shared.snapshots.race_snapshot import forget_races, races_of

DRAWING = "room-demo"  # the import that draws the pictures of the demo


def show_demo(settings: Settings, by: Actor) -> None:
    """Draw the newest demo, or the button that starts one."""
    job = st.session_state.get(DRAWING)
    dataset = demo.demo_dataset(settings)
    if job and dataset:
        del st.session_state[DRAWING]
        _start(settings, dataset, by)
    elif job:
        st.markdown("Drawing cats and dogs …")
    race = _newest(races_of(settings), dataset)
    label = "Start it again" if race else "Start the 60-second demo"
    if not job and not (race and race.state.active):
        if race is None:
            st.markdown(
                "Two networks learn to tell drawn cats from drawn dogs: **Scratch** starts with random weights, "
                "**Transfer** with weights that were trained on other pictures. Which one is better after a minute?"
            )
        if st.button(label, type="primary", icon=":material/timer:", key="room-demo-start"):
            if dataset:
                _start(settings, dataset, by)
            else:
                st.session_state[DRAWING] = demo.make_demo_dataset(settings, by=by)
            st.rerun()
    if race is not None:
        show_lanes(settings, race.runs)
        frame.link_to_run(race.runs[0].id, race.id, label="Open the race", icon=":material/open_in_full:")


def _newest(races: Sequence[Race], dataset: str | None) -> Race | None:
    return next((race for race in races if race.dataset == dataset and race.runs), None)


def _start(settings: Settings, dataset: str, by: Actor) -> None:
    demo.start_demo(settings, dataset, by=by)
    ensure_scheduler(settings)
    forget_races()
