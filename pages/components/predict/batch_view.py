"""One batch, alone on the page: its progress, then its answers. Its id is in the address, so a reload loses nothing."""

from contextlib import suppress

import streamlit as st

from core.batches.batch import Batch, BatchRequest, BatchStatus
from core.batches.batch_store import BatchStore
from core.config.arm_names import describe_arm, name_arm
from core.errors import RightsError, TuneMyPetsError
from core.formatting import format_bytes, format_count
from core.settings import Settings
from pages.components.predict import batch_results
from pages.components.predict.batch_form import BATCH
from pages.components.shared import frame, progress_bar

REFRESH_SECONDS = 1.0


def is_open() -> bool:
    """Whether the address names a batch."""
    return BATCH in st.query_params


def show_batch(settings: Settings) -> None:
    """Draw the batch of the address."""
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.header("Many pictures", width="content")
        st.button("Close", icon=":material/close:", type="tertiary", key="batch-close", on_click=_close)
    with frame.explained():
        batch = BatchStore(settings).get(st.query_params[BATCH])
        request, status = batch.request(), batch.status()
        if not frame.actor().may_change(request.owner):
            raise RightsError("This batch belongs to another person: only its owner and the presenter see it.")
        st.caption(_describe(settings, request))
        if status.state == "running":
            st.fragment(_show_progress, run_every=REFRESH_SECONDS, key=f"batch-{batch.id}")(settings, batch)
            return
        _show_end(settings, batch, status)
        batch_results.show_answers(settings, batch, request)
        _offer_delete(settings, batch)


def _close() -> None:
    del st.query_params[BATCH]


def _describe(settings: Settings, request: BatchRequest) -> str:
    named = f"**{frame.plain(request.title)}**, answered by run {frame.plain(request.run)}"
    with suppress(TuneMyPetsError):
        config = frame.runs(settings).get(request.run).config()
        network = f"{name_arm(config)} ({frame.plain(describe_arm(config))})"
        named = f"**{frame.plain(request.title)}**, answered by {network}"
    owner = frame.owner_name(settings, request.owner)
    return f"{named}{f', by {frame.plain(owner)}' if owner else ''}."


def _show_progress(settings: Settings, batch: Batch) -> None:
    with frame.explained():
        status = batch.status()
        if status.state != "running":
            st.rerun()
        progress_bar.draw_bar(status.text, status.done, status.total, status.eta_seconds)
        progress_bar.offer_cancel(
            lambda: BatchStore(settings).cancel(batch, by=frame.actor()),
            "batch-cancel",
            cancelled=batch.cancelled,
            kept="What was predicted is kept.",
        )


def _show_end(settings: Settings, batch: Batch, status: BatchStatus) -> None:
    if not status.resumable:
        return
    done = f" {format_count(status.done, 'file')} of {status.total:,} done." if status.total else ""
    st.warning(f"{frame.plain(status.text)}{done}", icon=":material/pause_circle:")
    if st.button("Resume", type="primary", icon=":material/play_arrow:", key="batch-resume"):
        BatchStore(settings).resume(batch, by=frame.actor())
        st.rerun()


def _offer_delete(settings: Settings, batch: Batch) -> None:
    size = sum(path.stat().st_size for path in batch.folder.iterdir() if path.is_file())
    with st.popover("Delete", icon=":material/delete:"):
        st.markdown(f"Answers and uploaded pictures, {format_bytes(size)}. Otherwise they are removed after a week.")
        if st.button("Delete this batch", type="primary", key="batch-delete"):
            BatchStore(settings).delete(batch, by=frame.actor())
            _close()
            st.rerun()
