"""The pictures of a dataset: one strip for each class, or all of one class page by page. A click opens a picture.

Every picture is a Streamlit button whose label holds the thumbnail: that needs no script, which the content policy
forbids, and a keyboard reaches it. Drawn as a fragment, so that a click does not draw the whole page again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import streamlit as st

from core.datasets.dataset import Dataset, ImageRow
from core.formatting import SPLIT_NAMES, capitalise, format_count
from core.revisions.corrections import corrected
from core.settings import Settings
from pages.components.explore import large_picture
from pages.components.explore.corrections_bar import offer_class_changes
from pages.components.explore.picture_corrections import offer_corrections
from pages.components.explore.selected_pictures import Selection, selection_of
from pages.components.shared import frame
from pages.components.shared.names import tell_apart
from pages.server import thumbnail_files

STRIPS = 8  # classes on one page: a hundred pictures are drawn in a tenth of a second, of however many
PER_STRIP = 12
PER_PAGE = 24
TILE_PX = 98
STRIP_PX, MARKED_PX, WIDGET_PX = (
    116,
    136,
    68,
)  # heights at once, so that nothing moves when buttons and boxes have loaded their code
CLASS_KEY = "gallery-class"
CORRECTING = "explore-correcting"
LEFT_OUT = "left out"
Rows = Sequence[ImageRow]


def show_pictures(settings: Settings, dataset: Dataset) -> None:
    """Draw the strips, or the pictures of the chosen class."""
    st.fragment(_show, key=f"strips-{dataset.id}")(settings, dataset)


def _show(settings: Settings, dataset: Dataset) -> None:
    with st.container(horizontal=True, wrap=False, height=WIDGET_PX, border=False, key="filters"):
        every = tell_apart("All classes", dataset.classes)
        label = st.selectbox(
            "Class",
            ["", *dataset.classes],  # no class has an empty name
            format_func=lambda name: name or every,
            help="Show one class only.",
            key=CLASS_KEY,
        )
        split = st.selectbox(
            "Split",
            ["all", *SPLIT_NAMES],
            format_func=lambda name: capitalise(SPLIT_NAMES.get(name, "all splits")),
            help="Show one split only.",
            key="gallery-split",
        )
    by_class: list[list[ImageRow]] = [[] for _ in dataset.classes]
    for row in dataset.rows if split == "all" else dataset.rows_of(split):
        by_class[row.label].append(row)
    mode = _choose_mode(settings, dataset, by_class if not label else ())
    if label:
        shown = _show_class(settings, dataset, by_class[dataset.classes.index(label)], mode)
    else:
        shown = _show_strips(settings, dataset, by_class, mode)
    _name_missing(dataset, shown)


@dataclass(frozen=True)
class Mode:
    """What a click on a picture does: open it, or select it for a correction.

    Attributes:
        marks: what a picture's button shows of its pending correction, by its place in the table.
    """

    correcting: bool
    marks: Mapping[int, str]


def _choose_mode(settings: Settings, dataset: Dataset, strips: Sequence[Rows]) -> Mode:
    """Whether pictures are corrected; draws the switch and the buttons, for whom the dataset belongs to.

    Args:
        strips: the pictures of each class, where all classes are shown.
    """
    if not frame.actor().may_change(dataset.summary.owner):
        return Mode(False, {})
    found = corrected(dataset)
    marks = {place: found.labels[place] or LEFT_OUT for place in found.changed(dataset)}
    if not st.toggle("Correct labels", key=CORRECTING, help="A click then selects pictures; the buttons correct them."):
        return Mode(False, marks)
    selection = selection_of(dataset)
    chosen = selection.places
    with st.container(border=True, key="correcting"):
        if chosen:
            st.markdown(f"**{format_count(len(chosen), 'picture')} selected.** Which class do they show?")
        else:
            st.markdown("Click the pictures that are in the wrong class, or do not belong here.")
        if offer_corrections(dataset, found, sorted(chosen), "selected"):
            selection.clear()
            st.rerun()
    with st.container(horizontal=True, gap="xsmall"):
        if strips:
            _offer_range(selection, next((rows for rows in strips if selection.between(rows)), ()))
        st.button("Clear the selection", key="clear-selected", icon=":material/deselect:", disabled=not chosen,
                  on_click=selection.clear)  # fmt: skip
        with st.popover("Classes and more pictures", icon=":material/category:", key="class-changes"):
            offer_class_changes(settings, dataset)
    return Mode(True, marks)


def _offer_range(selection: Selection, rows: Rows) -> None:
    between = selection.between(rows)
    st.button(
        f"Select {len(between):,} between" if between else "Select all between",
        key="select-between", icon=":material/arrow_range:", shortcut="B", disabled=not between,
        help="Click the first and the last picture of a range; they may be on different pages of a class.",
        on_click=selection.places.update, args=(between,),
    )  # fmt: skip


def _show_strips(settings: Settings, dataset: Dataset, by_class: Sequence[Rows], mode: Mode) -> Rows:
    """A strip for each class of this page; returns what it shows."""
    pages = -(-len(by_class) // STRIPS)
    number = st.pagination(pages, key=f"gallery-classes-{dataset.id}") if pages > 1 else 1
    if pages > 1:
        st.caption(f"{len(by_class):,} classes, page {number} of {pages}.")
    shown: list[ImageRow] = []
    for label in range((number - 1) * STRIPS, min(number * STRIPS, len(by_class))):
        rows, name = by_class[label], dataset.classes[label]
        st.markdown(f"**{frame.plain(name)}** · {format_count(len(rows), 'picture')}")
        if not rows:
            continue
        with st.container(
            horizontal=True, wrap=False, gap="xsmall", vertical_alignment="top",
            height=MARKED_PX if mode.correcting or mode.marks else STRIP_PX, border=False,
            key=f"strip-{label}",
        ):  # fmt: skip
            _draw_buttons(settings, dataset, rows[:PER_STRIP], rows, mode)
            if len(rows) > PER_STRIP:
                st.button(
                    f"All {len(rows):,}", key=f"all-{label}", icon=":material/grid_view:", width=TILE_PX,
                    on_click=_choose_class, args=(name,),
                )  # fmt: skip
        shown.extend(rows[:PER_STRIP])
    return shown


def _choose_class(name: str) -> None:
    st.session_state[CLASS_KEY] = name


def _show_class(settings: Settings, dataset: Dataset, rows: Rows, mode: Mode) -> Rows:
    """The pictures of one class, page by page; returns what this page shows."""
    if not rows:
        st.info("This class has no pictures in this split.")
        return ()
    pages = -(-len(rows) // PER_PAGE)
    number = st.pagination(pages, key=f"gallery-page-{rows[0].index}-{len(rows)}") if pages > 1 else 1
    shown = rows[(number - 1) * PER_PAGE : number * PER_PAGE]
    where = f", page {number} of {pages}" if pages > 1 else ""
    st.caption(f"{format_count(len(rows), 'picture')}{where}.")
    with st.container(horizontal=True, gap="xsmall", key=f"tiles-{dataset.id}"):
        _draw_buttons(settings, dataset, shown, rows, mode)
    if mode.correcting:
        selection = selection_of(dataset)
        with st.container(horizontal=True, gap="xsmall"):
            _offer_range(selection, rows)
            st.button("Select this page", key="select-page", icon=":material/select_all:",
                      on_click=selection.places.update, args=([row.index for row in shown],))  # fmt: skip
    return shown


def _draw_buttons(settings: Settings, dataset: Dataset, shown: Rows, among: Rows, mode: Mode) -> None:
    selection = selection_of(dataset)
    for row in shown:
        label, mark = _label(dataset, row), mode.marks.get(row.index)
        if mark:
            label += f" :material/edit: {frame.plain(mark)}"
        if mode.correcting:
            selected = row.index in selection.places
            st.button(
                label + (" :material/check_circle:" if selected else ""), key=f"select-{row.index}", width=TILE_PX,
                type="primary" if selected else "secondary", on_click=selection.toggle, args=(row.index,),
            )  # fmt: skip
        elif st.button(label, key=f"picture-{row.index}", width=TILE_PX):
            large_picture.open_picture(settings, dataset, among, row)


def _label(dataset: Dataset, row: ImageRow) -> str:
    address = thumbnail_files.address_of(dataset, row)
    if not address:
        return ":material/broken_image: missing"
    return f"![{frame.plain(dataset.classes[row.label])}, picture {row.index + 1}]({address})"


def _name_missing(dataset: Dataset, rows: Rows) -> None:
    lost = [row for row in rows if not dataset.thumbnail_path(row).exists()]
    if lost:
        more = f" and {len(lost) - 1} more are" if len(lost) > 1 else " is"
        st.warning(
            f"The thumbnail of {frame.plain(lost[0].name)}{more} missing: import the dataset again.",
            icon=":material/warning:",
        )
