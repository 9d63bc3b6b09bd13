"""What linear probes let expect of the chosen strategy, in one line below the blocks."""

import streamlit as st

from core.config.train_config import TrainConfig
from core.datasets.dataset import DatasetSummary
from core.formatting import format_percent, format_points
from core.probes.forecast import expect
from core.probes.ladder import path_for, read_ladder
from core.settings import Settings
from pages.components.shared import frame


def show_forecast(settings: Settings, dataset: DatasetSummary, config: TrainConfig) -> None:
    """Draw the line, with a link to where each block is measured; nothing for a training from scratch."""
    if not config.pretrained:
        return
    ladder = read_ladder(path_for(settings, dataset.fingerprint, config.model))
    expected = None if ladder is None else expect(ladder, config)
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="forecast"):
        if expected is not None:
            limits = expected.interval
            st.caption(
                f"Forecast: about {format_percent(expected.value or 0)} ({format_points(limits.low)} to "
                f"{format_points(limits.high)}).",
                width="content",
            )
        frame.link(
            frame.EXPLORE,
            label="What each block knows",
            icon=":material/stairs:",
            query_params={"dataset": dataset.id, "section": "networks"},
        )
