"""The import report: rejected, converted, duplicate and contradictory files, with reasons."""

from collections.abc import Sequence

import pandas as pd
import streamlit as st

from core.datasets.dataset import Dataset
from pages.components.shared import frame
from pages.components.shared.pictures import gallery

SHOWN_GROUPS = 24
SHOWN_ROWS = 1000


def show_import_report(dataset: Dataset) -> None:
    """Draw the report of a dataset."""
    report = dataset.report()
    contradictory = sum(len(group) for group in report.contradictory)
    near = sum(len(group) for group in report.contradictory_near)
    st.markdown("##### Import report")
    counts = [
        f"**{count:,}** {words}"
        for count, words in (
            (len(report.rejected), "rejected"),
            (len(report.converted), "converted"),
            (len(report.duplicates), "exact copies left out"),
            (contradictory, "contradictory"),
            (near, "near-copies in other classes"),
        )
        if count
    ]
    if counts:
        st.markdown(" · ".join(counts))
    for note in report.notes:
        st.info(frame.plain(note), icon=":material/info:")
    if report.ignored:
        st.caption(
            f"{report.ignored:,} files that accompany the pictures (such as .DS_Store, README or texts) were ignored."
        )
    if not (report.rejected or report.converted or report.duplicates or report.contradictory or near or report.notes):
        st.success("All files were read without problems.", icon=":material/check_circle:")
    _table("Rejected", report.rejected, ["File", "Reason"])
    _gallery(
        dataset,
        report.contradictory,
        "Contradictory: the same picture in different classes",
        "These are in no split. Decide which label is right and import again.",
    )
    _gallery(
        dataset,
        report.contradictory_near,
        "Near-copies: almost the same picture in different classes",
        "Resized, saved again, mirrored or turned. All were kept: where a label is wrong, remove that file and import "
        "again.",
    )
    _table("Copies left out", report.duplicates, ["File", "Kept instead"])
    _table("Converted", report.converted, ["File", "What was done"])


def _gallery(dataset: Dataset, groups: Sequence[Sequence[tuple[str, str, str]]], title: str, caption: str) -> None:
    if not groups:
        return
    st.markdown(f"##### {title}")
    st.caption(caption)
    gallery.show_tiles(
        [
            gallery.Tile(dataset.folder / thumbnail, f"{place}: {label}", None, name)
            for place, group in enumerate(groups[:SHOWN_GROUPS], start=1)
            for name, label, thumbnail in group
        ]
    )
    if len(groups) > SHOWN_GROUPS:
        st.caption(f"The first {SHOWN_GROUPS} of {len(groups)} groups.")


def _table(title: str, rows: Sequence[tuple[str, str]], columns: Sequence[str]) -> None:
    if not rows:
        return
    st.markdown(f"##### {title}")
    table = pd.DataFrame(rows[:SHOWN_ROWS], columns=list(columns))
    st.dataframe(table, hide_index=True, height="content" if len(table) < 12 else 420)
    if len(rows) > SHOWN_ROWS:
        st.caption(f"The first {SHOWN_ROWS:,} of {len(rows):,}.")
    file_name = f"tunemypets-{title.lower().replace(' ', '-')}.csv"
    frame.offer_csv("Download as CSV", lambda: pd.DataFrame(rows, columns=list(columns)), file_name, key=title)
