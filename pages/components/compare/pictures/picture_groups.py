"""Test pictures by which networks get them right: groups for the strips of a result and for its gallery."""

import html
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from core.formatting import count_images, format_points
from core.settings import Settings
from core.statistics.difficulty import Difficulty
from pages.components.compare.pictures import picture_grid, prediction_cache
from pages.components.shared import frame
from pages.components.shared.snapshots.runs_snapshot import look_at

Arms = Sequence[tuple[str, Sequence[str]]]  # name, and the ids of its evaluated runs


@dataclass(frozen=True, eq=False)
class Group:
    """Pictures that belong together.

    Attributes:
        key: letters, digits and hyphens.
        order: a key of `picture_grid.ORDERS`, or what the given order is called.
        places: rows of the aligned predictions, in this order.
    """

    key: str
    title: str
    order: str
    places: NDArray[np.int64]


def group_pictures(found: Difficulty) -> list[Group]:
    """The groups: what only one arm gets right, what none and all get right, and the mistakes of each arm."""
    several = max(found.seeds) > 1
    if len(found.arms) == 1:
        return [
            Group("wrong-0", "Never right" if several else "Wrong", "confidence", found.never_right(0)),
            Group("all", "Always right" if several else "Right", "doubt", found.always_right),
        ]
    two = len(found.arms) == 2
    short = [prediction_cache.shorten(name, 40) for name in found.arms]
    always, ever = (" always", " ever") if several else ("", "")
    return [
        *(
            Group(f"only-{arm}", f"Only {name}{always} right", "Hardest for the others first", found.only(arm))
            for arm, name in enumerate(short)
        ),
        Group("none", f"{'Neither' if two else 'None'}{ever} right", "Most agreed answer first", found.always_wrong),
        Group("all", f"{'Both' if two else 'All'}{always} right", "doubt", found.always_right),
        *(
            Group(
                f"wrong-{arm}",
                f"{name} {'never right' if several else 'wrong'}",
                "confidence",
                found.never_right(arm),
            )
            for arm, name in enumerate(short)
        ),
    ]


def show_gallery(settings: Settings, arms: Arms) -> None:
    """A choice of group, and its pictures in a grid."""
    with frame.explained():
        found = prediction_cache.find_difficulty(settings, arms)
        groups = {group.key: group for group in group_pictures(found)}
        identity = "-".join(run_ids[0] for _, run_ids in arms)
        if len(found.arms) == found.answers.models == 2:
            st.html(draw_table(found))
            st.caption(_explain(found))
        chosen = st.pills(
            "Which pictures",
            list(groups),
            default=next((key for key, group in groups.items() if len(group.places)), "all"),
            required=True,
            format_func=lambda key: f"{frame.plain(groups[key].title)} ({len(groups[key].places):,})",
            help="Always: with every seed." if max(found.seeds) > 1 else "By which network is right.",
            key=f"groups-{identity}",
            persist_state="page",
        )
        group = groups[chosen or "all"]
        if group.key.startswith("wrong-") and not len(group.places):
            name = frame.plain(found.arms[int(group.key.removeprefix("wrong-"))])
            st.caption(f"{name} makes no mistake on {count_images(found.answers.n, found.answers.split)}.")
            return
        if group.key == "none" and len(group.places):
            st.caption(
                "Check the first pictures: where most networks agree on another class, the label may be wrong, or the "
                "picture shows two things."
            )
        grid = grid_of(settings, arms, found, f"group-{group.key}-{identity}", group.order)
        signs = picture_grid.short_names(grid)
        if grid.lines is None and signs != list(grid.names) and len(signs) > 1:
            st.caption("; ".join(f"{sign}: {frame.plain(name)}" for sign, name in zip(signs, grid.names, strict=True)))
        picture_grid.show_grid(settings, grid, group.places, f"tunemypets-pictures-{group.key}.csv")


def grid_of(settings: Settings, arms: Arms, found: Difficulty, key: str, order: str = "") -> picture_grid.Grid:
    """The pictures of a result as a grid shows them."""
    several = max(found.seeds) > 1
    return picture_grid.Grid(
        key=key,
        answers=found.answers,
        names=_model_names(settings, arms),
        dataset=prediction_cache.dataset_of(settings, look_at(settings, arms[0][1][0])),
        lines=(lambda place: describe(found, place)) if several or found.answers.models > 2 else None,
        columns=_columns(found) if several else None,
        first=order if order in picture_grid.ORDERS else picture_grid.AS_GIVEN,
        given="" if order in picture_grid.ORDERS else order,
    )


def describe(found: Difficulty, place: int) -> list[str]:
    """The lines of a tile: how many runs of each arm are right, and the most frequent answer where none is."""
    right = found.right[:, place]
    lines = []
    for arm, name in enumerate(found.arms):
        mark = picture_grid.RIGHT if right[arm] == found.seeds[arm] else picture_grid.WRONG
        lines.append(f"{mark} {right[arm]} of {found.seeds[arm]} {name}" if found.seeds[arm] > 1 else f"{mark} {name}")
    if not right.any():
        label, times = found.common_answer(place)
        lines.append(f"{times} of {found.answers.models}: {found.answers.classes[label]}")
    return lines


def draw_table(found: Difficulty) -> str:
    """How often two networks are right together and alone, as an HTML table; marks and frames carry the meaning."""
    a, b = (prediction_cache.shorten(name, 24) for name in found.arms)
    count = {group.key: len(group.places) for group in group_pictures(found)}
    cell = 'style="padding:6px 12px;border:1px solid rgba(127,127,127,.4);text-align:right;font-size:1.05rem"'
    framed = 'style="padding:6px 12px;border:3px solid #D55E00;text-align:right;font-size:1.05rem;font-weight:700"'
    head = 'style="padding:6px 12px;text-align:left;font-weight:600"'
    a, b = html.escape(a), html.escape(b)
    rows = [
        f'<tr><td></td><th scope="col" {head}>{b} ✓</th><th scope="col" {head}>{b} ✗</th></tr>',
        f'<tr><th scope="row" {head}>{a} ✓</th><td {cell}>{count["all"]:,}</td>'
        f"<td {framed}>{count['only-0']:,}</td></tr>",
        f'<tr><th scope="row" {head}>{a} ✗</th><td {framed}>{count["only-1"]:,}</td>'
        f"<td {cell}>{count['none']:,}</td></tr>",
    ]
    label = 'aria-label="Pictures by which network is right"'
    return f'<table {label} style="border-collapse:collapse">{"".join(rows)}</table>'


def _explain(found: Difficulty) -> str:
    only_a, only_b, n = len(found.only(0)), len(found.only(1)), found.answers.n
    share = format_points((only_a + only_b) / n) if n else "0.0"
    return (
        f"The networks differ on {only_a + only_b:,} of {n:,} {'picture' if n == 1 else 'pictures'} "
        f"({share} %), framed. McNemar's test: how often would chance alone split them as unevenly as {only_a:,} to "
        f"{only_b:,}?"
    )


def _model_names(settings: Settings, arms: Arms) -> list[str]:
    """A name for each run: its arm, and its seed where there are several."""
    return [
        f"{name}, seed {look_at(settings, run_id).config.seed}" if len(run_ids) > 1 else name
        for name, run_ids in arms
        for run_id in run_ids
    ]


def _columns(found: Difficulty) -> dict[str, picture_grid.Column]:
    def of_arm(arm: int) -> picture_grid.Column:
        return lambda places: found.right[arm, places].tolist()

    def common(places: NDArray[np.int64]) -> list[object]:
        return [found.answers.classes[found.common_answer(int(place))[0]] for place in places]

    columns = {f"right of {found.seeds[arm]}, {name}": of_arm(arm) for arm, name in enumerate(found.arms)}
    return {**columns, "most trainings say": common}
