"""The folded details of a run: learning rate and speed, log, what was trained on which device, configuration."""

import time
from typing import Any

import streamlit as st

from core.config.seen_views import sum_up_augmentation
from core.formatting import format_count
from pages.components.shared import frame
from pages.components.shared.snapshots.runs_snapshot import RunSnapshot
from pages.components.train import live_charts


def show_details(snapshot: RunSnapshot) -> None:
    """Draw them; what is closed is not computed."""
    if snapshot.history.batches:
        live_charts.draw_more_charts(snapshot)
    details = st.expander(
        "Log and configuration", icon=":material/description:", key=f"details-{snapshot.id}", on_change="rerun"
    )
    if not details.open:
        return
    described = snapshot.history.described
    with details:
        lines = [f"{_clock(moment)}  {message.text}" for moment, message in snapshot.history.messages]
        if snapshot.result is not None:
            lines.append(f"{_clock(snapshot.result.ended)}  {snapshot.result.text}")
        st.code("\n".join(lines) or "Nothing yet.", language=None, wrap_lines=True)
        if described is not None:
            hardware = described.hardware
            st.markdown(
                f"- **Device**: {frame.plain(hardware['device_name'])} "
                f"({hardware['device']}, {format_count(hardware['threads'], 'thread')})\n"
                f"- **Precision**: {hardware['precision']}, {frame.plain(hardware['precision_reason'])}\n"
                f"{_frozen_part(hardware)}{_workers(hardware)}"
                f"- **Parameters**: {described.parameters:,}, {described.trainable:,} of them trainable\n"
                f"- **Augmentation**: {sum_up_augmentation(snapshot.config)}\n"
                f"- **Pictures**: {described.pictures['train']} train, {described.pictures['val']} validation, "
                f"{described.pictures['test']} test"
            )
        st.json(snapshot.config.model_dump(mode="json"), expanded=False)
        st.caption(f"Run {snapshot.id}. On the command line: `python -m core show {snapshot.id}`.")


def _frozen_part(hardware: dict[str, Any]) -> str:
    if not hardware.get("prefix_reason"):
        return ""
    return f"- **Frozen part**: {hardware['prefix_precision']}, {frame.plain(hardware['prefix_reason'])}\n"


def _workers(hardware: dict[str, Any]) -> str:
    return f"- **Workers**: {hardware['workers']}; {hardware['workers_note']}\n" if "workers" in hardware else ""


def _clock(moment: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(moment))
