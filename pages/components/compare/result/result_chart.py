"""The training curves of a result: accuracy, with the loss one tap away, by epochs, pictures or time."""

from collections.abc import Callable, Sequence
from typing import Any, Literal

import streamlit as st

from core.config.train_config import TrainConfig
from pages.components.shared import frame
from pages.components.shared.charts import charts

HEIGHT_PX = 220
TOOLBAR_PX = 84  # Streamlit's buttons over the upper right corner, which the legend keeps free
Measure = Literal["Accuracy", "Loss"]
MEASURES: tuple[Measure, ...] = ("Accuracy", "Loss")
Draw = Callable[[Measure, charts.Axis, bool], dict[str, Any]]  # the last: with the curves of the training split


@st.fragment
def show_chart(draw: Draw, *, key: str, axis: charts.Axis, training: bool, note: str = "") -> None:
    """Draw one chart with a choice of measure; axis and training curves are under its options.

    Args:
        axis: at first.
        training: whether the curves of the training split can be added.
        note: a line below it.
    """
    with frame.explained(), st.container(gap="xsmall", key="curves"):
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
            chosen: Measure = st.segmented_control(
                "Measure",
                MEASURES,
                default=MEASURES[0],
                required=True,
                label_visibility="collapsed",
                key=f"result-measure-{key}",
            )
            with st.popover("Options", icon=":material/tune:", type="tertiary", key=f"chart-options-{key}"):
                along: charts.Axis = st.segmented_control(
                    "Horizontal axis",
                    list(charts.AXIS_TITLES),
                    default=axis,
                    required=True,
                    format_func=lambda name: charts.AXIS_TITLES[name],
                    key=f"result-axis-{key}",
                    help="Equal epochs, equal pictures or equal time: three ways to compare fairly.",
                )
                with_training = training and st.toggle(
                    "Show training curves",
                    key=f"training-{key}",
                    help="Adds the smoothed curves of the training split.",
                )
        spec = draw(chosen, along, with_training)
        spec = {**spec, "legend": {**spec["legend"], "right": TOOLBAR_PX}}
        st.echarts_chart(spec, height=HEIGHT_PX, key=f"chart-{key}", alt=charts.describe(spec))
        st.caption(f"On validation pictures, after each epoch.{f' {note}' if note else ''}")


def end_at(spec: dict[str, Any], axis: charts.Axis, configs: Sequence[TrainConfig]) -> dict[str, Any]:
    """The chart with an axis that ends at the planned epochs, where it counts epochs and they were the plan."""
    if axis != "epochs" or any(config.budgeted for config in configs):
        return spec
    return {**spec, "xAxis": {**spec["xAxis"], "max": max(config.epochs for config in configs)}}
