"""The frame of every page: set-up, navigation, stores, error messages, links.

Each page must work by itself: the first session of a fresh server that opens a deep link runs that page file alone.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn
from urllib.parse import urlencode

import streamlit as st
from streamlit.errors import StreamlitAPIException

from core.actor import LOCAL_OWNER, Actor
from core.datasets.dataset_store import DatasetStore
from core.errors import ConfigError, TuneMyPetsError
from core.formatting import format_cell
from core.jobs.import_jobs import ImportJobs
from core.jobs.scheduler import ensure_scheduler
from core.quotas import is_disk_full
from core.room.board import read_board
from core.room.people import PeopleStore
from core.runs.attempts import read_attempts
from core.runs.run import RunState
from core.runs.run_store import RunStore
from core.settings import Settings
from pages.components.shared import door, visitors
from pages.components.shared.names import plain as plain
from pages.components.shared.runs_snapshot import list_runs
from pages.components.shared.shared_cache import SharedCache

if TYPE_CHECKING:
    import pandas as pd

    from core.predict.predictor_client import PredictorClient

PAGES = Path(__file__).resolve().parents[2]
MAIN = PAGES.parent / "streamlit_app.py"
HOME = PAGES / "home.py"
EXPLORE = PAGES / "explore.py"
TRAIN = PAGES / "train.py"
COMPARE = PAGES / "compare.py"
PREDICT = PAGES / "predict.py"
ROOM = PAGES / "room.py"
NAVIGATION = {
    HOME: ("Home", "🐾"),
    EXPLORE: ("Explore", "🖼️"),
    TRAIN: ("Train", "🏁"),
    COMPARE: ("Compare", "⚖️"),
    PREDICT: ("Predict", "🔮"),
    ROOM: ("Room", "🧑‍🏫"),
}
ROUTED = "routed"
# Streamlit's own download of a table leaves formulas in its cells
_NO_OTHER_CSV = '<style>button[kind="elementToolbar"][aria-label^="Download as CSV"] {display: none}</style>'

STATE_ICONS = {
    RunState.QUEUED: "⏳",
    RunState.RUNNING: "▶️",
    RunState.FINISHED: "✅",
    RunState.STOPPED: "⏹️",
    RunState.FAILED: "❌",
    RunState.INTERRUPTED: "⚡",
}

_names: SharedCache[Settings, dict[str, str]] = SharedCache(5.0, max_entries=8)
_full: SharedCache[Settings, bool] = SharedCache(5.0, max_entries=8)

log = logging.getLogger("tunemypets.pages")


def open_page(title: str, caption: str) -> Settings:
    """Set up a page: browser title, heading, one line of help. Returns the settings."""
    st.set_page_config(page_title=f"{title} · TuneMyPets", page_icon="🐾", layout="wide")
    settings = Settings.from_environment()
    st.title(title)  # first: people see the page before the links have loaded their code
    st.caption(caption)
    door.pass_or_stop(settings)
    visitor = door.actor(settings)
    visitors.note(visitor.id, title)
    _show_navigation(settings, visitor)
    wake_scheduler(settings)
    if _full.get(settings, lambda: is_disk_full(settings)):
        st.warning(
            "The disk is nearly full: trainings wait until there is space. "
            "Delete runs or datasets that are no longer needed; saved work is safe.",
            icon="💾",
        )
    return settings


def owner_name(settings: Settings, owner: str) -> str:
    """The nickname of the owner of a run or dataset; empty for the operator of this machine."""
    if owner == LOCAL_OWNER:
        return ""
    names = _names.get(settings, lambda: {person.id: person.nickname for person in PeopleStore(settings).all()})
    return names.get(owner, "someone who has left")


def only_owner(settings: Settings, owner: str) -> str:
    """Who may change what belongs to `owner`, as the start of a sentence."""
    name = owner_name(settings, owner)
    return f"Only {plain(name)} and the presenter" if name else "Only the presenter"


def actor() -> Actor:
    """On whose behalf this session acts: the operator if the app is closed to others, else the visitor.

    Raises:
        PeopleError: if the visitor may not be here any more.
    """
    return door.actor(Settings.from_environment())


def mark_router() -> None:
    """Note that the router draws this session's pages."""
    st.session_state[ROUTED] = True


def has_router() -> bool:
    """Whether other pages can be opened from here; not where this page runs alone."""
    return ROUTED in st.session_state


def _show_navigation(settings: Settings, visitor: Actor) -> None:
    """The links of the sidebar: the same with and without the router, so that a deep link looks like any visit."""
    with st.sidebar, suppress(StreamlitAPIException):
        for path, (label, icon) in NAVIGATION.items():
            if path != ROOM or visitor.presenter:
                st.page_link(MAIN if path == HOME and not has_router() else path, label=label, icon=icon)
            elif read_board(settings).leaderboard_shared:
                st.page_link(path, label="Leaderboard", icon="🏆")
        if settings.room:
            st.caption(f"You are {plain(visitor.name)}{', the presenter' if visitor.presenter else ''}.")


@st.cache_resource(ttl=5, show_spinner=False)
def _wake(home: str) -> bool:
    settings = Settings.from_environment()
    for item in list_runs(settings):
        waits = item.state is RunState.INTERRUPTED and read_attempts(settings.runs_dir / item.id).left
        if item.state.active or waits:
            ensure_scheduler(settings)
            break
    return bool(home)


def wake_scheduler(settings: Settings) -> None:
    """Start the scheduler if it has work and is not running; checked once in five seconds for all sessions."""
    _wake(str(settings.home))


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


def datasets(settings: Settings) -> DatasetStore:
    """The datasets of this data root."""
    return DatasetStore(settings)


def runs(settings: Settings) -> RunStore:
    """The runs of this data root."""
    return RunStore(settings)


def imports(settings: Settings) -> ImportJobs:
    """The imports of this data root."""
    return ImportJobs(settings)


def predictor(settings: Settings) -> "PredictorClient":
    """The predictor process of this data root."""
    from core.predict.predictor_client import PredictorClient  # most pages never ask

    return PredictorClient(settings)


@contextmanager
def explained() -> Iterator[None]:
    """Show an error as its sentence; the traceback goes to the log."""
    try:
        yield
    except ConfigError as error:
        for sentence in error.problems.values():
            st.error(plain(sentence), icon="🚫")
    except TuneMyPetsError as error:
        log.info("shown: %s", error)
        st.error(plain(str(error)), icon="🚫")
    except OSError as error:
        log.exception("shown as a sentence")
        st.error(
            f"The data folder is unusable ({error.strerror or type(error).__name__}): check space and permissions.",
            icon="🚫",
        )


def offer_csv(
    label: str, table: "pd.DataFrame | Callable[[], pd.DataFrame]", file_name: str, key: str | None = None
) -> None:
    """A button that downloads a table without running the page again.

    Args:
        table: a function for a long one, which is then made on the click.
    """
    st.html(_NO_OTHER_CSV)
    made = (lambda: write_csv(table())) if callable(table) else write_csv(table)
    st.download_button(label, made, file_name=file_name, mime="text/csv", icon="⬇️", on_click="ignore", key=key)


def write_csv(table: "pd.DataFrame") -> str:
    """A table as CSV without its index; cells and titles that look like formulas are quoted, numbers are not."""
    import pandas as pd  # most pages never ask

    columns = {
        place: column.array
        if pd.api.types.is_numeric_dtype(column)
        else pd.Series(map(format_cell, column), dtype=object).array
        for place, (_, column) in enumerate(table.items())
    }
    return pd.DataFrame(columns).to_csv(index=False, header=[format_cell(str(name)) for name in table])
