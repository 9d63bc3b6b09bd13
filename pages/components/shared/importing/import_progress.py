"""The progress of an import in its own process; the job's id is in the URL, so a reload loses nothing."""

from contextlib import suppress

import streamlit as st

from core.errors import DatasetError
from core.formatting import format_estimate
from core.jobs.import_jobs import ImportStatus, is_download
from core.settings import Settings
from pages.components.shared import frame
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
        share = status.done / status.total if status.total else 0.0
        left = f" · {format_estimate(status.eta_seconds)} left" if status.eta_seconds else ""
        unit = f" {status.unit}" if status.unit else ""
        count = f": {status.done:,} of {status.total:,}{unit}" if status.total else ""
        st.progress(min(1.0, share), text=f"{status.text}{count}{left}")
        jobs = frame.imports(settings)
        if jobs.is_cancelled(job_id):
            st.caption("Cancelling …")
            return
        st.caption("It continues when you leave this page.")
        if may_end and frame.actor().may_change(jobs.request(job_id).owner):
            st.button(
                "Cancel",
                icon=":material/close:",
                key=f"cancel-{job_id}",
                help="Nothing of this import is kept.",
                on_click=_cancel,
                args=(settings, job_id),
            )


def _cancel(settings: Settings, job_id: str) -> None:
    with suppress(DatasetError):  # it has just ended
        frame.imports(settings).cancel(job_id, by=frame.actor())
