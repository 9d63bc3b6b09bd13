"""The progress of an import in its own process; the job's id is in the URL, so a reload loses nothing."""

import streamlit as st

from core.jobs.import_jobs import ImportStatus, is_download
from core.settings import Settings
from pages.components.shared import frame, progress_bar
from pages.components.shared.dataset_cache import forget_datasets
from pages.components.shared.importing import layout_question

REFRESH_SECONDS = 0.5


def follow(settings: Settings, job_id: str, *, may_end: bool = False) -> ImportStatus:
    """Show how far an import is, what it asks, or why it failed; when it has ended, the page is drawn again.

    Args:
        may_end: whether a running one can be cancelled here, and a download that failed started again.
    Raises:
        DatasetError: if there is no such import.
    """
    status = frame.imports(settings).status(job_id)
    if status.state == "running":
        st.fragment(_show_progress, run_every=REFRESH_SECONDS, key=f"import-{job_id}")(settings, job_id, may_end)
    elif status.state == "asking":
        layout_question.show_layout_question(frame.imports(settings), job_id)
    elif status.state == "cancelled":
        st.info(status.text, icon=":material/info:")
    elif status.state != "finished":
        st.error(frame.plain(status.text), icon=":material/block:")
        if may_end:
            _offer_again(settings, job_id)
    return status


def _offer_again(settings: Settings, job_id: str) -> None:
    request = frame.imports(settings).request(job_id)
    if (
        is_download(request.path)
        and frame.actor().may_change(request.owner)
        and st.button("Try again", type="primary", icon=":material/refresh:", key=f"again-{job_id}")
    ):
        again = frame.imports(settings).again(job_id, by=frame.actor())
        st.query_params.from_dict({"import": again})
        st.rerun()


def _show_progress(settings: Settings, job_id: str, may_end: bool) -> None:
    with frame.explained():
        status = frame.imports(settings).status(job_id)
        if status.state != "running":
            forget_datasets()
            st.rerun()
        progress_bar.draw_bar(status.text, status.done, status.total, status.eta_seconds, unit=status.unit)
        jobs = frame.imports(settings)
        may = may_end and frame.actor().may_change(jobs.request(job_id).owner)
        progress_bar.offer_cancel(
            (lambda: jobs.cancel(job_id, by=frame.actor())) if may else None,
            f"cancel-{job_id}",
            cancelled=jobs.is_cancelled(job_id),
            kept="Nothing of this import is kept.",
        )
