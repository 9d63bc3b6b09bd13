"""Runs of choice on one dataset: the verdict on them in one box, or a single run's own numbers; then as for a race."""

from collections.abc import Sequence
from typing import Any

import streamlit as st

from core.config.arm_names import describe_arm
from core.errors import ComparisonError, RunError
from core.formatting import count_images, format_duration
from core.runs.summary import RunSummary
from core.settings import Settings
from core.statistics.race_comparison import RaceComparison
from core.statistics.race_sentences import describe_race
from pages.components.compare.pictures.prediction_cache import keep_readable
from pages.components.compare.result import numbers
from pages.components.compare.result.result import Curves, Result, outcome_of, show_result
from pages.components.compare.result.result_chart import Measure, end_at
from pages.components.compare.result.score_bars import Score
from pages.components.shared import frame
from pages.components.shared.charts import charts
from pages.components.shared.results.named_runs import Named, name_runs, style_runs
from pages.components.shared.results.verdict import compare_many_once, compare_once, draw_verdict
from pages.components.shared.snapshots.runs_snapshot import look_at


def show_runs_result(settings: Settings, chosen: Sequence[RunSummary]) -> None:
    """Draw the result of one or more runs; runs without a test result are in the chart only."""
    named = name_runs([look_at(settings, item.id) for item in chosen])
    tested = name_runs([item for _, item in named if item.history.tested is not None])
    tested = keep_readable(settings, tested)
    comparison, problem = None, ""
    if len(tested) > 1:
        try:
            comparison = compare_many_once(settings, [item.id for _, item in tested])
        except (ComparisonError, RunError) as error:
            problem = str(error)
            tested = tested[:1]  # the others were evaluated on other pictures
    result = gather_result(settings, chosen, named, tested, comparison)
    show_result(settings, result, lambda: _show_verdict(settings, tested, comparison, problem))


def gather_result(
    settings: Settings,
    chosen: Sequence[RunSummary],
    named: Sequence[Named],
    tested: Sequence[Named],
    comparison: RaceComparison | None,
) -> Result:
    """Everything below the verdict."""
    styles = style_runs(tested)
    by_id = {item.id: item for item in chosen}
    scores = []
    for name, item in tested:
        accuracy = by_id[item.id].accuracy
        if accuracy is not None and accuracy.value is not None:
            time = format_duration(item.history.epochs[-1].seconds) if item.history.epochs else ""
            detail = describe_arm(item.config)
            scores.append(Score(name, detail, time, styles[name], accuracy.value, accuracy.interval))
    found = tested[0][1].history.tested if tested else None
    configs = [item.config for _, item in named]
    return Result(
        key="-".join(item.id for _, item in named),
        scores=scores,
        basis="" if found is None else count_images(found.images, found.split),
        arms=[(name, [item.id]) for name, item in tested],
        named={tested[0][1].config.seed: tested} if tested else {},
        curves=Curves(
            lambda measure, axis, training: _draw(named, measure, axis, training=training),
            "seconds" if any(config.max_seconds for config in configs) else "epochs",
            training=True,
        )
        if any(item.history.epochs for _, item in named)
        else None,
        outcome=None if comparison is None else outcome_of(comparison),
        report=[item.id for _, item in tested] if comparison is not None else [],
        numbers=lambda: numbers.show_run_numbers(settings, chosen, named, comparison),
    )


def _show_verdict(settings: Settings, tested: Sequence[Named], comparison: RaceComparison | None, problem: str) -> None:
    """Nothing for a single run: its number is the result."""
    if problem:
        st.warning(frame.plain(problem), icon=":material/warning:")
    elif not tested:
        st.info("No run has a test result yet: wait for one, or choose others.", icon=":material/hourglass_top:")
    elif len(tested) == 2:
        pair = compare_once(settings, *(item.id for _, item in tested))
        draw_verdict(pair.verdict, pair.caveats, found=pair.better is not None)
    elif comparison is not None:
        draw_verdict(describe_race(comparison), comparison.caveats, found=any(pair.better for pair in comparison.pairs))


def _draw(named: Sequence[Named], measure: Measure, axis: charts.Axis, *, training: bool) -> dict[str, Any]:
    styles = style_runs(named)
    curves = [charts.Curve(name, styles[name], item.history.batches, item.history.epochs) for name, item in named]
    chart = charts.accuracy_chart if measure == "Accuracy" else charts.loss_chart
    return end_at(chart(curves, axis, training=training), axis, [item.config for _, item in named])
