"""The presenter's buttons for the test of a promise: choose a run and the promise, start, end."""

import streamlit as st

from core.actor import Actor
from core.games.promise import PROMISED, PromiseStore
from core.novelty.not_sure import describe_promise
from core.runs.run import RunState
from core.settings import Settings
from pages.components.room.games.game_snapshot import current_promise, redraw_games
from pages.components.shared import frame
from pages.components.shared.snapshots.runs_snapshot import list_runs


def show_controls(settings: Settings, by: Actor) -> None:
    """Draw the buttons; they do not refresh by themselves."""
    view = current_promise(settings)
    if view is None:
        _offer_test(settings, by)
        return
    with st.container(horizontal=True, key="promise-controls"):
        if view.open and st.button("End the test", icon=":material/stop:", key="promise-end"):
            PromiseStore(settings).close(view.id, by=by)
            redraw_games()
        with st.popover("New test", icon=":material/handshake:", key="promise-new"):
            _offer_test(settings, by)


def _offer_test(settings: Settings, by: Actor) -> None:
    runs = {
        item.id: f"{item.title} on {item.meta.dataset_title} · {item.id[-6:]}"
        for item in list_runs(settings)
        if item.state is RunState.FINISHED and not item.is_curve
    }
    if not runs:
        st.info("There is no finished run yet: train a network, then test its promise.")
        return
    with st.form("promise-start", border=False):
        chosen = st.selectbox("Run", list(runs), format_func=runs.__getitem__, key="promise-run")
        promise = st.selectbox(
            "At most this many known pictures are called strange", PROMISED, format_func=describe_promise,
            key="promise-share",
        )  # fmt: skip
        if st.form_submit_button("Start the test", type="primary", icon=":material/handshake:"):
            with frame.explained(), st.spinner("Comparing with the training pictures"):
                frame.predictor(settings).know_pictures(chosen)
                PromiseStore(settings).start(chosen, promise, by=by)
                redraw_games()
