"""The question what a class is, where an import can read the files in several ways: each with counts and pictures."""

import streamlit as st

from core.formatting import format_count
from core.jobs.import_jobs import ImportChoice, ImportJobs
from pages.components.shared import frame
from pages.components.shared.pictures import gallery

SHOWN_COUNTS = 8


def show_layout_question(jobs: ImportJobs, job_id: str) -> None:
    """Draw the choices; the chosen one starts the import again, and the last button discards it."""
    choices = jobs.choices(job_id)
    st.subheader("Which are the classes?")
    if len(choices) == 1:
        st.caption("These folders do not look like classes. Nothing is imported until you decide.")
    else:
        st.caption(f"Your pictures can be read in {len(choices)} ways. Nothing is imported until you choose one.")
    for place, choice in enumerate(choices):
        with st.container(border=True):
            st.markdown(f"**{frame.plain(choice.title)}**")
            st.caption(frame.plain(_describe(choice)))
            tiles = [
                gallery.Tile(jobs.sample(job_id, name), label)
                for label, names in choice.samples.items()
                for name in names
            ]
            if tiles:
                gallery.show_tiles(tiles, width_px=84)
            if st.button("Use these classes", key=f"layout-{job_id}-{place}", icon=":material/check:"):
                jobs.answer(job_id, choice.key, by=frame.actor())
                st.rerun()
    if st.button("Do not import", key=f"discard-{job_id}"):
        jobs.discard(job_id, by=frame.actor())
        st.query_params.from_dict({"add": "1"})  # the step of an import, on Explore
        st.rerun()


def _describe(choice: ImportChoice) -> str:
    counts = list(choice.counts.items())
    shown = ", ".join(f"{name}: {count:,}" for name, count in counts[:SHOWN_COUNTS])
    more = f" and {len(counts) - SHOWN_COUNTS:,} more" if len(counts) > SHOWN_COUNTS else ""
    total = format_count(sum(choice.counts.values()), "picture")
    return f"{len(counts)} classes, {total}. {shown}{more}"
