"""The answers of a batch: how many of each class, the pictures with the least sure first, what could not be read."""

import html
from collections.abc import Sequence
from contextlib import closing

import streamlit as st

from core.batches.batch import Batch, BatchRequest
from core.batches.batch_rows import Table, printable, read_table
from core.datasets.pictures.decoder import Limits, render_preview
from core.errors import ImageError, TuneMyPetsError
from core.formatting import format_count, format_percent, format_probability
from core.predict.answers_in_words import join_classes
from core.settings import Settings
from core.storage import stamp_of
from pages.components.predict.previews import SMALL_PX, read_greys
from pages.components.shared import frame
from pages.components.shared.names import tell_apart
from pages.components.shared.pictures import gallery
from pages.components.shared.snapshots.shared_cache import SharedCache
from pages.server.batch_files import CSV, ZIP, address_of

PER_PAGE = 24
MOST_CLASSES = 12  # with a bar of their own
BOUNDS = {"All": 1.0, "≤ 95 %": 0.95, "≤ 80 %": 0.8, "≤ 60 %": 0.6}
NOT_SURE, NO_ANSWER = "Not sure", "No answer"

_tables: SharedCache[tuple[object, ...], Table] = SharedCache(None, max_entries=8)
_thumbnails: SharedCache[tuple[str, int], bytes] = SharedCache(None, max_entries=1000)


def show_answers(settings: Settings, batch: Batch, request: BatchRequest) -> None:
    """Draw what a batch has answered so far."""
    stamp = stamp_of(batch.rows_path)
    if stamp is None:
        return
    table = _tables.get((batch.rows_path, stamp), lambda: read_table(batch.rows_path, request))
    _show_totals(table, request.classes)
    with st.container(horizontal=True, gap="small"):
        st.link_button("Table (CSV)", address_of(batch, request, CSV), icon=":material/download:")
        if len(table.files) > len(table.problems):
            st.link_button(
                "Sorted into folders (zip)",
                address_of(batch, request, ZIP),
                icon=":material/folder_zip:",
                help="The pictures in a folder for each class, made while it is sent.",
            )
    _show_pictures(settings, batch, request, table)


def _show_totals(table: Table, classes: Sequence[str]) -> None:
    counts = table.count_classes(len(classes))
    strange = int(table.strange.sum())
    answered = int(counts.sum()) + int(table.not_sure.sum())
    parts = [format_count(answered, "picture")]
    if table.problems:
        parts.append(f"{format_count(len(table.problems), 'file')} without an answer")
    st.markdown(f"**{' · '.join(parts)}**")
    order = sorted(range(len(classes)), key=lambda label: -counts[label])
    rows = [_row(classes[label], int(counts[label]), answered) for label in order[:MOST_CLASSES] if counts[label]]
    rows += [_row("Not sure: may be of more than one class", len(table.may_be), answered)] if table.may_be else []
    rows += [_row("Not sure: unlike anything it was trained on", strange, answered)] if strange else []
    if rows:
        st.html(f'<div class="batch-totals">{"".join(rows)}</div>')
    if others := sum(1 for label in order[MOST_CLASSES:] if counts[label]):
        st.caption(f"{others} more classes in the list below.")


def _row(name: str, count: int, total: int) -> str:
    share = count / total
    return (
        f'<div class="answer-row"><span>{html.escape(printable(name))}</span>'
        f"<span>{count:,} ({format_percent(share, 0)})</span></div>"
        f'<div class="answer-bar"><div style="width:{100 * share:.2f}%;background:currentColor"></div></div>'
    )


def _show_pictures(settings: Settings, batch: Batch, request: BatchRequest, table: Table) -> None:
    counts = table.count_classes(len(request.classes), not_sure=True)
    every = tell_apart("All classes", request.classes)
    kinds = [*BOUNDS]
    kinds += [NOT_SURE] if table.not_sure.any() else []
    kinds += [NO_ANSWER] if table.problems else []
    left, right = st.columns([2, 3], vertical_alignment="bottom")
    label = left.selectbox(
        "Class",
        [None, *(place for place in range(len(counts)) if counts[place])],
        format_func=lambda place: (
            every if place is None else f"{printable(request.classes[place])} ({int(counts[place]):,})"
        ),
        key=f"batch-class-{batch.id}",
    )
    kind = right.segmented_control(
        "Probability",
        kinds,
        default="All",
        required=True,
        key=f"batch-kind-{batch.id}",
        help="Of the most probable class. Not sure: more than one class is possible, or the picture is unlike "
        "anything the network was trained on.",
    )
    if kind == NO_ANSWER:
        _show_problems(batch, list(table.problems.values()))
        return
    places = table.least_sure_first(label, BOUNDS.get(str(kind), 1.0))
    if kind == NOT_SURE:
        places = places[table.not_sure[places]]
    if not len(places):
        st.info("No picture is like that: choose another class or probability.")
        return
    pages = -(-len(places) // PER_PAGE)
    number = st.pagination(pages, key=f"batch-page-{batch.id}-{label}-{kind}") if pages > 1 else 1
    shown = [int(place) for place in places[(number - 1) * PER_PAGE : number * PER_PAGE]]
    st.caption(f"{format_count(len(places), 'picture')}, least sure first.")
    tiles = [
        gallery.Tile(
            thumbnail,
            _words(table, request.classes, place),
            detail=printable(table.files[place]),
        )
        for place, thumbnail in zip(shown, _draw(settings, batch, request, shown), strict=True)
    ]
    gallery.show_tiles(tiles, width_px=132)


def _words(table: Table, classes: Sequence[str], place: int) -> str:
    if table.strange[place]:
        return "unlike anything it knows"
    if names := table.may_be.get(place):
        return f"not sure: {printable(join_classes(names))}"
    text = f"{printable(classes[table.labels[place]])} {format_probability(float(table.probabilities[place]))}"
    return f"unsure: {text}" if place in table.may_be else text


def _show_problems(batch: Batch, reasons: Sequence[str]) -> None:
    """Why files have no answer; each sentence names its file."""
    pages = -(-len(reasons) // PER_PAGE)
    number = st.pagination(pages, key=f"batch-problems-{batch.id}") if pages > 1 else 1
    shown = reasons[(number - 1) * PER_PAGE : number * PER_PAGE]
    st.markdown("\n".join(f"* {frame.plain(printable(text).replace(chr(10), ' '))}" for text in shown))


def _draw(settings: Settings, batch: Batch, request: BatchRequest, places: Sequence[int]) -> list[bytes]:
    """Small pictures; empty where one is gone."""
    missing: dict[int, bytes] = {}

    def make(place: int) -> bytes:
        if not missing:
            missing.update(_read(settings, batch, request, places))
        return missing.get(place, b"")

    return [_thumbnails.get((batch.id, place), lambda place=place: make(place)) for place in places]  # type: ignore[misc]


def _read(settings: Settings, batch: Batch, request: BatchRequest, places: Sequence[int]) -> dict[int, bytes]:
    """Small pictures of some rows: the folder or archive is opened once for all of them."""
    limits, greys = Limits.from_settings(settings), read_greys(settings, request.run)
    found = dict.fromkeys(places, b"")
    try:
        with closing(batch.open(settings, request)) as source:
            entries = batch.entries(source, request)
            for place in places:
                try:
                    data = source.read(entries[place], limits.max_bytes)
                    found[place] = render_preview(data, limits, "This picture", SMALL_PX, greys)
                except (ImageError, IndexError):
                    continue
    except TuneMyPetsError as error:
        st.caption(frame.plain(str(error)))
    return found
