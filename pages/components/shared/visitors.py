"""Who has the app open: noted at every page, removed when Streamlit ends the session."""

import secrets
import threading
import time
from dataclasses import dataclass

import streamlit as st


@dataclass(frozen=True)
class Visit:
    """One open tab."""

    person: str  # id
    page: str  # its title
    since: float  # seconds since 1970


_visits: dict[str, Visit] = {}
_lock = threading.Lock()


def note(person: str, page: str) -> None:
    """Note that a person opened a page."""
    key = _session()
    with _lock:
        known = _visits.get(key)
        _visits[key] = Visit(person, page, known.since if known else time.time())


def visits() -> list[Visit]:
    """Every open tab, the oldest first."""
    with _lock:
        return sorted(_visits.values(), key=lambda visit: visit.since)


def _left(key: str) -> None:
    with _lock:
        _visits.pop(key, None)


@st.cache_resource(scope="session", on_release=_left, show_spinner=False)
def _session() -> str:
    return secrets.token_hex(8)
