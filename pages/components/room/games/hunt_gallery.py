"""The hunt on a phone: pictures of one class at a time; a tap marks one, another takes the mark back."""

from collections.abc import Sequence

import streamlit as st

from core.actor import Actor
from core.datasets.dataset import Dataset, ImageRow
from core.errors import GameError
from core.games.hunt import HuntStore, HuntView
from core.settings import Settings
from pages.components.room.games import hunt_scene
from pages.components.room.games.game_snapshot import current_hunt, forget_games
from pages.components.shared import frame
from pages.components.shared.pictures import gallery

PER_PAGE = 24
TILE_PX = 98
PROBLEM = "hunt-problem"


def show_hunting(settings: Settings, by: Actor) -> None:
    """Draw the pictures while the time runs, and what was planted afterwards."""
    view = current_hunt(settings)
    drawn = () if view is None else (view.id, view.over)
    if view is None:
        st.info("There is no hunt yet: the presenter starts one in a moment.", icon=":material/search:")
        st.fragment(_wait, run_every=2.0)(settings, drawn)
    elif view.over:
        st.markdown("##### Time is up")
        st.fragment(_wait, run_every=2.0)(settings, drawn)
        hunt_scene.show_end(settings, view, by.id)
    else:
        st.fragment(_count_down, run_every=1.0)(settings, drawn)
        st.fragment(_show_pictures)(settings, view.id, by)


def _wait(settings: Settings, drawn: tuple[object, ...]) -> None:
    view = current_hunt(settings)
    if (() if view is None else (view.id, view.over)) != drawn:
        st.rerun()


def _count_down(settings: Settings, drawn: tuple[object, ...]) -> None:
    _wait(settings, drawn)
    view = current_hunt(settings)
    if view is not None:
        left, hunt = hunt_scene.format_left(view), view.hunt
        st.html(
            f'<div class="hunt-left"><b role="timer" aria-label="Time left">{left}</b> '
            f"{hunt.planted} of {hunt.pictures:,} labels are wrong: tap those pictures.</div>"
        )


def _show_pictures(settings: Settings, hunt_id: str, by: Actor) -> None:
    with frame.explained():
        view = HuntStore(settings).view(hunt_id)
        copy, marked = hunt_scene.copy_of(settings, view), view.marks.get(by.id, ())
        labels = range(len(copy.classes))
        label = st.segmented_control(
            "Labelled", labels, format_func=lambda place: frame.plain(copy.classes[place]), default=0, required=True,
            key=f"hunt-class-{hunt_id}",
        )  # fmt: skip
        rows = [row for row in copy.rows if row.label == label]
        st.markdown(f"**{len(marked)} of {view.hunt.planted}** marks used", width="content")
        if problem := st.session_state.pop(PROBLEM, ""):
            st.warning(frame.plain(problem), icon=":material/block:")
        pages = -(-len(rows) // PER_PAGE)
        number = st.pagination(pages, key=f"hunt-page-{hunt_id}-{label}") if pages > 1 else 1
        st.html(_frame_marked(marked))
        with st.container(horizontal=True, gap="small", key="tiles-hunt"):
            for row in rows[(number - 1) * PER_PAGE : number * PER_PAGE]:
                _show_tile(settings, view, copy, row, row.index in marked, by)


def _frame_marked(marked: Sequence[int]) -> str:
    """A style for the marked pictures: with another key for their containers a mark would take the focus away."""
    places = ", ".join(f".st-key-hunt-tile-{row} button" for row in marked) or ".hunt-none"
    return f"<style>{places} {{outline: 4px solid #d55e00; outline-offset: -1px}}</style>"


def _show_tile(settings: Settings, view: HuntView, copy: Dataset, row: ImageRow, marked: bool, by: Actor) -> None:
    """A picture as a button, framed and named as marked where it is."""
    uri = gallery.data_uri(copy.thumbnail_path(row))
    name = f"{frame.plain(copy.classes[row.label])}, picture {row.index + 1}{', marked' if marked else ''}"
    shown = f"![{name}]({uri})" if uri != gallery.NO_IMAGE else f":material/broken_image: {name}"
    with st.container(width=TILE_PX, gap="xsmall", key=f"hunt-tile-{row.index}"):
        st.button(
            shown, key=f"hunt-mark-{view.id}-{row.index}", width=TILE_PX,
            on_click=_toggle, args=(settings, view.id, row.index, not marked, by),
        )  # fmt: skip
        st.caption(":material/flag: marked" if marked else " ")


def _toggle(settings: Settings, hunt_id: str, row: int, marked: bool, by: Actor) -> None:
    try:
        HuntStore(settings).mark(hunt_id, row, marked, by=by)
    except GameError as error:
        st.session_state[PROBLEM] = str(error)
    forget_games()
