"""Who is here: pages, runs, since when; and how busy the machine is."""

import time

import streamlit as st

from core.formatting import format_bytes, format_duration, format_percent
from core.room.occupancy import Machine, look_at_machine
from core.settings import Settings
from pages.components.shared import frame, visitors
from pages.components.shared.snapshots.runs_snapshot import list_runs
from pages.components.shared.snapshots.shared_cache import SharedCache

_machine: SharedCache[Settings, Machine] = SharedCache(10.0, max_entries=2)


def show_people(settings: Settings) -> None:
    """Draw a row for each person who has the app open."""
    visits, runs = visitors.visits(), list_runs(settings)
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
                "Running or waiting": sum(item.state.active for item in mine),
            }
        )
    st.dataframe(rows, hide_index=True, width="stretch")
    st.caption("Closed tabs leave the list at once, disconnected ones after two minutes.")


def show_machine(settings: Settings) -> None:
    """Draw one line of figures of the machine."""
    machine = _machine.get(settings, lambda: look_at_machine(settings))
    st.markdown(
        f"Processor {format_percent(machine.busy, 0)} busy · memory {format_bytes(machine.memory_used)} of "
        f"{format_bytes(machine.memory_total)} · disk {format_bytes(machine.disk_free)} of "
        f"{format_bytes(machine.disk_total)} free · this room's data {format_bytes(machine.room_data)}"
    )
