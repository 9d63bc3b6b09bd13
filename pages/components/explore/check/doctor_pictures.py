"""Pictures that the doctor found, as buttons: a tap opens one large, with its nearest neighbours.

The dialog offers to correct the picture; the doctor itself changes nothing.
"""

from collections.abc import Callable, Sequence

import pandas as pd
import streamlit as st

from core.datasets.dataset import Dataset
from core.doctor.doctor_findings import QUALITIES, CopyPair, QualityFinding, Suspicion
from core.formatting import SPLIT_NAMES
from core.revisions.corrections import corrected
from core.settings import Settings
from pages.components.explore import large_picture
from pages.components.shared import frame
from pages.components.shared.names import tell_apart
from pages.components.shared.pictures import gallery
from pages.components.shared.pictures.close_up import open_close_up
from pages.server import thumbnail_files

PER_PAGE = 12
PAIRS_PER_PAGE = 6
TILE_PX = 98
KEY = "doctor-close-up"


def show_suspicions(settings: Settings, dataset: Dataset, suspicions: Sequence[Suspicion]) -> None:
    """Pictures whose labels look wrong, with both classes; one class at a time where that is wanted."""
    if not suspicions:
        return
    every = tell_apart("All classes", dataset.classes)
    chosen = st.selectbox(
        "Class",
        ["", *dataset.classes],  # no class has an empty name
        format_func=lambda name: name or every,
        help="Pictures with this label, or that look like this class.",
        key=f"doctor-class-{dataset.id}",
    )
    label = dataset.classes.index(chosen) if chosen else None
    shown = [item for item in suspicions if label is None or label in (item.given, item.suggested)]
    if not shown:
        st.info("No label of this class looks wrong, and no picture of another class looks like it.")
        return

    def draw(place: int) -> None:
        _show_suspicion(settings, dataset, shown[place])

    captions = [
        f"{frame.plain(dataset.classes[item.given])} → **{frame.plain(dataset.classes[item.suggested])}?**"
        for item in shown
    ]
    _show_page(dataset, "labels", [item.index for item in shown], captions, draw)
    frame.offer_csv(
        "Download as CSV", lambda: _list_suspicions(dataset, suspicions), f"tunemypets-{dataset.id}-labels.csv"
    )


def show_qualities(settings: Settings, dataset: Dataset, qualities: Sequence[QualityFinding]) -> None:
    """Pictures that are hard to see, with what is wrong with them."""
    if not qualities:
        return

    def draw(place: int) -> None:
        kind, advice = QUALITIES[qualities[place].kind]
        st.markdown(f"**{kind}.** {advice}")
        large_picture.show_picture(settings, dataset, dataset.rows[qualities[place].index])

    captions = [QUALITIES[item.kind][0] for item in qualities]
    _show_page(dataset, "quality", [item.index for item in qualities], captions, draw)


def show_pairs(settings: Settings, dataset: Dataset, pairs: Sequence[CopyPair]) -> None:
    """Pairs that show almost the same, side by side, each with its class and split."""
    if not pairs:
        return
    indices = [index for pair in pairs for index in (pair.first, pair.second)]
    said = [
        f"{frame.plain(dataset.classes[row.label])}, {SPLIT_NAMES[row.split]}"
        for row in (dataset.rows[index] for index in indices)
    ]
    captions = _note_corrections(dataset, indices, said)

    def draw(place: int) -> None:
        other = indices[place ^ 1], pairs[place // 2].similarity
        _show_next_to(settings, dataset, indices[place], "Its near-copy", [other])

    pages = -(-len(pairs) // PAIRS_PER_PAGE)
    number = st.pagination(pages, key=f"doctor-page-pairs-{dataset.id}") if pages > 1 else 1
    first = (number - 1) * PAIRS_PER_PAGE
    with st.container(horizontal=True, gap="small", key=f"tiles-doctor-pairs-{dataset.id}"):
        for pair in range(first, min(first + PAIRS_PER_PAGE, len(pairs))):
            with st.container(
                horizontal=True, wrap=False, border=True, gap="small", width="content", key=f"tiles-doctor-pair-{pair}"
            ):
                for place in (2 * pair, 2 * pair + 1):
                    _show_tile(dataset, "pairs", indices, captions, place, draw)


def _show_page(
    dataset: Dataset, name: str, indices: Sequence[int], captions: Sequence[str], draw: Callable[[int], None]
) -> None:
    captions = _note_corrections(dataset, indices, captions)
    pages = -(-len(indices) // PER_PAGE)
    number = st.pagination(pages, key=f"doctor-page-{name}-{dataset.id}-{len(indices)}") if pages > 1 else 1
    with st.container(horizontal=True, gap="small", key=f"tiles-doctor-{name}-{dataset.id}"):
        for place in range((number - 1) * PER_PAGE, min(number * PER_PAGE, len(indices))):
            _show_tile(dataset, name, indices, captions, place, draw)


def _note_corrections(dataset: Dataset, indices: Sequence[int], captions: Sequence[str]) -> list[str]:
    """The captions; of corrected pictures, what they are now."""
    found = corrected(dataset)
    changed = set(found.changed(dataset))
    return [
        f":material/edit: {frame.plain(found.labels[index] or 'left out')}" if index in changed else caption
        for index, caption in zip(indices, captions, strict=True)
    ]


def _show_tile(
    dataset: Dataset,
    name: str,
    indices: Sequence[int],
    captions: Sequence[str],
    place: int,
    draw: Callable[[int], None],
) -> None:
    """A picture as a button, and a line below it; a click opens the dialog there."""
    row = dataset.rows[indices[place]]
    address = thumbnail_files.address_of(dataset, row)
    shown = ":material/broken_image: missing"
    if address:
        shown = f"![{frame.plain(dataset.classes[row.label])}, picture {row.index + 1}]({address})"
    with st.container(width=TILE_PX, gap="xsmall"):
        if st.button(shown, key=f"doctor-{name}-{place}-{row.index}", width=TILE_PX):
            open_close_up(KEY, len(indices), place, draw, changes_page=True)
        st.caption(captions[place])


def _show_suspicion(settings: Settings, dataset: Dataset, item: Suspicion) -> None:
    given, suggested = (frame.plain(dataset.classes[label]) for label in (item.given, item.suggested))
    st.markdown(f"Labelled **{given}**, looks like **{suggested}**.")
    _show_next_to(
        settings,
        dataset,
        item.index,
        "Nearest neighbours",
        [(other.index, other.similarity) for other in item.neighbours],
    )


def _show_next_to(
    settings: Settings,
    dataset: Dataset,
    index: int,
    title: str,
    others: Sequence[tuple[int, float]],
) -> None:
    """A picture large, and others small with their similarity."""
    left, right = st.columns([3, 1])
    with left:
        large_picture.show_picture(settings, dataset, dataset.rows[index])
    with right:
        st.markdown(title)
        gallery.show_tiles(
            [
                gallery.Tile(
                    dataset.thumbnail_path(row),
                    f"{dataset.classes[row.label]}, {SPLIT_NAMES[row.split]}",
                    None,
                    f"similarity {similarity:.2f}",
                )
                for row, similarity in ((dataset.rows[other], similarity) for other, similarity in others)
            ],
            width_px=100,
        )


def _list_suspicions(dataset: Dataset, suspicions: Sequence[Suspicion]) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "picture": dataset.rows[item.index].name,
                "label": dataset.classes[item.given],
                "looks like": dataset.classes[item.suggested],
                "probability of the label": item.given_probability,
                "probability of the other": item.suggested_probability,
            }
            for item in suspicions
        ]
    )
