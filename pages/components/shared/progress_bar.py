"""How far long work is: a bar in words, and what can be done while it runs."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.actor import Actor
from core.errors import TuneMyPetsError
from core.formatting import format_estimate
from core.jobs.shared_job import JobState
from pages.components.shared import frame


def draw_bar(
    text: str,
    done: int,
    total: int,
    seconds_left: float | None = None,
    *,
    unit: str = "",
    seconds_in_all: float | None = None,
    place: DeltaGenerator | None = None,
) -> None:
    """Draw what is being done and how far it is: `Decoding: 1,200 of 5,000 pictures · about 20 s left`.

    Args:
        total: 0 where it is unknown.
        seconds_in_all: what all of it will take, shown while the time left is unknown.
        place: where to draw it, instead of here.
    """
    count = f": {done:,} of {total:,}{f' {unit}' if unit else ''}" if total > 1 else ""
    time_text = describe_left(seconds_left)
    if seconds_left is None and seconds_in_all:
        time_text = f" · {format_estimate(seconds_in_all)} in all"
    (place or st).progress(min(1.0, done / total) if total else 0.0, text=f"{text}{count}{time_text}")


def describe_left(seconds: float | None) -> str:
    """The time left at the end of a line, such as ` · about 20 s left`; empty for None."""
    return "" if seconds is None else f" · {format_estimate(seconds)} left"


def draw_job(state: JobState[Any]) -> None:
    """Draw how far a computation is."""
    if (item := state.progress) is None:
        draw_bar("Starting", 0, 0, seconds_in_all=state.estimate)
    else:
        draw_bar(item.text, item.done, item.total, item.eta_seconds, seconds_in_all=state.estimate)


def show_job(state: JobState[Any], owner: str, cancel: Callable[[Actor], object], key: str, *, result: str) -> None:
    """Draw how far a computation is that serves everyone, and the button that cancels it for whom it belongs to.

    Args:
        owner: of the dataset.
        cancel: cancels it in the name of the visitor.
        result: what becomes of the result, at the end of a sentence.
    """
    draw_job(state)
    visitor = frame.actor()
    may = visitor.may_change(state.owner) or visitor.may_change(owner)
    offer_cancel((lambda: cancel(visitor)) if may else None, key, cancelled=state.cancelled, result=result)


def offer_job(state: JobState[Any], label: str, key: str, icon: str, start: Callable[[], object]) -> None:
    """Why a computation failed, and the button that starts it, with the time that it will take."""
    if state.problem:
        st.warning(frame.plain(state.problem), icon=":material/warning:")
    about = f" ({format_estimate(state.estimate)})" if state.estimate else ""
    if st.button(f"{label}{about}", key=key, icon=icon):
        start()
        st.rerun()


def offer_cancel(
    cancel: Callable[[], object] | None, key: str, *, cancelled: bool, result: str = "", kept: str | None = None
) -> None:
    """That it outlives this page, and the button that cancels it; after a click, that this is under way.

    Args:
        cancel: None for visitors who may not.
        result: what becomes of the result, at the end of a sentence.
        kept: what is kept after a click, for the button's help.
    """
    if cancelled:
        st.caption("Cancelling …")
        return
    st.caption(f"It continues even if you leave this page{result}.")
    if cancel is not None:
        st.button("Cancel", icon=":material/close:", key=key, help=kept, on_click=_cancel, args=(cancel,))


def _cancel(cancel: Callable[[], object]) -> None:
    with suppress(TuneMyPetsError):  # it has just ended
        cancel()


def offer_stop(
    stop: Callable[[], object], forget: Callable[[], None], key: str, *, kept: str, stopping: bool, label: str = "Stop"
) -> None:
    """The button that ends a training, a race or a sweep and keeps what it has.

    Args:
        forget: drops what was read before.
        kept: what it ends and keeps, as the button's help.
        stopping: it was clicked before.
    """
    if st.button(label, key=key, icon=":material/stop:", help=kept, disabled=stopping):
        _cancel(stop)
        forget()
        st.rerun()
