"""The progress of an import in its own process; the job's id is in the URL, so a reload loses nothing."""

from pathlib import Path

import pandas as pd
import streamlit as st

from core.formatting import SPLIT_NAMES, capitalise, format_count, format_estimate, join_names
from core.settings import Settings
from pages.components.shared import frame, layout_question
from pages.components.shared.dataset_cache import open_dataset

REFRESH_SECONDS = 0.5
SHOWN_CLASSES = 12
SHOWN_NOTES = 6


def follow(settings: Settings, job_id: str, then_page: Path) -> None:
    """Show an import's progress, and links to the dataset when it is done."""
    status = frame.imports(settings).status(job_id)
    running = status.state == "running"
    panel = st.fragment(_panel, run_every=REFRESH_SECONDS if running else None, key=f"import-{job_id}")
    panel(settings, job_id, then_page, running)


def _panel(settings: Settings, job_id: str, then_page: Path, was_running: bool) -> None:
    with frame.explained():
        status = frame.imports(settings).status(job_id)
        if status.state == "running":
            share = status.done / status.total if status.total else 0.0
            left = f" · {format_estimate(status.eta_seconds)} left" if status.eta_seconds else ""
            count = f" {status.done:,} of {status.total:,}" if status.total else ""
            st.progress(min(1.0, share), text=f"{status.text}{count}{left}")
            return
        if was_running:
            st.rerun()
        if status.state == "asking":
            layout_question.show_layout_question(frame.imports(settings), job_id)
        elif status.state == "finished" and status.dataset:
            _show_result(settings, status.dataset, then_page)
        else:
            st.error(frame.plain(status.text), icon=":material/block:")
        label = "Close this message" if status.state != "asking" else "Do not import"
        if st.button(label, key=f"close-{job_id}"):
            if status.state == "asking":
                frame.imports(settings).discard(job_id, by=frame.actor())
            for name in ("import", "demo"):
                st.query_params.pop(name, None)
            st.rerun()


def _show_result(settings: Settings, dataset_id: str, then_page: Path) -> None:
    """What was imported: classes with their pictures in each split, every note, and how many files were rejected."""
    dataset = open_dataset(settings, dataset_id)
    report = dataset.report()
    said = [format_count(len(rows), noun) for rows, noun in (
        (report.notes, "note"), (report.rejected, "rejected file"), (report.contradictory, "contradiction")
    ) if rows]  # fmt: skip
    ready = f"The dataset is ready: {len(dataset.rows):,} pictures of {len(dataset.classes)} classes"
    st.success(f"{ready}{f', {join_names(said)}' if said else ''}.", icon=":material/check_circle:")
    with st.container(horizontal=True):
        pages = [
            (frame.EXPLORE, "Look at the pictures", ":material/photo_library:"),
            (frame.TRAIN, "Start a race", ":material/flag:"),
        ]
        for page, label, icon in sorted(pages, key=lambda item: item[0] != then_page):
            frame.link(page, label=label, icon=icon, query_params={"dataset": dataset_id})
    table = pd.DataFrame(
        [
            {"Class": name, **{capitalise(SPLIT_NAMES[split]): count for split, count in counts.items()}}
            for name, counts in dataset.counts.items()
        ]
    )
    st.dataframe(table, hide_index=True, height="content" if len(table) <= SHOWN_CLASSES else 320)
    if report.notes:
        st.info("\n".join(f"- {frame.plain(note)}" for note in report.notes[:SHOWN_NOTES]))
    more = len(report.notes) - SHOWN_NOTES
    if report.rejected or more > 0:
        also = f"{format_count(more, 'more note')}, " if more > 0 else ""
        st.caption(f"{also}{format_count(len(report.rejected), 'rejected file')}: see the import report on Explore.")
