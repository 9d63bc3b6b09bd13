"""Ready-made sets as cards: the drawn sample, which needs no download, and published ones."""

from collections.abc import Mapping, Sequence

import streamlit as st

from core.datasets.downloads.ready_made import PREFIX, SETS, ReadySet
from core.datasets.drawn_sample import SAMPLE_TITLE
from core.formatting import format_bytes, format_count
from core.jobs.import_jobs import ImportRequest, may_download
from core.quotas import free_bytes
from core.settings import Settings
from pages.components.shared import frame

COLUMNS = 3
SPLIT = "70/15/15"  # where a set has no splits of its own
SAMPLE = "drawn"


def say_who_downloads(settings: Settings) -> bool:
    """Whether this person may download; in a room a sentence says who may."""
    allowed = may_download(settings, frame.actor())
    if settings.room and not settings.downloads_for_all:
        st.caption(
            "Only the presenter can download datasets: a download uses the presenter's disk and the shared connection."
        )
    return allowed


def show_cards(settings: Settings) -> None:
    """Draw the cards; the button of one starts its import, or opens the dataset that it became."""
    allowed = say_who_downloads(settings)
    here = {item.source: item.id for item in reversed(frame.datasets(settings).summaries())}
    room = free_bytes(settings) - settings.min_free_bytes
    cards: list[ReadySet | None] = [None, *SETS]
    for first in range(0, len(cards), COLUMNS):
        for column, item in zip(st.columns(COLUMNS), cards[first : first + COLUMNS], strict=False):
            with column.container(border=True, height="stretch"):
                if item is None:
                    _show_sample(settings, here)
                else:
                    _show_set(settings, item, here, room, allowed)


def _show_sample(settings: Settings, here: Mapping[str, str]) -> None:
    st.markdown(f":material/brush: **{SAMPLE_TITLE}**")
    st.markdown("Made by the program in seconds. Results on them say nothing about photographs.")
    st.caption("2 classes · 240 pictures · no download")
    if not _offer_open(SAMPLE, SAMPLE_TITLE, here) and st.button(
        "Create", icon=":material/add:", key=f"set-{SAMPLE}", width="stretch"
    ):
        _start(settings, None, SAMPLE)


def _show_set(settings: Settings, item: ReadySet, here: Mapping[str, str], room: int, allowed: bool) -> None:
    st.markdown(f"{item.icon} **{item.title}**")
    st.markdown(item.text)
    st.caption(" · ".join(_facts(item)))
    if _offer_open(item.name, item.title, here):
        return
    fits = item.needed_bytes <= room
    if not fits:
        st.caption(
            f":material/save: Takes {format_bytes(item.needed_bytes)} on the disk, and {format_bytes(max(0, room))} "
            "are free."
        )
    if st.button(
        f"Download {format_bytes(item.bytes)}",
        icon=":material/download:",
        key=f"set-{item.name}",
        width="stretch",
        disabled=not (allowed and fits),
    ):
        _start(settings, f"{PREFIX}{item.name}", item.name)


def _facts(item: ReadySet) -> Sequence[str]:
    licence = frame.plain(item.licence)
    return (
        f"{item.classes} classes",
        format_count(item.images, "picture"),
        f"licence: {licence}",
        f"[about]({item.page})",
    )


def _offer_open(name: str, title: str, here: Mapping[str, str]) -> bool:
    """A button that opens the dataset which a set has become; False where it has not."""
    dataset = here.get(title)
    if dataset is not None:
        st.button(
            "Open",
            icon=":material/check_circle:",
            key=f"set-{name}",
            width="stretch",
            on_click=st.query_params.from_dict,
            args=({"dataset": dataset},),
        )
    return dataset is not None


def _start(settings: Settings, path: str | None, name: str) -> None:
    free = frame.datasets(settings).free_name(name)
    with frame.explained():
        job = frame.imports(settings).start(ImportRequest(path, free, SPLIT, 0), by=frame.actor())
        st.query_params.from_dict({"import": job})
        st.rerun()
