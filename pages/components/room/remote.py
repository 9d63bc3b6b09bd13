"""The presenter's remote: pause, lock, share, send, pin, a new passcode, shut down."""

import streamlit as st

from core.actor import Actor
from core.config.train_config import TrainConfig
from core.room.access import RoomStore
from core.room.board import (
    Board,
    lock_uploads,
    pin_run,
    read_board,
    send_config,
    share_leaderboard,
    unpin_run,
    withdraw_config,
)
from core.scheduling.run_queue import pause_queue, read_control, sort_active
from core.settings import Settings
from pages.components.shared import door, frame, visitors
from pages.components.shared.snapshots.runs_snapshot import forget_runs, list_runs, list_with_trials, look_at_queue
from pages.server import asgi_app

WALL = "wall"  # in the address: the scene alone


def is_phone() -> bool:
    """Whether the visitor's browser says that it runs on a phone."""
    return "Mobi" in (st.context.headers.get("User-Agent") or "")


def show_figures(settings: Settings) -> None:
    """People, running and waiting runs, in one line."""
    running, waiting = sort_active(list_with_trials(settings), look_at_queue(settings))
    people = len({visit.person for visit in visitors.visits()})
    with st.container(horizontal=True, gap="medium", key="room-figures"):
        for label, value in (("People here", people), ("Running", len(running)), ("Waiting", len(waiting))):
            st.metric(label, value, width="content")


def show_remote(settings: Settings, by: Actor) -> None:
    """Draw the presenter's buttons."""
    board, paused = read_board(settings), read_control(settings).paused
    label, icon = ("Resume the queue", ":material/play_arrow:") if paused else ("Pause the queue", ":material/pause:")
    if st.button(label, icon=icon, type="primary" if paused else "secondary", key="queue-pause", width="stretch"):
        pause_queue(settings, not paused, by)
        forget_runs()
        st.rerun()
    locked = st.toggle(
        "Lock uploads",
        board.uploads_locked,
        key=f"room-lock-{board.uploads_locked}",
        help="Only you can add datasets; everyone can still upload pictures on Predict.",
    )
    if locked != board.uploads_locked:
        lock_uploads(settings, locked, by)
        st.rerun()
    shared = st.toggle(
        "Leaderboard for everyone",
        board.leaderboard_shared,
        key=f"room-share-{board.leaderboard_shared}",
        help="Adds a link to the top of everyone's pages.",
    )
    if shared != board.leaderboard_shared:
        share_leaderboard(settings, shared, by)
        st.rerun()
    with st.popover("Send and pin", icon=":material/campaign:", width="stretch"):
        _send_and_pin(settings, by, board)
    if settings.room:
        with st.popover("New passcode", icon=":material/key:", width="stretch"):
            st.caption("Everyone must enter the new passcode at their next click; nicknames and runs stay.")
            if st.button("Change it", key="door-change"):
                RoomStore(settings).change_passcode(by, door.browser_token())
                st.rerun()
    if st.button("Projector view", icon=":material/fullscreen:", key="room-wall", width="stretch"):
        frame.go(frame.ROOM, query_params={WALL: "1"})
    if board.scene != "goodbye":
        offer_shutdown(settings, by)


def offer_shutdown(settings: Settings, by: Actor) -> None:
    """Shutting down, after a question."""
    running, _ = sort_active(list_with_trials(settings), look_at_queue(settings))
    with st.popover("Shut down …", icon=":material/power_settings_new:", width="stretch"):
        st.write(
            f"Pauses {len(running)} training{'' if len(running) == 1 else 's'} and closes the app for everyone. "
            "They resume, and the queue with them, when the app starts again."
        )
        if st.button("Shut down now", type="primary", icon=":material/power_settings_new:", key="room-shut-down"):
            asgi_app.close(settings, by)
            st.rerun()


def _send_and_pin(settings: Settings, by: Actor, board: Board) -> None:
    if board.sent is not None:
        config = board.sent.config
        st.markdown(f"Sent to everyone: **{frame.plain(config.title())}** on {frame.plain(config.dataset)}.")
        if st.button("Withdraw", key="room-withdraw", icon=":material/undo:"):
            withdraw_config(settings, by)
            st.rerun()
    datasets = [item.id for item in frame.datasets(settings).summaries()]
    items = {item.id: item for item in list_runs(settings)}
    if datasets:
        dataset = st.selectbox("Dataset", datasets, key="room-dataset", help="Everyone gets a race on it to start.")
        if st.button("Send this dataset", icon=":material/photo_library:", key="room-send-dataset"):
            send_config(settings, TrainConfig(dataset=dataset), by)
            st.rerun()
    if items:
        chosen = st.selectbox(
            "Run",
            list(items),
            format_func=lambda run_id: f"{items[run_id].title} on {items[run_id].config.dataset} · {run_id[-6:]}",
            key="room-run",
        )
        with st.container(horizontal=True):
            if st.button("Send its settings", icon=":material/campaign:", key="room-send"):
                send_config(settings, items[chosen].config, by)
                st.rerun()
            if st.button("Pin it to Home", icon=":material/keep:", key="room-pin"):
                pin_run(settings, chosen, by)
                st.rerun()
    else:
        st.caption("There is no run yet to send or to pin.")
    for run_id in board.pins:
        with st.container(border=True, horizontal=True, vertical_alignment="center"):
            title = frame.plain(items[run_id].title) if run_id in items else "a run that was deleted"
            st.markdown(f":material/keep: {title}", width="stretch")
            if st.button("Unpin", key=f"room-unpin-{run_id}", icon=":material/close:"):
                unpin_run(settings, run_id, by)
                st.rerun()
