"""Which race, learning curve or runs the Compare page shows: the address names it, and a choice changes the address."""

import time
from collections import Counter
from collections.abc import Sequence

import streamlit as st

from core.races.race import Race
from core.settings import Settings
from pages.components.shared import frame

MODE, CHOSEN = "compare-mode", "compare-race"
RACES, RUNS = "Races", "Runs"


def choose(settings: Settings, races: Sequence[Race]) -> Race | None:
    """A race; None where the address names runs, or a race that is gone, which it then says.

    What is shown at first is not written to the address: Back leaves the page.
    """
    by_id = {race.id: race for race in races}
    wanted = st.query_params.get("race", "")
    runs = "runs" in st.query_params
    gone = bool(wanted) and wanted not in by_id
    st.session_state[MODE] = RUNS if runs else RACES
    with st.container(horizontal=True, vertical_alignment="center", key="compare-choice"):
        st.segmented_control(
            "What to compare",
            [RACES, RUNS],
            required=True,
            key=MODE,
            on_change=_open_mode,
            label_visibility="collapsed",
            width="content",
        )
        if not runs:
            st.session_state[CHOSEN] = None if gone else wanted or _default(races)
            st.selectbox(
                "Race or learning curve",
                list(by_id),
                format_func=_label_races(settings, races).__getitem__,
                key=CHOSEN,
                on_change=_open_race,
                placeholder="Choose a race",
                label_visibility="collapsed",
                width="stretch",
            )
    if gone:
        st.warning("That race no longer exists: choose another one above, or start one.", icon=":material/delete:")
        frame.link(frame.TRAIN, label="Start a race", icon=":material/flag:")
    return None if runs or gone else by_id[st.session_state[CHOSEN]]


def _default(races: Sequence[Race]) -> str:
    """The visitor's newest race; else the newest of all."""
    own = [race.id for race in races if race.meta.owner == frame.actor().id]
    return own[0] if own else races[0].id


def _open_mode() -> None:
    st.query_params.from_dict({"runs": ""} if st.session_state[MODE] == RUNS else {})


def _open_race() -> None:
    if st.session_state[CHOSEN] is not None:
        st.query_params.from_dict({"race": st.session_state[CHOSEN]})


def _label_races(settings: Settings, races: Sequence[Race]) -> dict[str, str]:
    """Labels by id; they differ, because the browser names its choice by them."""
    labels: dict[str, str] = {}
    seen: Counter[str] = Counter()
    for race in reversed(races):  # a number that a race has once stays, whatever starts later
        curve = "Learning curve: " if race.plan.kind == "curve" else ""
        owner = frame.owner_name(settings, race.meta.owner)
        by = f" · {owner}" if owner else ""
        begun = time.strftime("%d %b, %H:%M", time.localtime(race.meta.created))
        label = f"{curve}{race.title} · {race.dataset}{by} · {begun}"
        seen[label] += 1
        labels[race.id] = f"{label} ({seen[label]})" if seen[label] > 1 else label
    return labels
