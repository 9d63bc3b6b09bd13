"""The queue for the presenter: what runs, what waits and when it starts; pause, reorder, cancel."""

import time
from collections.abc import Callable, Sequence

import streamlit as st

from core.actor import Actor
from core.errors import RunError
from core.formatting import format_estimate
from core.runs.run import RunState
from core.runs.summary import RunSummary
from core.scheduling.run_queue import put_first, read_control, sort_active
from core.settings import Settings
from pages.components.shared import frame
from pages.components.shared.snapshots.runs_snapshot import forget_runs, list_with_trials, look_at, look_at_queue

MAX_ROWS = 30


def show_queue(settings: Settings, by: Actor) -> None:
    """Draw running and waiting runs, with the presenter's buttons."""
    queue, control = look_at_queue(settings), read_control(settings)
    running, waiting = sort_active(list_with_trials(settings), queue)
    items = {item.id: item for item in (*running, *waiting)}
    order = [item.id for item in waiting]
    if control.first and st.button("Back to the fair order", icon=":material/balance:", key="queue-fair"):
        _do(lambda: put_first(settings, [], by))
    if control.paused:
        st.caption("Paused. Running trainings continue; no new ones start.")
    if not items:
        st.info("The queue is empty.", icon=":material/coffee:")
        return
    for item in running:
        _row(settings, by, item, ":material/play_arrow:", _left_text(settings, item.id), [])
    starts = {turn.id: turn.expected_start for turn in queue.turns}
    for position, run_id in enumerate(order[:MAX_ROWS]):
        moves = _moves(settings, by, order, position)
        when = "paused" if control.paused else _start_text(starts.get(run_id))
        _row(settings, by, items[run_id], str(position + 1), when, moves)
    if len(order) > MAX_ROWS:
        st.caption(f"{len(order) - MAX_ROWS} more are waiting.")


def _moves(
    settings: Settings, by: Actor, order: Sequence[str], position: int
) -> list[tuple[str, str, Callable[[], None]]]:
    """The buttons that move a waiting run: to the front, and one up."""
    if position == 0:
        return []
    run_id = order[position]
    front = [run_id, *(other for other in read_control(settings).first if other != run_id)]
    swapped = [*order[: position - 1], run_id, order[position - 1]]
    return [
        ("front", ":material/keyboard_double_arrow_up:", lambda: put_first(settings, front, by)),
        ("up", ":material/vertical_align_top:", lambda: put_first(settings, swapped, by)),
    ]


def _row(
    settings: Settings,
    by: Actor,
    item: RunSummary,
    place: str,
    when: str,
    moves: Sequence[tuple[str, str, Callable[[], None]]],
) -> None:
    owner = frame.owner_name(settings, item.meta.owner)
    with st.container(border=True, horizontal=True, vertical_alignment="center", gap="small"):
        whose = f" · {frame.plain(owner)}" if owner else ""
        st.markdown(
            f"**{place}** {frame.plain(item.title)} on {frame.plain(item.config.dataset)}{whose} · {when}",
            width="stretch",
        )
        for name, icon, move in moves:
            wanted = "To the front" if name == "front" else "One place up"
            if st.button("", icon=icon, key=f"queue-{name}-{item.id}", help=wanted):
                _do(move)
        if st.button(
            "Cancel" if item.state is RunState.QUEUED else "Stop",
            key=f"queue-cancel-{item.id}",
            icon=":material/stop:",
        ):
            _do(lambda: frame.runs(settings).request_stop(item.id, by=by))


def _left_text(settings: Settings, run_id: str) -> str:
    try:
        left = look_at(settings, run_id).seconds_left
    except RunError:  # deleted just now
        left = None
    return "running" if left is None else f"running, {format_estimate(left)} left"


def _start_text(expected: float | None) -> str:
    if expected is None:
        return "start time unknown"
    seconds = expected - time.time()
    return "starts now" if seconds < 5 else f"starts in {format_estimate(seconds)}"


def _do(action: Callable[[], object]) -> None:
    with frame.explained():
        action()
        forget_runs()
        st.rerun()
