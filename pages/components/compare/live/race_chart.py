"""The chart of a live race: its curves grow into an axis that stands still."""

from typing import Any

import streamlit as st

from core.races.bands import Measure, join_seeds
from core.races.race import Race
from pages.components.compare.live.race_lanes import style_race
from pages.components.shared.charts import charts
from pages.components.shared.charts.measure_choice import choose_measure
from pages.components.shared.snapshots.race_snapshot import RaceSnapshot
from pages.components.shared.snapshots.shared_cache import SharedCache

HEIGHT_PX = 300
TOOLBAR_PX = 84  # Streamlit's buttons over the upper right corner, which the legend keeps free
_charts: SharedCache[tuple[RaceSnapshot, Measure], dict[str, Any]] = SharedCache(None, max_entries=32)


def show_chart(snapshot: RaceSnapshot) -> None:
    """Accuracy, and the loss one tap away."""
    race = snapshot.race
    measure = choose_measure(f"measure-{race.id}")
    spec = _charts.get((snapshot, measure), lambda: _draw(snapshot, measure))
    st.echarts_chart(spec, height=HEIGHT_PX, key=f"race-chart-{race.id}", alt=charts.describe(spec))
    st.caption(_explain(race))


def _explain(race: Race) -> str:
    if len(race.plan.seeds) > 1:
        return "Lines: mean of the seeds so far, on validation pictures. Bands: lowest to highest seed."
    return "Thick lines: validation pictures, after each epoch. Thin lines: training, smoothed."


def _draw(snapshot: RaceSnapshot, measure: Measure) -> dict[str, Any]:
    race, axis = snapshot.race, snapshot.race.plan.budget
    styles = style_race(snapshot)
    if len(race.plan.seeds) > 1:
        arms = [[snapshot.epochs[run.id] for run in race.arm(arm)] for arm in race.arms]
        bands = [join_seeds(arm, epochs, axis, measure) for arm, epochs in zip(race.arms, arms, strict=True)]
        spec = charts.race_chart(bands, styles, axis, measure)
    else:
        curves = [
            charts.Curve(arm, style, found.history.batches, found.history.epochs)
            for arm, style in zip(race.arms, styles, strict=True)
            for found in [snapshot.runs[run.id] for run in race.arm(arm) if run.id in snapshot.runs]
        ]
        spec = (charts.accuracy_chart if measure == "accuracy" else charts.loss_chart)(curves, axis)
    reached = max((point[0] for item in spec["series"] for point in item["data"]), default=0.0)
    spec["xAxis"]["max"] = max(race.plan.amount, reached)
    spec["legend"]["right"] = TOOLBAR_PX
    return spec
