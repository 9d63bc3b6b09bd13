"""The progress of an import in its own process; the job's id is in the URL, so a reload loses nothing."""

import streamlit as st

from core.formatting import format_estimate
from core.jobs.import_jobs import ImportStatus
from core.settings import Settings
from pages.components.shared import frame, layout_question
from pages.components.shared.dataset_cache import forget_datasets

REFRESH_SECONDS = 0.5


def follow(settings: Settings, job_id: str) -> ImportStatus:
    """Show how far an import is, what it asks, or why it failed; when it has ended, the page is drawn again.

    Raises:
        DatasetError: if there is no such import.
    """
    status = frame.imports(settings).status(job_id)
    if status.state == "running":
        st.fragment(_show_progress, run_every=REFRESH_SECONDS, key=f"import-{job_id}")(settings, job_id)
    elif status.state == "asking":
        layout_question.show_layout_question(frame.imports(settings), job_id)
    elif status.state != "finished":
        st.error(frame.plain(status.text), icon=":material/block:")
    return status


def _show_progress(settings: Settings, job_id: str) -> None:
    with frame.explained():
        status = frame.imports(settings).status(job_id)
        if status.state != "running":
            forget_datasets()
            st.rerun()
        share = status.done / status.total if status.total else 0.0
        left = f" · {format_estimate(status.eta_seconds)} left" if status.eta_seconds else ""
        count = f" {status.done:,} of {status.total:,}" if status.total else ""
        st.progress(min(1.0, share), text=f"{status.text}{count}{left}")
        st.caption("It continues when you leave this page.")
