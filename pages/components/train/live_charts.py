"""The charts of a run, live and finished: accuracy or loss, on demand learning rate and speed."""

import math
from typing import Any

import streamlit as st

from core.palette import ArmStyle, style_arms
from core.races.bands import Measure
from pages.components.shared import frame
from pages.components.shared.charts import chart_tables, charts
from pages.components.shared.charts.measure_choice import choose_measure
from pages.components.shared.snapshots.runs_snapshot import RunSnapshot
from pages.components.shared.snapshots.shared_cache import SharedCache

Chart = dict[str, Any]
HEIGHT_PX = 300
# built once for all sessions that show the same moment of the same run
_main_charts: SharedCache[tuple[RunSnapshot, Measure], Chart] = SharedCache(None, max_entries=32)
_more_charts: SharedCache[RunSnapshot, tuple[Chart, Chart]] = SharedCache(None, max_entries=8)


def draw_chart(snapshot: RunSnapshot) -> None:
    """Accuracy so far, and the loss one tap away, on an axis to what is planned."""
    measure = choose_measure(f"measure-{snapshot.id}")
    spec = _main_charts.get((snapshot, measure), lambda: _build_main_chart(snapshot, measure))
    st.echarts_chart(spec, height=HEIGHT_PX, key=f"chart-{snapshot.id}", alt=charts.describe(spec))
    st.caption("Thick line: validation pictures, after each epoch. Thin line: training, smoothed.")


def draw_more_charts(snapshot: RunSnapshot) -> None:
    """Learning rate and speed, step by step; all values as CSV once the run has ended."""
    more = st.expander("Learning rate and speed", icon=":material/speed:", key=f"more-{snapshot.id}", on_change="rerun")
    if not more.open:  # most people never open it
        return
    name, found = snapshot.arm, snapshot.history.rate
    with more:
        if found is not None:
            spec = charts.rate_search_chart([(name, _style(snapshot), found)])
            st.markdown("Learning rates tried before training; the chosen one is marked")
            st.echarts_chart(spec, height=240, key=f"search-{snapshot.id}", alt=charts.describe(spec))
        rate, speed = _more_charts.get(snapshot, lambda: _build_more_charts(snapshot))
        left, right = st.columns(2)
        with left:
            st.echarts_chart(rate, height=240, key=f"rate-{snapshot.id}", alt=charts.describe(rate))
        with right:
            st.echarts_chart(speed, height=240, key=f"speed-{snapshot.id}", alt=charts.describe(speed))
        if not snapshot.moving:
            _offer_tables(snapshot)


def _offer_tables(snapshot: RunSnapshot) -> None:
    name, history, start = snapshot.arm, snapshot.history, f"tunemypets-{snapshot.id}"
    with st.container(horizontal=True):
        frame.offer_csv(
            "Every epoch as CSV",
            lambda: chart_tables.list_epochs([(name, snapshot.config.seed, history.epochs)]),
            f"{start}-curves.csv",
            key=f"curves-csv-{snapshot.id}",
        )
        frame.offer_csv(
            "Every step as CSV",
            lambda: chart_tables.list_steps([(name, history.batches)]),
            f"{start}-steps.csv",
            key=f"steps-csv-{snapshot.id}",
        )
        if history.rate is not None:
            found = history.rate
            frame.offer_csv(
                "The tried rates as CSV",
                lambda: chart_tables.list_rates([(name, found)]),
                f"{start}-rates.csv",
                key=f"rates-csv-{snapshot.id}",
            )


def _style(snapshot: RunSnapshot) -> ArmStyle:
    return style_arms([snapshot.config.strategy])[0]


def _curves(snapshot: RunSnapshot) -> list[charts.Curve]:
    return [charts.Curve(snapshot.arm, _style(snapshot), snapshot.history.batches, snapshot.history.epochs)]


def _build_main_chart(snapshot: RunSnapshot, measure: Measure) -> Chart:
    build = charts.accuracy_chart if measure == "accuracy" else charts.loss_chart
    seconds = snapshot.config.max_seconds
    if seconds is not None:
        return build(_curves(snapshot), "seconds", seconds=seconds)
    return build(_curves(snapshot), epochs=_planned_epochs(snapshot))


def _planned_epochs(snapshot: RunSnapshot) -> int:
    """Epochs that the training may have, in part or whole."""
    config, described = snapshot.config, snapshot.history.described
    if config.max_images is None or described is None:
        return config.epochs
    return min(config.epochs, math.ceil(config.max_images / max(1, described.pictures["train"])))


def _build_more_charts(snapshot: RunSnapshot) -> tuple[Chart, Chart]:
    curves = _curves(snapshot)
    return charts.rate_chart(curves), charts.speed_chart(curves)
