"""The frame of every page: set-up, stores, states, error messages, downloads.

Each page must work by itself: the first session of a fresh server that opens a deep link runs that page file alone.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import streamlit as st

from core.actor import LOCAL_OWNER, Actor
from core.datasets.dataset_store import DatasetStore
from core.errors import ConfigError, PeopleError, TuneMyPetsError
from core.formatting import format_cell
from core.jobs.import_jobs import ImportJobs
from core.quotas import is_disk_full
from core.room.people import PeopleStore
from core.runs.attempts import read_attempts
from core.runs.run import RunState
from core.runs.run_store import RunStore
from core.scheduling.scheduler import ensure_scheduler
from core.settings import Settings
from core.sweeps.sweep_store import ensure_sweeper
from pages.components.shared import door, goodbye, navigation, visitors
from pages.components.shared.names import plain as plain
from pages.components.shared.page_links import COMPARE as COMPARE
from pages.components.shared.page_links import EXPLORE as EXPLORE
from pages.components.shared.page_links import HOME as HOME
from pages.components.shared.page_links import NAVIGATION as NAVIGATION
from pages.components.shared.page_links import PREDICT as PREDICT
from pages.components.shared.page_links import ROOM as ROOM
from pages.components.shared.page_links import TRAIN as TRAIN
from pages.components.shared.page_links import go as go
from pages.components.shared.page_links import has_router as has_router
from pages.components.shared.page_links import link as link
from pages.components.shared.page_links import link_to_run as link_to_run
from pages.components.shared.page_links import link_to_start as link_to_start
from pages.components.shared.page_links import link_to_sweep as link_to_sweep
from pages.components.shared.page_links import mark_router as mark_router
from pages.components.shared.snapshots.runs_snapshot import list_with_trials
from pages.components.shared.snapshots.shared_cache import SharedCache
from pages.server import farewell

if TYPE_CHECKING:
    import pandas as pd

    from core.predict.predictor_client import PredictorClient

STATE_MARKS = {  # of runs, races and sweeps: icon and colour of a badge
    "queued": (":material/hourglass_top:", "gray"),
    "running": (":material/play_arrow:", "blue"),
    "finished": (":material/check_circle:", "green"),
    "stopped": (":material/stop_circle:", "orange"),
    "failed": (":material/error:", "red"),
    "interrupted": (":material/bolt:", "orange"),
    "incomplete": (":material/warning:", "orange"),
}

_names: SharedCache[Settings, dict[str, str]] = SharedCache(5.0, max_entries=8)
_full: SharedCache[Settings, bool] = SharedCache(5.0, max_entries=8)

log = logging.getLogger("tunemypets.pages")


def open_page(title: str, caption: str = "", *, heading: str = "") -> Settings:
    """Set up a page: browser title, heading (the title, unless given), one line of help. Returns the settings."""
    # a Material icon as the icon of the tab would be asked for on the internet
    st.set_page_config(page_title=f"{title} · TuneMyPets", page_icon="🐾", layout="wide")
    settings = Settings.from_environment()
    if farewell.is_goodbye():
        goodbye.show_goodbye()
        st.stop()
    place = navigation.reserve_navigation()
    with suppress(PeopleError):  # above the title, so before it: what is inserted later would move the page
        navigation.show_status(settings, door.actor(settings))
    st.title(heading or title)  # before the links: people see the page before these have loaded their code
    if caption:
        st.caption(caption)
    door.pass_or_stop(settings)
    visitor = door.actor(settings)
    visitors.note(visitor.id, title)
    navigation.show_navigation(place, settings, visitor)
    wake_scheduler(settings)
    if _full.get(settings, lambda: is_disk_full(settings)):
        st.warning(
            "The disk is nearly full: trainings wait until there is space. "
            "Delete runs or datasets that are no longer needed; saved work is safe.",
            icon=":material/save:",
        )
    return settings


def owner_name(settings: Settings, owner: str) -> str:
    """The nickname of the owner of a run or dataset; empty for the operator of this machine."""
    if owner == LOCAL_OWNER:
        return ""
    names = _names.get(settings, lambda: {person.id: person.nickname for person in PeopleStore(settings).all()})
    return names.get(owner, "someone who has left")


def person_name(settings: Settings, person: str) -> str:
    """The nickname of a person; `This machine` for its operator."""
    return owner_name(settings, person) or "This machine"


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


@st.cache_resource(ttl=5, show_spinner=False)
def _wake(home: str) -> bool:
    settings = Settings.from_environment()
    ensure_sweeper(settings)
    for item in list_with_trials(settings):
        waits = item.state is RunState.INTERRUPTED and read_attempts(settings.runs_dir / item.id).left
        if item.state.active or waits:
            ensure_scheduler(settings)
            break
    return bool(home)


def wake_scheduler(settings: Settings) -> None:
    """Start scheduler and sweeper if they have work and are not running; checked once in five seconds for all."""
    _wake(str(settings.home))


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
            st.error(plain(sentence), icon=":material/block:")
    except TuneMyPetsError as error:
        log.info("shown: %s", error)
        st.error(plain(str(error)), icon=":material/block:")
    except OSError as error:
        log.exception("shown as a sentence")
        st.error(
            f"The data folder is unusable ({error.strerror or type(error).__name__}): check space and permissions.",
            icon=":material/block:",
        )


def format_state(state: str) -> str:
    """The state of a run, race or sweep as a word with a coloured mark, in Markdown."""
    icon, colour = STATE_MARKS[state]
    return f":{colour}-badge[{icon} {state}]"


def offer_csv(
    label: str, table: "pd.DataFrame | Callable[[], pd.DataFrame]", file_name: str, key: str | None = None
) -> None:
    """A button that downloads a table without running the page again.

    Args:
        table: a function for a long one, which is then made on the click.
    """
    made = (lambda: write_csv(table())) if callable(table) else write_csv(table)
    st.download_button(
        label, made, file_name=file_name, mime="text/csv", icon=":material/download:", on_click="ignore", key=key
    )


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
