"""Goodbye: thanks, what was done, and what everyone takes home."""

import streamlit as st

from core.formatting import format_count
from core.room.people import PeopleStore
from core.runs.run import RunState
from core.settings import Settings
from pages.components.shared import frame
from pages.components.shared.snapshots.runs_snapshot import list_runs

TAKE_HOME = (
    (frame.COMPARE, "Your results, and a report in one file that opens offline", ":material/balance:"),
    (
        frame.PREDICT,
        "Your network: as a file, or on your own photos",
        ":material/image_search:",
    ),
)


def show_goodbye(settings: Settings) -> None:
    """Draw the last scene."""
    runs = list_runs(settings)
    trained = sum(item.state is RunState.FINISHED for item in runs)
    people = sum(not person.presenter for person in PeopleStore(settings).all()) if settings.room else 0
    datasets = len({item.config.dataset for item in runs})
    counts = [format_count(trained, "trained network"), format_count(datasets, "dataset")]
    if people:
        counts.insert(0, format_count(people, "attendee"))
    st.html(f'<div class="goodbye"><div class="goodbye-thanks">Thank you</div><div>{", ".join(counts)}</div></div>')
    st.markdown("#### Take it home now")
    for page, label, icon in TAKE_HOME:
        frame.link(page, label=label, icon=icon)
