"""A learning curve, live and finished: accuracy by training pictures per class, with a band for each arm."""

from typing import Any

import pandas as pd
import streamlit as st

from core.races.arm_facts import read_copies
from core.races.learning_curve import Curve, format_seeds, gather_curve
from core.settings import Settings
from pages.components.compare.live import race_chart, race_lanes, race_view
from pages.components.compare.result import run_details
from pages.components.compare.result.report_downloads import offer_report, show_command
from pages.components.shared import frame
from pages.components.shared.charts import charts
from pages.components.shared.results import coach_findings
from pages.components.shared.results.verdict import write_verdict
from pages.components.shared.snapshots.race_snapshot import RaceSnapshot
from pages.components.shared.snapshots.runs_snapshot import look_at
from pages.components.shared.snapshots.shared_cache import SharedCache

COLUMNS = {
    "Pictures per class": st.column_config.NumberColumn(help="Training pictures; a class may have fewer."),
    "Accuracy": st.column_config.NumberColumn(format="%.1f %%", help="Mean of the seeds, on held-out pictures."),
    "95 % from": st.column_config.NumberColumn(format="%.1f %%", help="Lower end of the interval of the mean."),
    "95 % to": st.column_config.NumberColumn(format="%.1f %%", help="Upper end of the interval of the mean."),
    "n": st.column_config.NumberColumn(help="Number of pictures it was evaluated on."),
    "Seconds": st.column_config.NumberColumn(
        format="%.1f",
        help="Training and evaluation, median of the seeds. Without a frozen backbone's features, which are computed "
        "once for all sizes.",
    ),
}
_curves: SharedCache[RaceSnapshot, tuple[Curve, dict[str, Any]]] = SharedCache(None, max_entries=32)


def watch_curve(settings: Settings, race_id: str) -> None:
    """Show a learning curve and keep it up to date.

    Raises:
        RunError: if it has no runs.
    """
    race_view.watch(settings, race_id, _show)


def _show(settings: Settings, snapshot: RaceSnapshot) -> None:
    curve, spec = _curves.get(snapshot, lambda: _draw(settings, snapshot))
    if snapshot.moving:
        _show_live(curve, spec)
        return
    race = snapshot.race
    if curve.sentence:
        show = st.warning if any(caveat.grave for caveat in curve.caveats) else st.info
        show(write_verdict(curve.sentence, curve.caveats), icon=":material/trending_up:")
    if not any(arm.points for arm in curve.arms):
        st.caption("The curve appears with its first finished run.")
        return
    st.markdown("##### Test accuracy by training pictures" if curve.split == "test" else "##### Accuracy")
    st.echarts_chart(
        spec,
        height=340,
        key=f"curve-chart-{race.id}",
        alt=charts.describe(spec),
    )
    where = "test pictures" if curve.split == "test" else "validation pictures (there is no test split)"
    st.caption(
        f"Bands: 95 % intervals of the mean, over {curve.n:,} {where}"
        + (f" and {format_seeds(curve.race.plan, curve.arms)}." if len(curve.race.plan.seeds) > 1 else ".")
        + " Each size includes the pictures of the smaller ones."
    )
    if not race.state.active:
        offer_report(settings, [race.id], "html")
        _show_details(settings, curve)


def _show_details(settings: Settings, curve: Curve) -> None:
    """What a curve that has ended shows folded."""
    race = curve.race
    named = [(race.name_of(run), look_at(settings, run.id)) for run in race.runs]
    opened = run_details.opened_parts()
    folded = run_details.fold("coach", "Advice from the coach", ":material/lightbulb:", opened)
    if folded.open:
        with folded:
            coach_findings.show_fairness(named)
            st.caption("A learning curve keeps no weights and no predictions: the coach compares its arms only.")
    folded = run_details.fold("numbers", "All numbers", ":material/table:", opened)
    if folded.open:
        with folded:
            st.dataframe(_table(curve), hide_index=True, column_config=COLUMNS, key=f"curve-table-{race.id}")
            with st.container(horizontal=True):
                frame.offer_csv("All runs as CSV", pd.DataFrame(curve.rows()), f"tunemypets-{race.id}.csv")
                offer_report(settings, [race.id], "json")
            show_command([race.id])


def _show_live(curve: Curve, spec: dict[str, Any]) -> None:
    """The chart from the start, and below it what it shows so far: what is on the screen stays where it is."""
    st.echarts_chart(spec, height=race_chart.HEIGHT_PX, key=f"curve-chart-{curve.race.id}", alt=charts.describe(spec))
    st.caption("A point appears with each training that ends. Bands: 95 % intervals of the mean.")
    if curve.sentence:
        st.info(write_verdict(curve.sentence, curve.caveats), icon=":material/trending_up:")


def _draw(settings: Settings, snapshot: RaceSnapshot) -> tuple[Curve, dict[str, Any]]:
    curve = gather_curve(snapshot.race, snapshot.points, read_copies(settings, snapshot.race.runs[0]))
    spec = charts.sizes_chart(
        [
            (
                arm.name,
                style,
                [(p.size, 100 * p.mean, 100 * p.interval.low, 100 * p.interval.high) for p in arm.points],
            )
            for arm, style in zip(curve.arms, race_lanes.style_race(snapshot), strict=True)
        ]
    )
    first, last = snapshot.race.plan.sizes[0], snapshot.race.plan.sizes[-1]
    if first < last:  # the curve grows into an axis that stands still
        spec["xAxis"] |= {"min": first, "max": last}
    return curve, spec


def _table(curve: Curve) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {
                "Arm": arm.name,
                "Pictures per class": point.size,
                "Accuracy": 100 * point.mean,
                "95 % from": 100 * point.interval.low,
                "95 % to": 100 * point.interval.high,
                "n": curve.n,
                "Seeds": len(point.seeds),
                "Seconds": point.seconds,
            }
            for arm in curve.arms
            for point in arm.points
        ]
    )
