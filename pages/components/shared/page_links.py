"""The pages of the app, and links to them.

Each page must work by itself: the first session of a fresh server that opens a deep link runs that page file alone.
"""

from pathlib import Path
from typing import NoReturn
from urllib.parse import urlencode

import streamlit as st
from streamlit.errors import StreamlitAPIException

PAGES = Path(__file__).resolve().parents[2]
MAIN = PAGES.parent / "streamlit_app.py"
HOME = PAGES / "home.py"
EXPLORE = PAGES / "explore.py"
TRAIN = PAGES / "train.py"
COMPARE = PAGES / "compare.py"
PREDICT = PAGES / "predict.py"
ROOM = PAGES / "room.py"
NAVIGATION = {
    HOME: ("Home", ":material/home:"),
    EXPLORE: ("Explore", ":material/photo_library:"),
    TRAIN: ("Train", ":material/model_training:"),
    COMPARE: ("Compare", ":material/balance:"),
    PREDICT: ("Predict", ":material/image_search:"),
    ROOM: ("Room", ":material/co_present:"),
}
# the open game of a room: the link that attendees see, the title of its page, and an icon
GAME_LINKS = {
    "bets": ("Bet", "Bets", ":material/casino:"),
    "hunt": ("Hunt", "Treasure hunt", ":material/search:"),
    "promise": ("Test", "The promise", ":material/handshake:"),
}
GAME_HINTS = {  # what happens in it, after its title
    "bets": "everyone guesses who wins a race, and by how many points, before it starts.",
    "hunt": "everyone looks for pictures with a wrong label, against the clock.",
    "promise": "everyone shows the network known and strange pictures: does it call known ones strange as rarely as "
    "promised?",
}
ROUTED = "routed"


def mark_router() -> None:
    """Note that the router draws this session's pages."""
    st.session_state[ROUTED] = True


def has_router() -> bool:
    """Whether other pages can be opened from here; not where this page runs alone."""
    return ROUTED in st.session_state


def link(page: Path, *, label: str, icon: str | None = None, query_params: dict[str, str] | None = None) -> None:
    """A link to a page with its parameters; a plain link where a page runs alone and Streamlit knows no other."""
    try:
        st.page_link(page, label=label, icon=icon, query_params=query_params)
    except StreamlitAPIException:
        address = f"/{'' if page == HOME else page.stem}" + (f"?{urlencode(query_params)}" if query_params else "")
        st.markdown(f"{icon or ''} [{label}]({address})")


def go(page: Path, *, query_params: dict[str, str]) -> NoReturn:
    """Open a page with its parameters."""
    try:
        st.switch_page(page, query_params=query_params)
    except StreamlitAPIException:
        # run alone, a page can only go to itself
        st.query_params.from_dict(query_params)
        st.rerun()


def link_to_start() -> None:
    """Where anyone without a dataset begins: the demo on Home, or photos of their own."""
    link(HOME, label="See it in 60 seconds", icon=":material/timer:")
    link(EXPLORE, label="Use my photos", icon=":material/add_photo_alternate:", query_params={"add": "1"})


def link_to_run(run_id: str, race: str | None, *, label: str, icon: str | None = None) -> None:
    """A link to where a run is shown: on the page of its race, or on its own."""
    if race:
        link(COMPARE, label=label, icon=icon, query_params={"race": race})
    else:
        link(TRAIN, label=label, icon=icon, query_params={"run": run_id})


def link_to_sweep(sweep_id: str, *, label: str, icon: str | None = None) -> None:
    """A link to the page of a sweep."""
    link(TRAIN, label=label, icon=icon, query_params={"sweep": sweep_id})
