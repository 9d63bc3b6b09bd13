"""Bets, the hunt and the promise as all sessions see them: read once a second for everyone."""

from typing import NoReturn

import streamlit as st

from core.games.bets import BetStore, BetView
from core.games.hunt import HuntStore, HuntView
from core.games.promise import PromiseStore, PromiseView
from core.settings import Settings
from pages.components.shared.snapshots.shared_cache import SharedCache

SECONDS = 1.0

_bets: SharedCache[Settings, list[BetView]] = SharedCache(SECONDS, max_entries=8)
_hunts: SharedCache[Settings, HuntView | None] = SharedCache(SECONDS, max_entries=8)
_promises: SharedCache[Settings, PromiseView | None] = SharedCache(SECONDS, max_entries=8)


def list_bets(settings: Settings) -> list[BetView]:
    """Every round of bets, newest first."""
    return _bets.get(settings, lambda: BetStore(settings).all())


def current_bets(settings: Settings) -> BetView | None:
    """The newest round of bets."""
    return next(iter(list_bets(settings)), None)


def current_hunt(settings: Settings) -> HuntView | None:
    """The newest hunt."""
    return _hunts.get(settings, lambda: HuntStore(settings).current())


def current_promise(settings: Settings) -> PromiseView | None:
    """The newest test of a promise."""
    return _promises.get(settings, lambda: PromiseStore(settings).current())


def forget_games() -> None:
    """Read everything again, after this session changed something."""
    _bets.forget()
    _hunts.forget()
    _promises.forget()


def redraw_games() -> NoReturn:
    """Draw the page again, after this session changed something."""
    forget_games()
    st.rerun()
