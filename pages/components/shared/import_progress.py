"""The progress of an import in its own process; the job's id is in the URL, so a reload loses nothing."""

from pathlib import Path

import streamlit as st

from core.formatting import format_rough_duration
from core.settings import Settings
from pages.components.shared import frame

REFRESH_SECONDS = 0.5


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
            left = f" · about {format_rough_duration(max(1, status.eta_seconds))} left" if status.eta_seconds else ""
            count = f" {status.done:,} of {status.total:,}" if status.total else ""
            st.progress(min(1.0, share), text=f"{status.text}{count}{left}")
            return
        if was_running:
            st.rerun()
        if status.state == "finished" and status.dataset:
            st.success("The dataset is ready.", icon="✅")
            columns = st.columns(3)
            with columns[0]:
                frame.link(
                    then_page,
                    label="Look at the pictures" if then_page == frame.EXPLORE else "Start a race",
                    icon="🖼️" if then_page == frame.EXPLORE else "🏁",
                    query_params={"dataset": status.dataset},
                )
            other = frame.TRAIN if then_page == frame.EXPLORE else frame.EXPLORE
            with columns[1]:
                frame.link(
                    other,
                    label="Start a race" if other == frame.TRAIN else "Look at the pictures",
                    icon="🏁" if other == frame.TRAIN else "🖼️",
                    query_params={"dataset": status.dataset},
                )
        else:
            st.error(frame.plain(status.text), icon="🚫")
        if st.button("Close this message", key=f"close-{job_id}"):
            for name in ("import", "demo"):
                st.query_params.pop(name, None)
            st.rerun()
