"""The result of a comparison, one layout for races and for runs of choice: what counts first, the rest folded."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import streamlit as st

from core.coach.fairness import PairOutcome
from core.races.race import Race
from core.settings import Settings
from core.statistics.race_comparison import RaceComparison
from pages.components.compare.pictures import picture_strips
from pages.components.compare.pictures.picture_groups import Arms
from pages.components.compare.result import next_step, result_chart, run_details, score_bars
from pages.components.compare.result.report_downloads import offer_report
from pages.components.shared import frame
from pages.components.shared.charts import charts
from pages.components.shared.results.named_runs import Named
from pages.components.shared.results.take_home import offer_exports
from pages.components.shared.snapshots.runs_snapshot import list_usable


@dataclass(frozen=True)
class Curves:
    """The training curves of a result.

    Attributes:
        draw: makes a chart.
        axis: over which they are shown at first.
        training: whether the curves of the training split can be added.
        note: a line below the chart.
    """

    draw: result_chart.Draw
    axis: charts.Axis
    training: bool
    note: str = ""


@dataclass(frozen=True)
class Result:
    """Everything below the verdict.

    Attributes:
        key: letters, digits and hyphens.
        scores: of the evaluated networks, in the order of the page.
        basis: what the scores rest on, such as `180 test pictures`.
        arms: names and ids of the evaluated runs.
        named: seed -> the evaluated runs with that seed, which the folded parts show; one entry for runs of choice.
        curves: None before the first epoch.
        outcome: of the two arms; None where there are more, or fewer.
        report: ids that a report is made of; empty where there can be none.
        numbers: draws the tables and downloads of the folded part.
        race: that the runs belong to, if they are one.
    """

    key: str
    scores: Sequence[score_bars.Score]
    basis: str
    arms: Arms
    named: Mapping[int, Sequence[Named]]
    curves: Curves | None
    outcome: PairOutcome | None
    report: Sequence[str]
    numbers: Callable[[], None]
    race: Race | None = None

    @property
    def ranking(self) -> list[str]:
        """Names of the evaluated networks, the most accurate first."""
        return [score.name for score in sorted(self.scores, key=lambda score: -score.mean)]


def show_result(settings: Settings, result: Result, show_verdict: Callable[[], None]) -> None:
    """Draw the verdict and everything below it."""
    with st.container(key="result", gap=12):
        with st.container(key="verdict"):
            show_verdict()
        _show_parts(settings, result)


def _show_parts(settings: Settings, result: Result) -> None:
    if result.scores:
        # reserved, so that nothing moves when the numbers come
        with st.container(height=score_bars.height_px(len(result.scores)), border=False, key="scores"):
            score_bars.show_scores(result.scores, result.basis)
        _actions(settings, result)
        picture_strips.show_strips(settings, result.arms, result.ranking)
    if result.curves is not None:
        curves = result.curves
        result_chart.show_chart(
            curves.draw, key=result.key, axis=curves.axis, training=curves.training, note=curves.note
        )
    first = next(iter(result.named.values()), [])
    ranking = result.ranking
    if first:
        best_first = sorted(first, key=lambda named: ranking.index(named[0]) if named[0] in ranking else len(ranking))
        next_step.show_next_step(settings, best_first, result.outcome, key=result.key)
    usable = {item.id for item in list_usable(settings)}
    best = [run_id for name, ids in result.arms if name in ranking[:1] for run_id in ids if run_id in usable]
    if best:
        offer_exports(settings, best[0], ranking[0])
    run_details.show_details(settings, result.named, result.arms, result.numbers, result.race)


def _actions(settings: Settings, result: Result) -> None:
    """Predict with the best network and the one that it is compared with; the report."""
    usable = {item.id for item in list_usable(settings)}
    ranking, by_name = result.ranking, dict(result.arms)
    chosen = [
        next((run_id for run_id in by_name.get(name, []) if run_id in usable), "")
        for name in dict.fromkeys((ranking[0], ranking[-1]))
    ]
    with st.container(horizontal=True):
        if any(chosen) and st.button(
            "Try it",
            type="primary",
            icon=":material/image_search:",
            key=f"try-it-{result.key}",
            help="Opens Predict with these networks: use your own photo.",
        ):
            frame.go(frame.PREDICT, query_params={"run": ",".join(filter(None, chosen))})
        if result.report:
            offer_report(settings, result.report, "html")


def outcome_of(comparison: RaceComparison) -> PairOutcome | None:
    """The only pair of a comparison of two arms."""
    if len(comparison.pairs) != 1:
        return None
    pair = comparison.pairs[0]
    return PairOutcome(pair.a, pair.b, pair.difference, pair.interval, comparison.n, pair.p_adjusted, pair.better)
