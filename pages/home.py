"""Home: start with the demo or with one's own photos, or continue."""

import time
from typing import NoReturn

import streamlit as st

from core.races import demo
from core.scheduling.scheduler import ensure_scheduler
from core.settings import Settings
from core.sweeps.sweep_store import SweepStore
from pages.components.home import continuing, journey, notices
from pages.components.shared import frame
from pages.components.shared.importing import import_progress
from pages.components.shared.results import recent_runs
from pages.components.shared.snapshots.runs_snapshot import forget_runs, list_runs

LIVE_SECONDS = 4.0  # what the presenter sends appears by itself
DRAWING = "demo-drawing"  # the import that this session waits for


def page() -> None:
    settings = frame.open_page(
        "Home",
        "Drop in labelled photos, press one button, and watch scratch and transfer learning race.",
        heading="TuneMyPets",
    )
    with frame.explained():
        drawing = st.query_params.get("demo")
        if drawing and _follow_demo(settings, drawing):
            return
        if settings.room:
            st.markdown(f"Hello, **{frame.plain(frame.actor().name)}**.")
        left, right = st.columns([3, 2], vertical_alignment="center", gap="medium")
        with left:
            journey.show_journey()
        with right:
            _offer_start(settings)
        st.fragment(_continue, run_every=LIVE_SECONDS if settings.room else None)(settings)
        _fold_recent(settings)


def _offer_start(settings: Settings) -> None:
    with st.container(key="start", height=144, border=False):
        if st.button(
            "See it in 60 seconds",
            type="primary",
            icon=":material/timer:",
            width="stretch",
            key="demo",
            help="Draws cats and dogs and races two networks on them. No internet needed.",
        ):
            dataset = demo.demo_dataset(settings)
            if dataset:
                _race_demo(settings, dataset)
            st.query_params["demo"] = demo.make_demo_dataset(settings, by=frame.actor())
            st.rerun()
        # a link, as Back leads from it to Home at once; from a button it would take two steps
        frame.link(
            frame.EXPLORE, label="Use my photos", icon=":material/add_photo_alternate:", query_params={"add": "1"}
        )


def _follow_demo(settings: Settings, job: str) -> bool:
    """The drawing first; the race as soon as it is done. False if this session does not wait for it, as after Back."""
    status = frame.imports(settings).status(job)
    if status.state == "finished" and status.dataset and st.session_state.pop(DRAWING, None) == job:
        _race_demo(settings, status.dataset)
    if status.state == "finished":
        return False
    st.session_state[DRAWING] = job
    st.subheader("The demo in 60 seconds")
    st.caption("First the pictures are drawn, then the race starts by itself.")
    state = import_progress.follow(settings, job).state
    if state == "running":
        st.fragment(_count_down, run_every=1.0)(settings)
        journey.show_journey()
    else:
        st.button("Back to Home", icon=":material/arrow_back:", on_click=st.query_params.clear)
    return True


def _count_down(settings: Settings) -> None:
    left = demo.follow_drawing(settings).seconds_left(time.time())
    st.markdown(f"**{left:.0f} s** to the result")


def _race_demo(settings: Settings, dataset: str) -> NoReturn:
    race = demo.start_demo(settings, dataset, by=frame.actor())
    ensure_scheduler(settings)
    forget_runs()
    frame.go(frame.COMPARE, query_params={"race": race})


def _continue(settings: Settings) -> None:
    """What may change while the page is open: the presenter's settings and runs, the latest dataset and result."""
    with frame.explained():
        notices.show_game(settings)
        notices.show_collection(settings)
        notices.show_sent(settings, on_train=False)
        continuing.show_card(settings, frame.actor())
        notices.show_pins(settings)


def _fold_recent(settings: Settings) -> None:
    if list_runs(settings) or SweepStore(settings).all():
        folded = st.expander("Recent runs", icon=":material/history:", key="recent", on_change="rerun")
        if folded.open:
            with folded:
                recent_runs.show_recent(settings)


page()
