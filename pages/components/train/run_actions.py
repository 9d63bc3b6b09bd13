"""Run actions: stop, resume, evaluate, try, rename, delete. Core decides who may."""

import streamlit as st

from core.errors import TuneMyPetsError
from core.jobs.evaluation_job import start_evaluation
from core.jobs.scheduler import ensure_scheduler
from core.runs.failures import remedy
from core.runs.run import RunState
from core.settings import Settings
from pages.components.shared import frame
from pages.components.shared.prefilled_form import offer_prefilled
from pages.components.shared.runs_snapshot import RunSnapshot, forget_runs


def show_actions(settings: Settings, snapshot: RunSnapshot) -> None:
    """Draw the buttons that make sense for a run in its state, for this visitor."""
    mine = frame.actor().may_change(snapshot.meta.owner)
    if not mine:
        st.caption(f"{frame.only_owner(settings, snapshot.meta.owner)} can stop, rename or delete this run.")
    if snapshot.state.active:
        if snapshot.stopping:
            st.caption("Stopping …")
        elif mine:
            _offer_stop(settings, snapshot)
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        if mine:
            _offer_more(settings, snapshot)
        if snapshot.has_weights:
            frame.link(
                frame.PREDICT,
                label="Try it on your own picture",
                icon=":material/image_search:",
                query_params={"run": snapshot.id},
            )
        offer_prefilled(
            snapshot.config,
            "Use its settings",
            "Opens the training form with the settings of this run.",
            key=f"again-{snapshot.id}",
        )
        if mine:
            _offer_changes(settings, snapshot)


def _offer_stop(settings: Settings, snapshot: RunSnapshot) -> None:
    if st.button(
        "Stop",
        key=f"stop-{snapshot.id}",
        icon=":material/stop:",
        help="Ends the training and keeps the result so far.",
    ):
        try:
            frame.runs(settings).request_stop(snapshot.id, by=frame.actor())
        except TuneMyPetsError as error:
            st.info(frame.plain(str(error)))
        forget_runs()
        st.rerun()


def _offer_more(settings: Settings, snapshot: RunSnapshot) -> None:
    interrupted = snapshot.state is RunState.INTERRUPTED and snapshot.result is None
    if interrupted and st.button(
        "Resume",
        key=f"resume-{snapshot.id}",
        icon=":material/play_arrow:",
        type="primary",
        help="Continues from the last checkpoint, or starts again if there is none.",
    ):
        frame.runs(settings).resume(snapshot.id, by=frame.actor())
        ensure_scheduler(settings)
        forget_runs()
        st.rerun()
    smaller = remedy(snapshot.config, snapshot.result)
    if smaller is not None and st.button(
        f"Train again with half the batch ({smaller.batch_size})",
        key=f"half-{snapshot.id}",
        icon=":material/replay:",
        type="primary",
        help="A new run with the same settings that needs about half the memory.",
    ):
        run = frame.runs(settings).create(smaller, by=frame.actor())
        ensure_scheduler(settings)
        forget_runs()
        frame.go(frame.TRAIN, query_params={"run": run.id})
    untested = snapshot.history.tested is None and snapshot.has_weights
    if untested and st.button(
        "Evaluate",
        key=f"judge-{snapshot.id}",
        icon=":material/science:",
        help="Computes the test result, once, with the best weights.",
    ):
        start_evaluation(settings, snapshot.id, by=frame.actor())
        st.toast("Evaluation started: the result appears here in a few seconds.")
        forget_runs()


def _offer_changes(settings: Settings, snapshot: RunSnapshot) -> None:
    with st.popover("Rename or delete", icon=":material/edit:", key=f"change-{snapshot.id}"):
        current = snapshot.config.note if snapshot.meta.title is None else snapshot.meta.title
        title = st.text_input(
            "Title", current, max_chars=80, key=f"title-{snapshot.id}", help="Shown after network and strategy."
        )
        if st.button("Rename", key=f"rename-{snapshot.id}", icon=":material/save:"):
            frame.runs(settings).rename(snapshot.id, title, by=frame.actor())
            forget_runs()
            st.rerun()
        st.caption("Deletes weights and results for good; the pictures stay.")
        if st.button("Delete this run", key=f"delete-{snapshot.id}", icon=":material/delete:"):
            frame.runs(settings).delete(snapshot.id, by=frame.actor())
            forget_runs()
            frame.go(frame.TRAIN, query_params={})
