"""Actions of a sweep: stop, use its settings, add trials, train the best again, delete. Core decides who may."""

import streamlit as st

from core.settings import Settings
from core.sweeps.final_race import BEST, start_final_race
from core.sweeps.sweep_store import SweepStore, ensure_sweeper
from pages.components.shared import frame
from pages.components.shared.prefilled_form import SINGLE, prefill
from pages.components.shared.progress_bar import offer_stop
from pages.components.shared.snapshots.sweep_snapshot import SweepSnapshot, forget_sweeps

MORE = 20  # trials


def show_actions(settings: Settings, snapshot: SweepSnapshot) -> None:
    """Draw the buttons that make sense for a sweep in its state, for this visitor."""
    sweep = snapshot.sweep
    mine = frame.actor().may_change(sweep.meta.owner)
    with st.container(horizontal=True, vertical_alignment="center", key="run-actions", gap="small"):
        if not mine:
            st.caption(f"{frame.only_owner(settings, sweep.meta.owner)} can stop, continue or delete this sweep.")
        if snapshot.running:
            if mine:
                _offer_stop(settings, snapshot)
        else:
            _offer_next(settings, snapshot, mine=mine)
    if mine and not snapshot.running:
        _ask_for_deletion(settings, sweep.id)
    with st.container(horizontal=True, gap="small", key="run-links"):
        if snapshot.race is not None:
            frame.link(
                frame.COMPARE,
                label="See the race of the best settings",
                icon=":material/flag:",
                query_params={"race": snapshot.race.race.id},
            )
        if sweep.best is not None and sweep.best.runs:
            frame.link_to_run(
                sweep.best.runs[0], None, label=f"Best trial ({sweep.best.number})", icon=":material/trophy:"
            )
        frame.link(frame.TRAIN, label="New training", icon=":material/add:")


def _offer_stop(settings: Settings, snapshot: SweepSnapshot) -> None:
    sweep = snapshot.sweep
    offer_stop(
        lambda: SweepStore(settings).request_stop(sweep.id, by=frame.actor()),
        forget_sweeps,
        f"sweep-stop-{sweep.id}",
        kept="Ends the sweep and keeps what its trials have found.",
        stopping=sweep.stopping,
        label="Stop and keep",
    )


def _offer_next(settings: Settings, snapshot: SweepSnapshot, *, mine: bool) -> None:
    sweep, best = snapshot.sweep, snapshot.sweep.best_config
    untrained = mine and best is not None and best != sweep.plan.base and snapshot.race is None
    if untrained and st.button(
        "Train the best",
        type="primary",
        key=f"sweep-train-{sweep.id}",
        icon=":material/flag:",
        help="Trains the best settings and the base again, three seeds each, and compares them on the test pictures.",
    ):
        _train_best(settings, snapshot)
    if best is not None and st.button(
        "Use these settings",
        type="secondary" if untrained or _shown_no_better(snapshot) else "primary",
        key=f"sweep-use-{sweep.id}",
        icon=":material/tune:",
        help="Opens the training form with the best settings.",
        on_click=prefill,
        args=(best, SINGLE),
    ):
        frame.go(frame.TRAIN, query_params={"dataset": best.dataset})
    if mine:
        if st.button(
            f"Add {MORE} trials",
            key=f"sweep-more-{sweep.id}",
            icon=":material/add:",
            help="Every combination was tried." if sweep.exhausted else "The sweep continues where it ended.",
            disabled=sweep.exhausted,
        ):
            SweepStore(settings).extend(sweep.id, trials=MORE, by=frame.actor())
            ensure_sweeper(settings)
            forget_sweeps()
            st.rerun()
        st.button(
            "Delete …",
            key=f"sweep-delete-{sweep.id}",
            icon=":material/delete:",
            on_click=lambda: st.session_state.update({_asked(sweep.id): True}),
        )


def _shown_no_better(snapshot: SweepSnapshot) -> bool:
    """Whether the race has ended without showing that the best settings are better than the base."""
    result = None if snapshot.race is None or snapshot.race.moving else snapshot.race.result
    found = None if result is None else result.comparison
    return found is not None and not any(pair.winner == BEST for pair in found.pairs)


def _train_best(settings: Settings, snapshot: SweepSnapshot) -> None:
    with frame.explained():
        frame.actor().check_may_change(snapshot.sweep.meta.owner, f"Sweep {snapshot.sweep.id}")
        start_final_race(settings, SweepStore(settings).get(snapshot.sweep.id))
        forget_sweeps()
        st.rerun()


def _ask_for_deletion(settings: Settings, sweep_id: str) -> None:
    """The question before a sweep is deleted; nothing until it was asked for."""
    asked = _asked(sweep_id)
    if not st.session_state.get(asked):
        return
    st.warning(
        "The sweep and the trainings of its trials are deleted for good; the race of its best settings stays.",
        icon=":material/delete:",
    )
    with st.container(horizontal=True):
        if st.button("Delete for good", key=f"sweep-delete-now-{sweep_id}", type="primary", icon=":material/delete:"):
            with st.spinner("Deleting …"):
                store = SweepStore(settings)
                store.delete_trials(sweep_id, by=frame.actor())
                store.delete(sweep_id, by=frame.actor())
            forget_sweeps()
            frame.go(frame.TRAIN, query_params={})
        st.button("Keep it", key=f"sweep-keep-{sweep_id}", on_click=lambda: st.session_state.pop(asked, None))


def _asked(sweep_id: str) -> str:
    return f"sweep-deletion-asked-{sweep_id}"
