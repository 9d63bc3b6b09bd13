"""The hunt on the wall: time and marks while it runs; then who found how many, next to the doctor and chance."""

import html
import time
from collections.abc import Sequence

import streamlit as st

from core.datasets.dataset import Dataset
from core.formatting import format_count, format_points
from core.games.hunt import HuntStore, HuntView
from core.games.hunt_scores import Found, count_found, doubt, expect_by_chance, vote
from core.settings import Settings
from models.catalog import CATALOG
from pages.components.room.games.game_snapshot import current_hunt
from pages.components.shared import frame
from pages.components.shared.pictures import gallery
from pages.components.shared.snapshots.shared_cache import SharedCache

MAX_ROWS = 12
TOGETHER, DOCTOR, CHANCE = "All together", "The doctor", "Chance"

_copies: SharedCache[tuple[Settings, str], Dataset] = SharedCache(None, max_entries=4)


def is_running(settings: Settings) -> bool:
    """Whether there is still time to mark."""
    view = current_hunt(settings)
    return view is not None and not view.over


def copy_of(settings: Settings, view: HuntView) -> Dataset:
    """The pictures of a hunt, which never change."""
    return _copies.get((settings, view.id), lambda: HuntStore(settings).copy(view.id))


def format_left(view: HuntView) -> str:
    """The time that is left, such as `4:05`."""
    seconds = round(view.hunt.seconds_left(time.time()))
    return f"{seconds // 60}:{seconds % 60:02d}"


def show_hunt(settings: Settings) -> None:
    """Draw the newest hunt for everyone."""
    view = current_hunt(settings)
    if view is None:
        st.info("There is no hunt yet: choose a dataset, and plant wrong labels.", icon=":material/search:")
        return
    hunt = view.hunt
    st.markdown(
        f"#### {hunt.planted} of {format_count(hunt.pictures, 'picture')} of {frame.plain(hunt.title)} "
        "have a wrong label"
    )
    if view.over:
        show_end(settings, view)
        return
    people = "".join(
        f"<span>{html.escape(frame.person_name(settings, person))} {len(rows)}</span>"
        for person, rows in view.marks.items()
    )
    marks = format_count(sum(len(rows) for rows in view.marks.values()), "mark")
    st.html(
        f'<div class="game-time" role="timer" aria-label="Time left">{format_left(view)}</div>'
        f'<div class="game-count">{marks} by {len(view.marks)} {"person" if len(view.marks) == 1 else "people"}</div>'
        f'<div class="join-people">{people}</div>'
    )
    st.markdown(f"**{DOCTOR}** hunts, too: {_describe_doctor(settings, view)}.")


def show_end(settings: Settings, view: HuntView, own: str | None = None) -> None:
    """Draw who found how many, and the planted pictures with their true labels.

    Args:
        own: who looks at it; their own row stands first.
    """
    store, copy = HuntStore(settings), copy_of(settings, view)
    truth, hunt = store.truth(view.id), view.hunt
    people = {
        frame.person_name(settings, person): count_found(rows, truth, hunt.pictures)
        for person, rows in sorted(view.marks.items(), key=lambda item: (item[0] != own, len(item[1])))
    }
    ranked = sorted(people.items(), key=lambda item: (-item[1].found, item[1].marked))
    if own is not None and own in view.marks:
        mine = frame.person_name(settings, own)
        used = format_count(len(view.marks[own]), "mark")
        st.markdown(f"**You found {people[mine].found} of {hunt.planted}**, with {used}.")
    rows = [(name, found, "person") for name, found in ranked[:MAX_ROWS]]
    if len(people) > 1:
        rows.append((TOGETHER, count_found(vote(view.marks, hunt.planted), truth, hunt.pictures), "all"))
    doctor = _list_doctor(settings, view)
    if doctor is not None:
        rows.append((DOCTOR, count_found(doctor, truth, hunt.pictures), "doctor"))
    st.html(f'<div class="board">{"".join(_row(*row, hunt.planted) for row in rows)}{_chance_row(view)}</div>')
    if doctor is None:
        st.markdown(f"**{DOCTOR}**: {_describe_doctor(settings, view)}.")
    st.caption(
        f"Found: planted labels among the marks; the interval is of that share (95 %). {CHANCE}: {hunt.planted} random "
        f"marks. {TOGETHER}: the {hunt.planted} pictures that most people marked."
    )
    st.markdown("##### What was planted")
    gallery.show_tiles(
        [_tile(copy, view, row, label, doctor or (), own) for row, label in sorted(truth.items())], width_px=98
    )
    _show_doubts(copy, view, truth)


def _tile(copy: Dataset, view: HuntView, row: int, label: int, doctor: Sequence[int], own: str | None) -> gallery.Tile:
    picture = copy.rows[row]
    finders = sum(row in rows for rows in view.marks.values())
    seen = row in view.marks.get(own, ()) if own else finders > 0
    who = [*([f"{finders}"] if finders else []), *(["the doctor"] if row in doctor else [])]
    words = f"found by {' and '.join(who)}" if who else "not found"
    caption = f"{copy.classes[picture.label]} → {copy.classes[label]}"
    return gallery.Tile(copy.thumbnail_path(picture), caption, "right" if seen else "wrong", words)


def _show_doubts(copy: Dataset, view: HuntView, truth: dict[int, int]) -> None:
    """Labels that were not planted, and that several people hold to be wrong: they may be."""
    rows = doubt(view.marks, truth)[: view.hunt.planted]
    if rows:
        st.markdown("##### Not planted, and marked by several: look again")
        gallery.show_tiles(
            [
                gallery.Tile(
                    copy.thumbnail_path(copy.rows[row]),
                    copy.classes[copy.rows[row].label],
                    None,
                    f"marked by {sum(row in rows for rows in view.marks.values())}",
                )
                for row in rows
            ],
            width_px=98,
        )


def _row(name: str, found: Found, kind: str, planted: int) -> str:
    interval = found.share.interval
    said = f"{format_points(interval.low)} to {format_points(interval.high)} %" if found.marked else "no marks"
    beyond = "" if found.beyond_chance else " · as chance"
    return (
        f'<div class="board-row hunt-{kind}"><div class="board-place">{found.found}</div>'
        f'<div class="board-who"><b>{html.escape(name)}</b></div>'
        f'<div class="board-figure"><b>{found.found} of {found.marked}</b> <small>{said}{beyond}</small></div>'
        f'<div class="board-bar"><span style="width:{100 * found.found / planted:.1f}%"></span></div></div>'
    )


def _chance_row(view: HuntView) -> str:
    planted = view.hunt.planted
    chance = expect_by_chance(view.hunt.pictures, planted, planted)
    low, width = 100 * chance.low / planted, 100 * (chance.high - chance.low) / planted
    return (
        f'<div class="board-row hunt-chance"><div class="board-place">{chance.expected:.1f}</div>'
        f'<div class="board-who"><b>{CHANCE}</b></div>'
        f'<div class="board-figure"><b>{chance.expected:.1f} of {planted}</b> '
        f"<small>{chance.low} to {chance.high} in 95 of 100</small></div>"
        f'<div class="board-bar"><span style="width:{100 * chance.expected / planted:.1f}%"></span>'
        f'<i style="left:{low:.1f}%;width:{width:.1f}%"></i></div></div>'
    )


def _list_doctor(settings: Settings, view: HuntView) -> list[int] | None:
    """The pictures at the top of the doctor's list; None while there is none."""
    findings = HuntStore(settings).look_at_doctor(view.id).result
    return None if findings is None else [item.index for item in findings.suspicions[: view.hunt.planted]]


def _describe_doctor(settings: Settings, view: HuntView) -> str:
    state = HuntStore(settings).look_at_doctor(view.id)
    network = CATALOG[view.hunt.backbone].title
    if state.result is not None:
        count = len(state.result.suspicions[: view.hunt.planted])
        return f"{format_count(count, 'picture')} chosen by what {network} sees, in {state.result.seconds:.0f} s"
    if state.active:
        return f"examining with {network}"
    return frame.plain(state.problem) if state.problem else "not started"
