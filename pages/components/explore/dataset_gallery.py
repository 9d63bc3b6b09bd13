"""The pictures of a dataset, page by page, and one of them in detail."""

import streamlit as st

from core.datasets.dataset import Dataset, ImageRow
from core.datasets.pictures.decoder import Limits, render_preview
from core.errors import TuneMyPetsError
from core.formatting import SPLIT_NAMES, capitalise
from core.settings import Settings
from pages.components.shared import frame, gallery
from pages.components.shared.names import tell_apart

PER_PAGE = 24


def show_gallery(settings: Settings, dataset: Dataset) -> None:
    """Draw the pictures of a class and split, page by page, and one of them in detail."""
    left, right = st.columns(2)
    every = tell_apart("All classes", dataset.classes)
    label = left.selectbox(
        "Class",
        ["", *dataset.classes],  # no class has an empty name
        format_func=lambda name: name or every,
        help="Show one class only.",
        key="gallery-class",
    )
    split = right.selectbox(
        "Split",
        ["all", *SPLIT_NAMES],
        format_func=lambda name: capitalise(SPLIT_NAMES.get(name, "all splits")),
        help="Show one split only.",
        key="gallery-split",
    )
    rows = [
        row
        for row in dataset.rows
        if (not label or dataset.classes[row.label] == label) and split in ("all", row.split)
    ]
    if not rows:
        st.info("This class has no pictures in this split.")
        return
    pages = -(-len(rows) // PER_PAGE)
    number = st.pagination(pages, key=f"gallery-page-{label}-{split}") if pages > 1 else 1
    shown = rows[(number - 1) * PER_PAGE : number * PER_PAGE]
    gallery.show_tiles(
        [
            gallery.Tile(
                dataset.thumbnail_path(row), dataset.classes[row.label], None, capitalise(SPLIT_NAMES[row.split])
            )
            for row in shown
        ]
    )
    st.caption(f"{len(rows):,} pictures, page {number} of {pages}.")
    lost = [row for row in shown if not dataset.thumbnail_path(row).exists()]
    if lost:
        more = f" and {len(lost) - 1} more are" if len(lost) > 1 else " is"
        st.warning(
            f"The thumbnail of {frame.plain(lost[0].name)}{more} missing: import the dataset again.",
            icon=":material/warning:",
        )
    _detail(settings, dataset, shown)


def _detail(settings: Settings, dataset: Dataset, rows: list[ImageRow]) -> None:
    row = st.selectbox(
        "One picture in detail",
        rows,
        index=None,
        format_func=lambda item: f"{dataset.classes[item.label]}: {item.name}",
        placeholder="Choose a picture of this page",
        key=f"detail-{rows[0].index}",
    )
    if row is None:
        return
    left, right = st.columns([2, 1])
    with left:
        try:
            shown = render_preview(
                dataset.read_image(row), Limits.from_settings(settings), row.name, greys=dataset.greys
            )
        except TuneMyPetsError as error:
            st.error(frame.plain(str(error)), icon=":material/block:")
        else:
            st.image(shown, width="stretch", alt=f"{dataset.classes[row.label]}, {row.name}")
    with right:
        st.markdown(
            f"**{frame.plain(dataset.classes[row.label])}**, {SPLIT_NAMES[row.split]}\n\n"
            f"- file: {frame.plain(row.name)}\n- {row.width} × {row.height} pixels, {row.bytes / 1000:.0f} kB\n"
            + "".join(f"- {frame.plain(flag)}\n" for flag in row.flags)
            + f"- sha256: `{row.sha256[:16]}…`"
        )
