"""Compare: a race, a learning curve or runs of one dataset, evaluated on the same held-out pictures."""

from collections.abc import Sequence

import streamlit as st

from core.races.race import Race
from core.runs.summary import RunSummary
from core.settings import Settings
from pages.components.compare import learning_curve_view, race_view, run_details, runs_view
from pages.components.shared import coach_findings, frame
from pages.components.shared.named_runs import name_runs
from pages.components.shared.race_snapshot import look_at_race, races_of
from pages.components.shared.recent_runs import short_result
from pages.components.shared.runs_snapshot import list_runs, look_at

MAX_RUNS = 6
RACES, RUNS = "Races and curves", "Runs"


def page() -> None:
    settings = frame.open_page("Compare", "Races, learning curves and runs, evaluated on the same held-out pictures.")
    with frame.explained():
        summaries = [item for item in list_runs(settings) if item.epochs_done or item.tested]
        races = races_of(settings)
        if not summaries and not races:
            st.info("Nothing to compare yet: start a race first.", icon=":material/flag:")
            frame.link(frame.TRAIN, label="Start a race", icon=":material/flag:")
            return
        if _choose_mode(races) == RUNS:
            _compare_runs(settings, summaries)
            return
        race = _choose_race(races)
        if race.plan.kind == "curve":
            _show_curve(settings, race)
        else:
            _show_race(settings, race.id)


def _choose_mode(races: Sequence[Race]) -> str:
    """Races or runs; at first whichever the address names."""
    if not races:
        return RUNS
    named = RUNS if "runs" in st.query_params else RACES
    mode = st.segmented_control(
        "What to compare",
        [RACES, RUNS],
        default=named,
        required=True,
        key="compare-mode",
        help="A race compares arms under one budget; a learning curve trains them on more and more pictures. Runs: any "
        "runs on one dataset.",
    )
    if mode != named:  # the address names what is shown
        for name in ("race", "runs"):
            st.query_params.pop(name, None)
    return str(mode)


def _choose_race(races: Sequence[Race]) -> Race:
    by_id = {race.id: race for race in races}
    wanted = st.query_params.get("race", "")
    if wanted and wanted not in by_id:
        st.warning("That race no longer exists: choose another one.", icon=":material/delete:")
    race_id = st.selectbox(
        "Race or curve",
        list(by_id),
        index=list(by_id).index(wanted) if wanted in by_id else 0,
        format_func=lambda race_id: _race_title(by_id[race_id]),
        key="compare-race",
        help="Newest first. You can share the address of this page.",
    )
    st.query_params["race"] = race_id
    return by_id[race_id]


def _race_title(race: Race) -> str:
    kind = ":material/trending_up:" if race.plan.kind == "curve" else ":material/flag:"
    state = "" if race.state.active else f" · {race.state.value}"  # while it is active, the live view below shows it
    return f"{kind} {race.title} · {race.dataset} · {race.plan.describe_budget()}{state} · {race.id[-6:]}"


def _show_curve(settings: Settings, curve: Race) -> None:
    learning_curve_view.watch_curve(settings, curve.id)
    if not curve.state.active:
        coach_findings.show_fairness([(curve.name_of(run), look_at(settings, run.id)) for run in curve.runs])
    run_details.show_curve_report(settings, curve)


def _show_race(settings: Settings, race_id: str) -> None:
    race_view.watch_race(settings, race_id)
    race = look_at_race(settings, race_id).race
    tested = [run for run in race.runs if run.tested is not None]
    if not tested:
        return
    seeds = sorted({run.config.seed for run in tested})
    seed = seeds[0]
    if len(seeds) > 1:
        seed = st.selectbox("Seed", seeds, key=f"seed-{race_id}", help="The details below show the runs of one seed.")
    named = [(race.name_of(run), look_at(settings, run.id)) for run in tested if run.config.seed == seed]
    run_details.show_details(settings, named, race)


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
