"""The last runs, each with its state, result and address."""

import streamlit as st

from core.runs.run import RunSummary
from core.settings import Settings
from pages.components import frame
from pages.components.snapshot import list_runs

SHOWN = 8


def show_recent(settings: Settings, heading: str = "Latest runs") -> None:
    """Draw the newest runs; nothing while there are none."""
    summaries = list_runs(settings)
    if not summaries:
        return
    st.subheader(heading)
    for item in summaries[:SHOWN]:
        show_run(settings, item)
    if len(summaries) > SHOWN:
        st.caption(f"{len(summaries) - SHOWN} older runs are on the Compare page.")


def show_run(settings: Settings, item: RunSummary) -> None:
    """One run in a frame: its address, its state and result, whose it is."""
    with st.container(border=True):
        left, right = st.columns([3, 2], vertical_alignment="center")
        with left:
            target = {"race": item.meta.race} if item.meta.race else {"run": item.id}
            frame.link(
                frame.TRAIN,
                label=f"{frame.plain(item.title)} on {frame.plain(item.config.dataset)}",
                icon=frame.STATE_ICONS[item.state],
                query_params=target,
            )
        owner = frame.owner_name(settings, item.meta.owner)
        right.caption(result_text(item) + (f" · by {frame.plain(owner)}" if owner else ""))


def result_text(item: RunSummary) -> str:
    """State and result of a run in one line."""
    if item.is_curve:
        return f"{item.state.value} · {item.points_text}"
    if item.accuracy is not None and item.tested is not None:
        word = "test" if item.tested.split == "test" else "validation"
        return f"{item.state.value} · {word} {item.accuracy.text()}"
    if item.best_val_accuracy is not None:
        return f"{item.state.value} · best validation {100 * item.best_val_accuracy:.1f} %"
    return item.state.value


def short_result(item: RunSummary) -> str:
    """Result and the end of the id, for lists in which runs are chosen."""
    if item.is_curve:
        return f"{item.points_text} · {item.id[-6:]}"
    accuracy = f"{100 * item.accuracy.value:.1f} %" if item.accuracy and item.accuracy.value is not None else None
    return f"{accuracy or item.state.value} · {item.id[-6:]}"
