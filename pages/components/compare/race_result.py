"""The result of a race that has ended: verdict, curves, a row for each arm, and the details."""

from typing import Any

import pandas as pd
import streamlit as st

from core.config.stages import plan_training
from core.palette import style_arms
from core.races.bands import Band, Measure, join_seeds
from core.settings import Settings
from core.statistics.race_sentences import describe_pair, describe_race
from pages.components.compare import run_details, runs_view
from pages.components.shared import chart_tables, charts, frame
from pages.components.shared.race_snapshot import RaceSnapshot
from pages.components.shared.runs_snapshot import look_at
from pages.components.shared.shared_cache import SharedCache
from pages.components.shared.verdict import draw_verdict

COLUMNS = {
    "Test accuracy": st.column_config.NumberColumn(format="%.1f %%", help="Mean of the seeds, on held-out pictures."),
    "95 % from": st.column_config.NumberColumn(format="%.1f %%", help="Lower end of the interval of the mean."),
    "95 % to": st.column_config.NumberColumn(format="%.1f %%", help="Upper end of the interval of the mean."),
    "n": st.column_config.NumberColumn(help="Number of pictures it was evaluated on."),
    "Each seed": st.column_config.TextColumn(help="Test accuracy of each run, in per cent."),
    "Seconds": st.column_config.NumberColumn(format="%.1f", help="Training time, median of the seeds."),
    "Trainable": st.column_config.NumberColumn(format="compact", help="Trainable parameters (in the last stage)."),
}

Chart = dict[str, Any]
_charts: SharedCache[tuple[RaceSnapshot, charts.Axis], tuple[Chart, Chart]] = SharedCache(None, max_entries=32)


def show_race_result(settings: Settings, snapshot: RaceSnapshot) -> None:
    """Everything below the headline of a race that has ended."""
    _verdict(snapshot)
    _curves(snapshot)
    _table(snapshot)
    race = snapshot.race
    tested = [run for run in race.runs if run.tested is not None]
    if not tested:
        return
    seeds = sorted({run.config.seed for run in tested})
    seed = seeds[0]
    if len(seeds) > 1:
        seed = st.selectbox("Seed", seeds, key=f"seed-{race.id}", help="The details below show the runs of one seed.")
    named = [(race.name_of(run), look_at(settings, run.id)) for run in tested if run.config.seed == seed]
    run_details.show_details(settings, named, race)


def _verdict(snapshot: RaceSnapshot) -> None:
    if snapshot.problem:
        st.warning(frame.plain(snapshot.problem))
    result = snapshot.result
    if result is None:
        return
    found = result.comparison
    if found is None:
        if not snapshot.race.state.active:
            st.info("No verdict: it needs two arms with a test result for the same seed.", icon=":material/balance:")
        return
    sentence = f"So far: {describe_race(found)}" if snapshot.race.state.active else describe_race(found)
    draw_verdict(sentence, found.caveats, found=any(pair.better for pair in found.pairs))
    if len(found.pairs) > 1:
        with st.expander("All pairs of arms", key=f"pairs-{snapshot.race.id}"):
            st.caption("Paired tests on the same pictures, corrected for multiple comparisons.")
            for pair in found.pairs:
                icon = ":material/emoji_events:" if pair.better else ":material/balance:"
                st.markdown(f"- {icon} {frame.plain(describe_pair(found, pair))}")


def _curves(snapshot: RaceSnapshot) -> None:
    race = snapshot.race
    axis = runs_view.choose_axis(race.plan.budget, key=f"axis-{race.id}")
    if not any(snapshot.epochs.values()):
        st.caption("The curves appear after the first epoch.")
        return
    accuracy, loss = _charts.get((snapshot, axis), lambda: _draw(snapshot, axis))
    runs_view.show_accuracy_and_loss(accuracy, loss, key=f"race-{race.id}")
    if len(race.plan.seeds) > 1:
        so_far = " so far" if race.state.active else ""
        st.caption(f"Lines: mean of the seeds{so_far}. Bands: lowest to highest seed.")
    if not race.state.active:
        frame.offer_csv(
            "Download the curves as CSV",
            lambda: chart_tables.list_epochs(
                [(race.name_of(run), run.config.seed, snapshot.epochs[run.id]) for run in race.runs]
            ),
            f"tunemypets-{race.id}-curves.csv",
        )


def _draw(snapshot: RaceSnapshot, axis: charts.Axis) -> tuple[Chart, Chart]:
    def bands(measure: Measure) -> list[Band]:
        arms = [(arm, snapshot.race.arm(arm)) for arm in snapshot.race.arms]
        return [join_seeds(arm, [snapshot.epochs[run.id] for run in runs], axis, measure) for arm, runs in arms]

    race = snapshot.race
    styles = style_arms([runs[0].config.strategy if (runs := race.arm(arm)) else "scratch" for arm in race.arms])
    return charts.race_chart(bands("accuracy"), styles, axis), charts.race_chart(bands("loss"), styles, axis, "loss")


def _table(snapshot: RaceSnapshot) -> None:
    race = snapshot.race
    scores = {}
    if snapshot.result is not None and snapshot.result.comparison is not None:
        scores = {arm.name: arm for arm in snapshot.result.comparison.arms}
    rows = []
    for arm in race.arms:
        runs, score = race.arm(arm), scores.get(arm)
        each = [100 * run.tested.accuracy for run in runs if run.tested is not None]
        rows.append(
            {
                "Arm": arm,
                "Network": runs[0].config.model if runs else None,
                "Test accuracy": 100 * score.mean if score else None,
                "95 % from": 100 * score.interval.low if score else None,
                "95 % to": 100 * score.interval.high if score else None,
                "n": score.n if score else None,
                "Each seed": ", ".join(f"{value:.1f}" for value in each) or None,
                "Seconds": score.seconds if score else None,
                "Trainable": plan_training(runs[0].config, len(race.meta.classes)).trainable if runs else None,
                "Done": f"{sum(not run.state.active for run in runs)} of {len(race.plan.seeds)}",
            }
        )
    table = pd.DataFrame(rows).dropna(axis="columns", how="all")  # hides columns that are not known of any arm yet
    st.dataframe(table, hide_index=True, column_config=COLUMNS, key=f"race-table-{race.id}")
    if not race.state.active:
        frame.offer_csv("Download this table as CSV", table, f"tunemypets-{race.id}-arms.csv")
