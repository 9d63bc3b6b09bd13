"""Run actions: stop, resume, start again, evaluate, try, compare, rename, delete. Core decides who may."""

import streamlit as st

from core.config.train_config import TrainConfig
from core.jobs.workers.evaluation_job import start_evaluation
from core.runs.failures import remedy
from core.runs.run import RunState
from core.scheduling.scheduler import ensure_scheduler
from core.settings import Settings
from pages.components.shared import frame
from pages.components.shared.prefilled_form import SINGLE, prefill
from pages.components.shared.progress_bar import offer_stop
from pages.components.shared.snapshots.runs_snapshot import RunSnapshot, forget_runs


def show_actions(settings: Settings, snapshot: RunSnapshot) -> None:
    """Draw the buttons that make sense for a run in its state, for this visitor."""
    mine = frame.actor().may_change(snapshot.meta.owner)
    with st.container(horizontal=True, vertical_alignment="center", key="run-actions", gap="small"):
        if not mine:
            st.caption(f"{frame.only_owner(settings, snapshot.meta.owner)} can stop, rename or delete this run.")
        if snapshot.state.active:
            if mine:
                _offer_stop(settings, snapshot)
        else:
            _offer_next(settings, snapshot, mine)
    with st.container(horizontal=True, gap="small", key="run-links"):
        if snapshot.history.tested is not None:
            frame.link(frame.COMPARE, label="Compare", icon=":material/balance:", query_params={"runs": snapshot.id})
        if snapshot.meta.sweep is not None:
            frame.link_to_sweep(snapshot.meta.sweep, label="See its sweep", icon=":material/travel_explore:")
        elif snapshot.meta.race:
            frame.link(
                frame.COMPARE,
                label="See its race",
                icon=":material/flag:",
                query_params={"race": snapshot.meta.race},
            )
        else:
            frame.link(frame.TRAIN, label="New training", icon=":material/add:")


def _offer_next(settings: Settings, snapshot: RunSnapshot, mine: bool) -> None:
    if snapshot.has_weights and st.button(
        "Try it",
        type="primary",
        key=f"try-it-{snapshot.id}",
        icon=":material/image_search:",
        help="Opens Predict with this network.",
    ):
        frame.go(frame.PREDICT, query_params={"run": snapshot.id})
    if mine:
        _offer_more(settings, snapshot)
    if snapshot.state in (RunState.STOPPED, RunState.FAILED, RunState.INTERRUPTED) and st.button(
        "Start again",
        key=f"again-{snapshot.id}",
        icon=":material/replay:",
        help="A new run with the same settings, from the beginning.",
    ):
        _create(settings, snapshot.config)
    if st.button(
        "Use its settings",
        key=f"settings-{snapshot.id}",
        icon=":material/tune:",
        help="Opens the training form with the settings of this run.",
        on_click=prefill,
        args=(snapshot.config, SINGLE),
    ):
        frame.go(frame.TRAIN, query_params={"dataset": snapshot.config.dataset})
    if mine:
        _offer_changes(settings, snapshot)


def _create(settings: Settings, config: TrainConfig) -> None:
    """A new run, and its page; or why not."""
    with frame.explained():
        run = frame.runs(settings).create(config, by=frame.actor())
        ensure_scheduler(settings)
        forget_runs()
        frame.go(frame.TRAIN, query_params={"run": run.id})


def _offer_stop(settings: Settings, snapshot: RunSnapshot) -> None:
    offer_stop(
        lambda: frame.runs(settings).request_stop(snapshot.id, by=frame.actor()),
        forget_runs,
        f"stop-{snapshot.id}",
        kept="Ends the training and keeps the result so far.",
        stopping=snapshot.stopping,
    )


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
        _create(settings, smaller)
    untested = snapshot.history.tested is None and snapshot.has_weights and not snapshot.evaluating
    if (
        untested
        and snapshot.meta.sweep is None
        and st.button(
            "Evaluate",
            key=f"evaluate-{snapshot.id}",
            icon=":material/science:",
            help="Computes the test result, once, with the best weights.",
        )
    ):
        with st.spinner("Starting the evaluation"):
            start_evaluation(settings, snapshot.id, by=frame.actor())
        forget_runs()
        st.rerun()


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
        _offer_deletion(settings, snapshot)


def _offer_deletion(settings: Settings, snapshot: RunSnapshot) -> None:
    """A button that asks once before it deletes."""
    asked = f"deletion-asked-{snapshot.id}"
    if not st.session_state.get(asked):
        st.button(
            "Delete …", key=f"delete-{snapshot.id}", icon=":material/delete:",
            on_click=lambda: st.session_state.update({asked: True}),
        )  # fmt: skip
        return
    st.warning("Its weights and results are deleted for good; the pictures stay.", icon=":material/delete:")
    if st.button("Delete for good", key=f"delete-now-{snapshot.id}", type="primary", icon=":material/delete:"):
        frame.runs(settings).delete(snapshot.id, by=frame.actor())
        forget_runs()
        frame.go(frame.TRAIN, query_params={})
    st.button("Keep it", key=f"keep-{snapshot.id}", on_click=lambda: st.session_state.pop(asked, None))
