"""The test of a promise on the wall: refused known pictures next to the promise, and caught strange ones."""

import html

import streamlit as st

from core.formatting import format_percent, format_points
from core.games.promise import PromiseView, describe_verdict
from core.novelty.coverage import Share
from core.novelty.not_sure import describe_promise
from core.settings import Settings
from pages.components.room.games.game_snapshot import current_promise
from pages.components.shared import frame

ICONS = {"kept": ":material/check_circle:", "broken": ":material/heart_broken:", "open": ":material/hourglass_top:"}


def is_taking(settings: Settings) -> bool:
    """Whether pictures are taken."""
    view = current_promise(settings)
    return view is not None and view.open


def show_promise(settings: Settings) -> None:
    """Draw the newest test for everyone."""
    view = current_promise(settings)
    if view is None:
        st.info("No promise is tested yet: choose a finished run and a promise.", icon=":material/handshake:")
        return
    st.markdown(f"#### {state_promise(view)}")
    show_counts(view)


def state_promise(view: PromiseView) -> str:
    """The promise, as Markdown."""
    said = describe_promise(view.test.promise)
    return f"The promise: at most **{said}** known pictures of {frame.plain(view.test.dataset)} is called strange"


def show_counts(view: PromiseView) -> None:
    """Draw both counts with their exact intervals, and what became of the promise."""
    mark = f'<u style="left:{100 * view.test.promise:.1f}%"></u>'
    st.html(
        '<div class="board promise">'
        + _row("Known pictures refused", view.refused, "known", mark)
        + _row("Strange pictures caught", view.caught, "strange", "")
        + "</div>"
    )
    st.markdown(
        f"{ICONS[view.verdict]} **{describe_verdict(view)}** How many strange ones are caught was not promised."
    )
    st.caption(
        f"Thin line: exact 95 % interval. Dashed line: the promise ({format_percent(view.test.promise, 0)}). It holds "
        "for pictures like those that the network was trained on; your photos may be of another kind."
    )


def _row(name: str, share: Share, kind: str, mark: str) -> str:
    interval, value = share.interval, share.value or 0.0
    low, width = 100 * interval.low, 100 * (interval.high - interval.low)
    said = f"{format_points(interval.low)} to {format_points(interval.high)} %" if share.n else "none shown yet"
    line = f'<i style="left:{low:.1f}%;width:{width:.1f}%"></i>' if share.n else ""
    return (
        f'<div class="promise-row promise-{kind}">'
        f'<div class="board-who"><b>{html.escape(name)}</b></div>'
        f'<div class="board-figure"><b>{share.count} of {share.n}</b> <small>{said}</small></div>'
        f'<div class="board-bar"><span style="width:{100 * value:.1f}%"></span>{line}{mark}</div></div>'
    )
