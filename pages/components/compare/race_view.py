"""A race, live and finished: its progress, its verdict, charts of all arms, and a table with a row for each."""

from collections.abc import Callable
from typing import Any

import pandas as pd
import streamlit as st

from core.config.race_plan import MAX_TITLE
from core.config.stages import plan_training
from core.errors import TuneMyPetsError
from core.formatting import format_estimate, format_percent
from core.palette import style_arms
from core.races.bands import Band, Measure, join_seeds
from core.races.race import Race
from core.races.race_actions import delete_race, stop_race
from core.settings import Settings
from core.statistics.race_sentences import describe_pair, describe_race
from pages.components.compare import runs_view
from pages.components.shared import chart_tables, charts, frame
from pages.components.shared.race_snapshot import RaceSnapshot, forget_races, look_at_race
from pages.components.shared.refresh_rate import keep_up
from pages.components.shared.shared_cache import SharedCache
from pages.components.shared.verdict import draw_verdict

EQUAL_HELP = {
    "epochs": "Every arm sees every training picture equally often.",
    "images": "Every arm sees the same number of training pictures, repeats included.",
    "seconds": "Every arm trains equally long on this machine, frozen layers included. Results vary slightly.",
}
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


def watch_race(settings: Settings, race_id: str) -> None:
    """Show a race and keep it up to date.

    Raises:
        RunError: if it has no runs.
    """
    watch(settings, race_id, _show)


def watch(settings: Settings, race_id: str, show: Callable[[Settings, RaceSnapshot], None]) -> None:
    """Show a race or learning curve with its headline, and refresh it while it is active.

    Raises:
        RunError: if it has no runs.
    """

    def draw(snapshot: RaceSnapshot) -> None:
        show_headline(settings, snapshot)
        show(settings, snapshot)

    keep_up(
        settings,
        f"race-{race_id}",
        look=lambda: look_at_race(settings, race_id),
        is_active=lambda snapshot: snapshot.race.state.active,
        draw=draw,
        forget=forget_races,
    )


def _show(_: Settings, snapshot: RaceSnapshot) -> None:
    _verdict(snapshot)
    _curves(snapshot)
    _table(snapshot)


def show_headline(settings: Settings, snapshot: RaceSnapshot) -> None:
    """Title, progress, problems, and the actions that this visitor may take."""
    race = snapshot.race
    plan = race.plan
    owner = frame.owner_name(settings, race.meta.owner)
    ended = sum(not run.state.active for run in race.runs)
    with st.container(border=True):
        st.markdown(
            f"**{frame.plain(race.title)}** {frame.format_state(race.state)}"
            + (f" · by {frame.plain(owner)}" if owner else ""),
            help=EQUAL_HELP[plan.budget],
        )
        seeds = f"{len(plan.seeds)} seeds ({', '.join(map(str, plan.seeds))})" if len(plan.seeds) > 1 else "one seed"
        sizes = f", {len(plan.sizes)} sizes" if plan.sizes else ""
        arms = f"{len(plan.arms)} arms" if len(plan.arms) > 1 else "one arm"
        st.caption(
            f"{frame.plain(race.dataset)}: {arms}{sizes}, {seeds}, {plan.describe_budget()} each. "
            f"{ended} of {len(race.entries)} runs done."
        )
        if race.state.active:
            seconds = snapshot.seconds_left
            left = "" if seconds is None else f", {format_estimate(seconds)} left"
            st.progress(min(1.0, snapshot.progress), text=f"{format_percent(snapshot.progress, 0)}{left}")
        _problems(race)
        _actions(settings, race)


def _problems(race: Race) -> None:
    gone = sum(entry.run is None for entry in race.entries)
    failed = [run for run in race.runs if run.state.value in ("failed", "interrupted", "stopped")]
    if gone:
        st.warning(
            f"{gone} {'run was' if gone == 1 else 'runs were'} deleted: the others still count.",
            icon=":material/delete:",
        )
    for run in failed[:3]:
        st.warning(
            f"{frame.plain(race.name_of(run))}, seed {run.config.seed}: {run.state.value}. {frame.plain(run.text)}",
            icon=":material/warning:",
        )
    if len(failed) > 3:
        st.caption(f"{len(failed) - 3} more runs have no result.")


def _actions(settings: Settings, race: Race) -> None:
    if not frame.actor().may_change(race.meta.owner):
        return
    if race.state.active:
        if st.button(
            "Stop the race",
            key=f"stop-{race.id}",
            icon=":material/stop:",
            help="Ends every run and keeps the results so far.",
        ):
            try:
                stop_race(settings, race, by=frame.actor())
            except TuneMyPetsError as error:
                st.info(frame.plain(str(error)))
            forget_races()
            st.rerun()
        return
    with st.popover(
        "Rename or delete" if race.meta.plan else "Delete", icon=":material/edit:", key=f"change-{race.id}"
    ):
        if race.meta.plan is not None:
            title = st.text_input(
                "Title",
                race.plan.title,
                max_chars=MAX_TITLE,
                key=f"title-{race.id}",
                placeholder="its arms",
                help="Shown in lists and in new reports.",
            )
            if st.button("Rename", key=f"rename-{race.id}", icon=":material/save:"):
                frame.runs(settings).rename_race(race.id, title, by=frame.actor())
                forget_races()
                st.rerun()
        st.caption("Permanently deletes the weights and results of all its runs. The dataset stays.")
        if st.button("Delete this race", key=f"delete-{race.id}", icon=":material/delete:"):
            delete_race(settings, race, by=frame.actor())  # the page shows its error
            forget_races()
            frame.go(frame.COMPARE, query_params={})


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
