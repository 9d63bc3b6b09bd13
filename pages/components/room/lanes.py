"""Everyone's trainings as lanes: whose, which network, how far; running ones first, then waiting and ended ones."""

import html
from collections.abc import Sequence

import streamlit as st

from core.config.arm_names import describe_arm, name_arm
from core.errors import RunError
from core.formatting import format_estimate, format_percent
from core.palette import STRATEGY_STYLES
from core.runs.run import RunState
from core.runs.summary import RunSummary
from core.scheduling.run_queue import sort_active
from core.settings import Settings
from pages.components.shared import frame
from pages.components.shared.progress_bar import describe_left
from pages.components.shared.snapshots.runs_snapshot import (
    RunSnapshot,
    list_runs,
    list_with_trials,
    look_at,
    look_at_queue,
)

MAX_LANES = 24  # on one screen
MAX_ENDED = 8


def show_everyone(settings: Settings) -> None:
    """Draw all that trains and waits, and what ended last."""
    items = list_runs(settings)
    running, waiting = sort_active(list_with_trials(settings), look_at_queue(settings))
    ended = [item for item in items if not item.state.active]
    if not items and not running and not waiting:
        st.info("Nothing has been trained yet: everyone starts on Train.", icon=":material/model_training:")
        return
    st.markdown(f"**{len(running)} training, {len(waiting)} waiting, {len(ended)} done**")
    lanes = [*running, *waiting][:MAX_LANES]
    show_lanes(settings, [*lanes, *ended[: min(MAX_ENDED, MAX_LANES - len(lanes))]])
    hidden = len(running) + len(waiting) - len(lanes)
    if hidden > 0:
        st.caption(f"{hidden} more are waiting.")


def show_lanes(settings: Settings, items: Sequence[RunSummary]) -> None:
    """Draw a lane for each run."""
    st.html(f'<div class="lanes">{"".join(_lane(settings, item) for item in items)}</div>')


def _lane(settings: Settings, item: RunSummary) -> str:
    try:
        found = look_at(settings, item.id) if item.state.active else None
    except RunError:  # deleted just now
        found = None
    share = _share(found) if found else 1.0
    starting = item.id in look_at_queue(settings).running
    owner = frame.person_name(settings, item.meta.owner)
    colour = STRATEGY_STYLES[item.config.strategy].colour
    return (
        f'<div class="lane"><div class="lane-who"><b>{html.escape(owner)}</b> '
        f"<span>{name_arm(item.config)} <small>{html.escape(describe_arm(item.config))}</small></span></div>"
        f'<div class="lane-text">{_text(found, item, starting=starting)}</div>'
        f'<div class="lane-bar"><span style="width:{100 * share:.1f}%;background:{colour}"></span></div></div>'
    )


def _share(snapshot: RunSnapshot) -> float:
    """How far a training is, 0 to 1."""
    if snapshot.state is not RunState.RUNNING:
        return 0.0
    plan = snapshot.meta.plan
    if plan is not None and plan.kind == "curve":
        return len(snapshot.history.points) / max(1, plan.points)
    return snapshot.history.batches[-1].progress if snapshot.history.batches else 0.0


def _text(snapshot: RunSnapshot | None, item: RunSummary, *, starting: bool) -> str:
    if snapshot is None:
        value = item.accuracy.value if item.accuracy else None
        return f"{item.state.value} · {format_percent(value)}" if value is not None else item.state.value
    if snapshot.state is RunState.RUNNING:
        left = snapshot.seconds_left
        done = f"{format_percent(_share(snapshot), 0)} trained"
        return f"{done}{describe_left(left)}"
    if starting:
        return "starting"
    if snapshot.held == "paused":
        return "waiting, the queue is paused"
    starts = snapshot.starts_in
    return "waiting" if starts is None else f"waiting · starts in {format_estimate(starts)}"
