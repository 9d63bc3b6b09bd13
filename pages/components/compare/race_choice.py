"""Which race, learning curve or runs the Compare page shows: the address names it, and a choice changes the address."""

import time
from collections.abc import Sequence

import streamlit as st

from core.races.race import Race
from core.settings import Settings
from pages.components.shared import frame

MODE, CHOSEN = "compare-mode", "compare-race"
RACES, RUNS = "Races", "Runs"
STYLE = "<style>.st-key-compare-choice button {min-height: 40px}</style>"


def choose(settings: Settings, races: Sequence[Race]) -> Race | None:
    """A race; None where the address names runs, or a race that is gone, which it then says.

    What is shown at first is not written to the address: Back leaves the page.
    """
    by_id = {race.id: race for race in races}
    wanted = st.query_params.get("race", "")
    runs = "runs" in st.query_params
    gone = bool(wanted) and wanted not in by_id
    st.session_state[MODE] = RUNS if runs else RACES
    st.html(STYLE)
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
                format_func=lambda race_id: _label(settings, by_id[race_id]),
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


def _label(settings: Settings, race: Race) -> str:
    curve = "Learning curve: " if race.plan.kind == "curve" else ""
    owner = frame.owner_name(settings, race.meta.owner)
    by = f" · {owner}" if owner else ""
    begun = time.strftime("%d %b, %H:%M", time.localtime(race.meta.created))
    return f"{curve}{race.title} · {race.dataset}{by} · {begun}"
