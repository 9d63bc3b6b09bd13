"""The charts of runs, live and finished: accuracy and loss, on demand learning rate and speed."""

from typing import Any

import streamlit as st

from core.runs.summary import is_curve
from pages.components.shared import chart_tables, charts, frame
from pages.components.shared.named_runs import name_runs, style_runs
from pages.components.shared.runs_snapshot import RunSnapshot
from pages.components.shared.shared_cache import SharedCache

Chart = dict[str, Any]
# built once for all sessions that show the same moment of the same runs
_main_charts: SharedCache[tuple[RunSnapshot, ...], tuple[Chart, Chart]] = SharedCache(None, max_entries=32)
_more_charts: SharedCache[tuple[RunSnapshot, ...], tuple[Chart, Chart]] = SharedCache(None, max_entries=8)


def draw_charts(snapshots: tuple[RunSnapshot, ...]) -> None:
    """Accuracy and loss so far; their values as CSV once all runs have ended."""
    if not any(item.history.batches for item in snapshots):
        if any(item.moving and not is_curve(item.meta) for item in snapshots):
            st.caption("The charts start with the first training step.")
        return
    identity, named = "-".join(item.id for item in snapshots), name_runs(snapshots)
    accuracy, loss = _main_charts.get(snapshots, lambda: _build_main_charts(snapshots))
    left, right = st.columns(2)
    with left:
        st.markdown("##### Accuracy")
        st.echarts_chart(accuracy, height=320, key=f"accuracy-{identity}", alt=charts.describe(accuracy))
    with right:
        st.markdown("##### Loss")
        st.echarts_chart(loss, height=320, key=f"loss-{identity}", alt=charts.describe(loss))
    st.caption("Thin lines: training, smoothed. Marked lines: validation pictures, after each epoch.")
    if not any(item.moving for item in snapshots):
        frame.offer_csv(
            "Download the curves as CSV",
            lambda: chart_tables.list_epochs([(name, item.config.seed, item.history.epochs) for name, item in named]),
            f"tunemypets-{snapshots[0].id}-curves.csv",
            key=f"curves-csv-{identity}",
        )


def draw_more_charts(snapshots: tuple[RunSnapshot, ...]) -> None:
    """Learning rate and speed, step by step."""
    identity, named = "-".join(item.id for item in snapshots), name_runs(snapshots)
    more = st.expander("Learning rate and speed", key=f"more-{identity}", on_change="rerun")
    if not more.open:  # most people never open it
        return
    with more:
        styles = style_runs(named)
        searches = [(name, item.history.rate) for name, item in named if item.history.rate is not None]
        if searches:
            spec = charts.rate_search_chart([(name, styles[name], found) for name, found in searches])
            st.markdown("Learning rates tried before training; the chosen one is marked")
            st.echarts_chart(spec, height=240, key=f"search-{identity}", alt=charts.describe(spec))
        rate, speed = _more_charts.get(snapshots, lambda: _build_more_charts(snapshots))
        left, right = st.columns(2)
        with left:
            st.echarts_chart(rate, height=240, key=f"rate-{identity}", alt=charts.describe(rate))
        with right:
            st.echarts_chart(speed, height=240, key=f"speed-{identity}", alt=charts.describe(speed))
        if any(item.moving for item in snapshots):
            return
        with st.container(horizontal=True):
            frame.offer_csv(
                "Download every step as CSV",
                lambda: chart_tables.list_steps([(name, item.history.batches) for name, item in named]),
                f"tunemypets-{snapshots[0].id}-steps.csv",
                key=f"steps-csv-{identity}",
            )
            if searches:
                frame.offer_csv(
                    "Download the tried rates as CSV",
                    lambda: chart_tables.list_rates(searches),
                    f"tunemypets-{snapshots[0].id}-rates.csv",
                    key=f"rates-csv-{identity}",
                )


def _curves(snapshots: tuple[RunSnapshot, ...]) -> list[charts.Curve]:
    named = name_runs(snapshots)
    styles = style_runs(named)
    return [charts.Curve(name, styles[name], item.history.batches, item.history.epochs) for name, item in named]


def _build_main_charts(snapshots: tuple[RunSnapshot, ...]) -> tuple[Chart, Chart]:
    curves = _curves(snapshots)
    return charts.accuracy_chart(curves), charts.loss_chart(curves)


def _build_more_charts(snapshots: tuple[RunSnapshot, ...]) -> tuple[Chart, Chart]:
    curves = _curves(snapshots)
    return charts.rate_chart(curves), charts.speed_chart(curves)
