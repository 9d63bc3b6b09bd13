"""Room: door, queue, people and messages for the presenter; the leaderboard for everyone, if it is shared."""

import time

import streamlit as st

from core.actor import Actor
from core.formatting import format_bytes, format_duration, format_percent
from core.jobs.shutdown import shut_down
from core.room.board import (
    lock_uploads,
    pin_run,
    read_board,
    send_config,
    share_leaderboard,
    unpin_run,
    withdraw_config,
)
from core.room.occupancy import Machine, look_at_machine
from core.runs.run import RunState
from core.settings import Settings
from pages.components.room import leaderboard_table, projector, queue_table
from pages.components.shared import frame, visitors
from pages.components.shared.runs_snapshot import list_runs
from pages.components.shared.shared_cache import SharedCache
from pages.server import asgi_app

DOOR, QUEUE, PEOPLE, LEADERBOARD, BOARD = "Door", "Queue", "People", "Leaderboard", "For everyone"
REFRESH_SECONDS = 3.0
_machine: SharedCache[Settings, Machine] = SharedCache(10.0, max_entries=2)


def page() -> None:
    settings = frame.open_page("Room", "Who is here, what runs next, and what everyone sees.")
    with frame.explained():
        by = frame.actor()
        if not by.presenter:
            if read_board(settings).leaderboard_shared:
                st.subheader("Leaderboard")
                st.fragment(leaderboard_table.show_leaderboard, run_every=10.0)(settings)
                return
            by.check_presenter("The Room page")
        st.fragment(_figures, run_every=REFRESH_SECONDS)(settings)
        section = st.segmented_control(
            "Section",
            [DOOR, QUEUE, PEOPLE, LEADERBOARD, BOARD],
            default=DOOR,
            required=True,
            key="room-section",
            label_visibility="collapsed",
        )
        if section == DOOR:
            projector.show_door(settings, by)
        elif section == QUEUE:
            st.fragment(_queue, run_every=REFRESH_SECONDS)(settings, by)
        elif section == PEOPLE:
            st.fragment(_people, run_every=REFRESH_SECONDS)(settings)
        elif section == LEADERBOARD:
            _leaderboard(settings, by)
        else:
            _for_everyone(settings, by)
        st.divider()
        with st.popover("Shut down …", icon=":material/power_settings_new:"):
            _shut_down(settings, by)


def _figures(settings: Settings) -> None:
    """One line of numbers about people, queue and machine."""
    items, machine = list_runs(settings), _machine.get(settings, lambda: look_at_machine(settings))
    running = sum(item.state is RunState.RUNNING for item in items)
    waiting = sum(item.state is RunState.QUEUED for item in items)
    with st.container(horizontal=True, gap="medium"):
        st.metric("People here", len({visit.person for visit in visitors.visits()}), width="content")
        st.metric("Running", running, width="content")
        st.metric("Waiting", waiting, width="content")
    st.caption(
        f"Processor {format_percent(machine.busy, 0)} busy · memory {format_bytes(machine.memory_used)} of "
        f"{format_bytes(machine.memory_total)} · disk {format_bytes(machine.disk_free)} of "
        f"{format_bytes(machine.disk_total)} free · this room's data {format_bytes(machine.room_data)}"
    )


def _queue(settings: Settings, by: Actor) -> None:
    with frame.explained():
        queue_table.show_queue(settings, by)


def _people(settings: Settings) -> None:
    with frame.explained():
        visits = visitors.visits()
        runs = list_runs(settings)
        rows = []
        for person in dict.fromkeys(visit.person for visit in visits):
            tabs = [visit for visit in visits if visit.person == person]
            mine = [item for item in runs if item.meta.owner == person]
            rows.append(
                {
                    "Nickname": frame.owner_name(settings, person) or "this machine",
                    "Page": ", ".join(dict.fromkeys(visit.page for visit in tabs)),
                    "Here for": format_duration(time.time() - tabs[0].since),
                    "Runs": len(mine),
                    "Waiting": sum(item.state.active for item in mine),
                }
            )
        st.dataframe(rows, hide_index=True, width="stretch")
        st.caption("Closed tabs leave the list at once, disconnected ones after two minutes.")


def _leaderboard(settings: Settings, by: Actor) -> None:
    shared = read_board(settings).leaderboard_shared
    wanted = st.toggle(
        "Show the leaderboard to everyone", shared, key=f"room-share-{shared}", help="Adds a link to their sidebar."
    )
    if wanted != shared:
        share_leaderboard(settings, wanted, by)
        st.rerun()
    st.fragment(leaderboard_table.show_leaderboard, run_every=10.0)(settings)


def _for_everyone(settings: Settings, by: Actor) -> None:
    """Settings to start from, pinned runs, the lock on uploads."""
    board = read_board(settings)
    locked = st.toggle(
        "Lock uploads",
        board.uploads_locked,
        key=f"room-lock-{board.uploads_locked}",
        help="Only you can add datasets; everyone can still upload pictures on Predict.",
    )
    if locked != board.uploads_locked:
        lock_uploads(settings, locked, by)
        st.rerun()
    if board.sent is not None:
        with st.container(border=True, horizontal=True, vertical_alignment="center"):
            config = board.sent.config
            st.markdown(
                f":material/campaign: Sent to everyone: **{frame.plain(config.title())}**, {config.epochs} epochs on "
                f"{frame.plain(config.dataset)}.",
                width="stretch",
            )
            if st.button("Withdraw", key="room-withdraw", icon="↩️"):
                withdraw_config(settings, by)
                st.rerun()
    items = {item.id: item for item in list_runs(settings)}
    if not items:
        st.info("There is no run yet to send or to pin: start one on Train.", icon=":material/keep:")
        return
    chosen = st.selectbox(
        "Run",
        list(items),
        format_func=lambda run_id: f"{items[run_id].title} on {items[run_id].config.dataset} · {run_id[-6:]}",
        key="room-run",
    )
    with st.container(horizontal=True):
        if st.button("Send its settings to everyone", icon=":material/campaign:", key="room-send", type="primary"):
            send_config(settings, items[chosen].config, by)
            st.rerun()
        if st.button("Pin it to Home", icon=":material/keep:", key="room-pin"):
            pin_run(settings, chosen, by)
            st.rerun()
    for run_id in board.pins:
        with st.container(border=True, horizontal=True, vertical_alignment="center"):
            title = frame.plain(items[run_id].title) if run_id in items else "a run that was deleted"
            st.markdown(f":material/keep: {title}", width="stretch")
            if st.button("Unpin", key=f"room-unpin-{run_id}", icon=":material/close:"):
                unpin_run(settings, run_id, by)
                st.rerun()


def _shut_down(settings: Settings, by: Actor) -> None:
    running = sum(item.state is RunState.RUNNING for item in list_runs(settings))
    st.write(
        f"Pauses {running} training{'' if running == 1 else 's'} and closes the app for everyone. "
        "They resume, and the queue with them, when the app starts again."
    )
    if st.button("Shut down now", type="primary", icon=":material/power_settings_new:", key="room-shut-down"):
        with st.spinner("Pausing trainings …"):
            count = shut_down(settings, by)
        st.success(f"{count} paused. The app is closing: close this tab.", icon=":material/waving_hand:")
        asgi_app.stop()


page()
