"""The result of a race: the verdict on its arms in one box, then their numbers, pictures and curves."""

from typing import Any

import streamlit as st

from core.config.arm_names import describe_arm
from core.formatting import count_images, format_count, format_duration
from core.palette import ArmStyle, style_arms
from core.races.bands import join_seeds
from core.races.race import Race
from core.settings import Settings
from core.statistics.race_comparison import RaceComparison
from core.statistics.race_sentences import describe_race
from pages.components.compare.result import numbers
from pages.components.compare.result.result import Curves, Result, outcome_of, show_result
from pages.components.compare.result.result_chart import Measure, end_at
from pages.components.compare.result.score_bars import Score
from pages.components.shared import frame
from pages.components.shared.charts import charts
from pages.components.shared.results.verdict import draw_missing, draw_verdict
from pages.components.shared.snapshots.race_snapshot import RaceSnapshot
from pages.components.shared.snapshots.runs_snapshot import look_at
from pages.components.shared.snapshots.shared_cache import SharedCache

Chart = dict[str, Any]
_charts: SharedCache[tuple[RaceSnapshot, charts.Axis, Measure], Chart] = SharedCache(None, max_entries=64)


def show_race_result(settings: Settings, snapshot: RaceSnapshot) -> None:
    """Draw the result of a race that has ended, or so far: a race of one or several seeds and of two or more arms."""
    show_result(settings, gather_result(settings, snapshot), lambda: _show_verdict(snapshot))


def gather_result(settings: Settings, snapshot: RaceSnapshot) -> Result:
    """Everything below the verdict."""
    race = snapshot.race
    comparison = snapshot.result.comparison if snapshot.result is not None else None
    styles = _style_arms(race)
    arms = [(arm, [run.id for run in race.arm(arm) if run.tested is not None]) for arm in race.arms]
    arms = [(arm, ids) for arm, ids in arms if ids]
    tested = [run for run in race.runs if run.tested is not None]
    named = {
        seed: [(race.name_of(run), look_at(settings, run.id)) for run in tested if run.config.seed == seed]
        for seed in sorted({run.config.seed for run in tested})
    }
    scores, basis = _scores(race, comparison, styles)
    several = len(race.plan.seeds) > 1
    return Result(
        key=race.id,
        scores=scores,
        basis=basis,
        arms=arms,
        named=named,
        curves=Curves(
            lambda measure, axis, _: _draw(snapshot, axis, measure),
            race.plan.budget,
            training=False,
            note="Lines: mean of the seeds. Bands: lowest to highest seed." if several else "",
        )
        if any(snapshot.epochs.values())
        else None,
        outcome=None if comparison is None else outcome_of(comparison),
        report=[race.id] if tested else [],
        numbers=lambda: numbers.show_race_numbers(settings, snapshot),
        race=race,
    )


def _show_verdict(snapshot: RaceSnapshot) -> None:
    if snapshot.problem:
        st.warning(frame.plain(snapshot.problem), icon=":material/warning:")
    result, active = snapshot.result, snapshot.race.state.active
    if result is None:
        return
    if result.comparison is None:
        if not active:
            draw_missing("No verdict: it needs two arms with a test result for the same seed.", result.missing)
        return
    found = result.comparison
    sentence = f"So far: {describe_race(found)}" if active else describe_race(found)
    draw_verdict(sentence, found.caveats, found=any(pair.better for pair in found.pairs), active=active)


def _scores(race: Race, comparison: RaceComparison | None, styles: dict[str, ArmStyle]) -> tuple[list[Score], str]:
    """The number of each arm, and what the numbers rest on."""
    if comparison is not None:
        scores = []
        for arm in comparison.arms:
            time = "" if arm.seconds is None else format_duration(arm.seconds)
            detail = describe_arm(race.arm(arm.name)[0].config)
            scores.append(Score(arm.name, detail, time, styles[arm.name], arm.mean, arm.interval))
        seeds = f", mean of {format_count(comparison.seeds, 'seed')}" if comparison.seeds > 1 else ""
        return scores, count_images(comparison.n, comparison.split) + seeds
    scores, basis = [], ""
    for name in race.arms:
        for run in race.arm(name):
            if run.accuracy is not None and run.tested is not None and run.accuracy.value is not None:
                detail = describe_arm(run.config) + (f", seed {run.config.seed}" if len(race.plan.seeds) > 1 else "")
                scores.append(Score(name, detail, "", styles[name], run.accuracy.value, run.accuracy.interval))
                basis = count_images(run.tested.images, run.tested.split)
                break
    return scores, basis


def _style_arms(race: Race) -> dict[str, ArmStyle]:
    strategies = [runs[0].config.strategy if (runs := race.arm(arm)) else "scratch" for arm in race.arms]
    return dict(zip(race.arms, style_arms(strategies), strict=True))


def _draw(snapshot: RaceSnapshot, axis: charts.Axis, measure: Measure) -> Chart:
    race = snapshot.race

    def make() -> Chart:
        bands = [
            join_seeds(
                arm,
                [snapshot.epochs[run.id] for run in race.arm(arm)],
                axis,
                "accuracy" if measure == "Accuracy" else "loss",
            )
            for arm in race.arms
        ]
        styles = list(_style_arms(race).values())
        chart = charts.race_chart(bands, styles, axis, "accuracy" if measure == "Accuracy" else "loss")
        return end_at(chart, axis, [run.config for run in race.runs])

    return _charts.get((snapshot, axis, measure), make)
