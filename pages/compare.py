"""Compare: a race, a learning curve or runs of one dataset, evaluated on the same held-out pictures."""

from collections.abc import Sequence

import streamlit as st

from core.races.race import Race
from core.runs.summary import RunSummary
from core.settings import Settings
from pages.components.compare import (
    learning_curve_view,
    race_choice,
    race_result,
    race_view,
    run_details,
    runs_view,
)
from pages.components.shared import coach_findings, frame
from pages.components.shared.named_runs import name_runs
from pages.components.shared.race_snapshot import look_at_race, races_of
from pages.components.shared.recent_runs import short_result
from pages.components.shared.runs_snapshot import list_runs, look_at

MAX_RUNS = 6


def page() -> None:
    settings = frame.open_page("Compare")
    with frame.explained():
        summaries = [item for item in list_runs(settings) if item.epochs_done or item.tested]
        races = races_of(settings)
        if not summaries and not races:
            st.info("Nothing to compare yet: start a race first.", icon=":material/flag:")
            frame.link(frame.TRAIN, label="Start a race", icon=":material/flag:")
            return
        race = race_choice.choose(settings, races) if races else None
        if race is None:
            if not races or "runs" in st.query_params:
                _compare_runs(settings, summaries)
        elif race.plan.kind == "curve":
            _show_curve(settings, race)
        elif not race_view.watch_race(settings, race.id):
            race_result.show_race_result(settings, look_at_race(settings, race.id))


def _show_curve(settings: Settings, curve: Race) -> None:
    learning_curve_view.watch_curve(settings, curve.id)
    if not curve.state.active:
        coach_findings.show_fairness([(curve.name_of(run), look_at(settings, run.id)) for run in curve.runs])
    run_details.show_curve_report(settings, curve)


def _compare_runs(settings: Settings, summaries: Sequence[RunSummary]) -> None:
    if not summaries:
        st.info("No single run has finished its first epoch yet: look at the races.", icon=":material/hourglass_top:")
        return
    chosen = _choose_runs(summaries)
    if not chosen:
        st.info("Choose at least one run above.", icon=":material/touch_app:")
        return
    snapshots = [look_at(settings, item.id) for item in chosen]
    tested = [item for item in snapshots if item.history.tested is not None]
    if len(tested) >= 2:
        runs_view.show_runs_verdict(settings, tested)
    else:
        st.info(
            "A verdict needs two runs with a test result: wait for them, or choose others.",
            icon=":material/hourglass_top:",
        )
    runs_view.show_curves(snapshots)
    runs_view.show_table(chosen)
    run_details.show_details(settings, name_runs(tested))


def _choose_runs(summaries: Sequence[RunSummary]) -> list[RunSummary]:
    by_id = {item.id: item for item in summaries}
    wanted = [run_id for run_id in st.query_params.get("runs", "").split(",") if run_id in by_id]
    names = list(dict.fromkeys(item.config.dataset for item in summaries))
    first = by_id[wanted[0]].config.dataset if wanted else names[0]
    left, right = st.columns([1, 3])
    dataset = left.selectbox(
        "Dataset", names, index=names.index(first), help="Only runs on the same pictures can be compared."
    )
    options = [item.id for item in summaries if item.config.dataset == dataset]
    if dataset != first or not wanted:
        wanted = _default_runs([by_id[run_id] for run_id in options])
    chosen = right.multiselect(
        "Runs",
        options,
        default=[run_id for run_id in wanted if run_id in options][:MAX_RUNS],
        format_func=lambda run_id: (
            f"{by_id[run_id].title}, seed {by_id[run_id].config.seed} · {short_result(by_id[run_id])}"
        ),
        max_selections=MAX_RUNS,
        help="The first is the baseline: differences are the second minus the first.",
        key=f"compare-runs-{dataset}",
    )
    st.query_params["runs"] = ",".join(chosen)
    return [by_id[run_id] for run_id in chosen]


def _default_runs(summaries: Sequence[RunSummary]) -> list[str]:
    """One run of each arm of the newest race, or the two newest runs; scratch first, as the baseline."""
    newest = next((item.meta.race for item in summaries if item.meta.race), None)
    found = [item for item in reversed(summaries) if item.meta.race == newest] if newest else list(summaries[:2])
    if newest:  # one seed of each arm
        found = list({item.meta.arm: item for item in reversed(found)}.values())
    return [item.id for item in sorted(found, key=lambda item: (item.config.strategy != "scratch", item.meta.created))]


page()
