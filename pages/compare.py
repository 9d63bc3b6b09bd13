"""Compare: a race or runs of one dataset, judged on the same held-out pictures, and a closer look at them."""

from collections.abc import Sequence

import streamlit as st

from core.config.train_config import TrainConfig
from core.errors import ComparisonError, RunError
from core.races.race import Race
from core.runs.summary import RunSummary
from core.settings import Settings
from pages.components.compare import comparison_cache, learning_curve_view, race_view, run_details
from pages.components.compare.runs_table import COLUMN_CONFIG, differing_fields, runs_table
from pages.components.shared import chart_tables, charts, coach_findings, frame
from pages.components.shared.race_snapshot import look_at_race, races_of
from pages.components.shared.recent_runs import short_result
from pages.components.shared.runs_snapshot import RunSnapshot, list_runs, look_at
from pages.components.shared.verdict import compare_once, show_verdict

MAX_RUNS = 6
RACES, RUNS = "Races and curves", "Runs"


def page() -> None:
    settings = frame.open_page("Compare", "Races, learning curves and runs, judged on the same held-out pictures.")
    with frame.explained():
        summaries = [item for item in list_runs(settings) if item.epochs_done or item.tested]
        races = races_of(settings)
        if not summaries and not races:
            st.info("There is nothing to compare yet: start a race, and come back when it has run.", icon="🏁")
            frame.link(frame.TRAIN, label="Start a race", icon="🏁")
            return
        if _mode(races) == RACES:
            _compare_race(settings, races)
        else:
            _compare_runs(settings, summaries)


def _mode(races: Sequence[Race]) -> str:
    """Races or runs; where the address names one, that."""
    if not races:
        return RUNS
    named = RUNS if "runs" in st.query_params else RACES
    mode = st.segmented_control(
        "What to compare",
        [RACES, RUNS],
        default=named,
        required=True,
        key="compare-mode",
        help="A race has several arms under one budget, a curve trains them on more and more pictures; runs are any "
        "trainings on one dataset.",
    )
    if mode != named:  # the address speaks of what is shown
        for name in ("race", "runs"):
            st.query_params.pop(name, None)
    return str(mode)


def _compare_race(settings: Settings, races: Sequence[Race]) -> None:
    by_id = {race.id: race for race in races}
    wanted = st.query_params.get("race", "")
    if wanted and wanted not in by_id:
        st.warning("That race is not there any more: choose another one.", icon="🗑️")
    race_id = st.selectbox(
        "Race or curve",
        list(by_id),
        index=list(by_id).index(wanted) if wanted in by_id else 0,
        format_func=lambda race_id: _race_title(by_id[race_id]),
        key="compare-race",
        help="The newest comes first. Its address in the browser can be shared.",
    )
    st.query_params["race"] = race_id
    if by_id[race_id].plan.kind == "curve":
        learning_curve_view.watch_curve(settings, race_id)
        curve = by_id[race_id]
        if not curve.state.active:
            coach_findings.show_fairness([(str(run.meta.arm), look_at(settings, run.id)) for run in curve.runs])
        run_details.show_curve_report(settings, curve)
        return
    race_view.watch_race(settings, race_id)
    race = look_at_race(settings, race_id).race
    tested = [run for run in race.runs if run.tested is not None]
    if not tested:
        return
    seeds = sorted({run.config.seed for run in tested})
    seed = seeds[0]
    if len(seeds) > 1:
        seed = st.selectbox(
            "Seed", seeds, key=f"seed-{race_id}", help="What follows looks at single trainings: those with this seed."
        )
    named = [(str(run.meta.arm), look_at(settings, run.id)) for run in tested if run.config.seed == seed]
    run_details.show_closer(settings, run_details.Chosen(comparison_cache.readable(settings, named), race))


def _race_title(race: Race) -> str:
    kind = "📈" if race.plan.kind == "curve" else "🏁"
    state = "" if race.state.active else f" · {race.state.value}"  # what changes stands below, where it is drawn anew
    return f"{kind} {race.title} · {race.dataset} · {race.plan.describe_budget()}{state} · {race.id[-6:]}"


def _compare_runs(settings: Settings, summaries: Sequence[RunSummary]) -> None:
    if not summaries:
        st.info("No single run has got as far as its first epoch yet: look at the races.", icon="⏳")
        return
    chosen = _choose(summaries)
    if not chosen:
        st.info("Choose one run or more above.", icon="👆")
        return
    snapshots = [look_at(settings, item.id) for item in chosen]
    tested = [item for item in snapshots if item.history.tested is not None]
    if len(tested) >= 2:
        _verdict(settings, tested)
    else:
        st.info(
            "A verdict needs two runs with a test result: wait for them to finish, or choose others.",
            icon="⏳",
        )
    _curves(snapshots)
    _table(chosen)
    run_details.show_closer(settings, run_details.Chosen(comparison_cache.readable(settings, _named(tested))))


def _choose(summaries: Sequence[RunSummary]) -> list[RunSummary]:
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
        wanted = _latest_kinds([by_id[run_id] for run_id in options])
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


def _latest_kinds(summaries: Sequence[RunSummary]) -> list[str]:
    """One run of each arm of the newest race, or the two newest runs; scratch is the baseline."""
    newest = next((item.meta.race for item in summaries if item.meta.race), None)
    found = [item for item in reversed(summaries) if item.meta.race == newest] if newest else list(summaries[:2])
    if newest:  # seeds of one arm tell little about each other
        found = list({item.meta.arm: item for item in reversed(found)}.values())
    return [item.id for item in sorted(found, key=lambda item: (item.config.strategy != "scratch", item.meta.created))]


def _verdict(settings: Settings, tested: Sequence[RunSnapshot]) -> None:
    first = tested[0]
    second = tested[1]
    if len(tested) > 2:
        others = {item.id: item for item in tested[1:]}
        picked = st.selectbox(
            "Compare the first run with",
            list(others),
            format_func=lambda run_id: f"{others[run_id].arm} · {run_id[-6:]}",
            help="The verdict is about two runs at a time.",
        )
        second = others[picked]
    try:
        comparison = compare_once(settings, first.id, second.id)
    except (ComparisonError, RunError) as error:
        st.warning(frame.plain(str(error)))
        return
    st.subheader("Verdict")
    show_verdict(comparison)
    fields = differing_fields([first.config, second.config])
    if fields:
        titles = [(TrainConfig.model_fields[name].title or name).lower() for name in fields]
        st.caption(f"What differs between the two: {', '.join(titles)}.")


def _curves(snapshots: Sequence[RunSnapshot]) -> None:
    st.subheader("Curves")
    curves = [charts.Curve(name, item.history.batches, item.history.epochs) for name, item in _named(snapshots)]
    left, right = st.columns(2)
    axis = left.segmented_control(
        "Horizontal axis",
        list(charts.AXIS_TITLES),
        default="seconds" if any(item.config.max_seconds for item in snapshots) else "epochs",
        required=True,
        format_func=lambda name: charts.AXIS_TITLES[name],
        help="Equal epochs, equal pictures or equal time: three ways to be fair.",
    )
    training = right.toggle(
        "Show training curves", value=False, help="Adds the smoothed values of the training pictures."
    )
    accuracy = charts.accuracy_chart(curves, axis, training=training)
    loss = charts.loss_chart(curves, axis, training=training)
    columns = st.columns(2)
    with columns[0]:
        st.markdown("##### Accuracy on validation pictures")
        st.echarts_chart(accuracy, height=340, key="compare-accuracy", alt=charts.describe(accuracy))
    with columns[1]:
        st.markdown("##### Loss on validation pictures")
        st.echarts_chart(loss, height=340, key="compare-loss", alt=charts.describe(loss))
    frame.offer_csv(
        "Download the curves as CSV",
        lambda: chart_tables.list_epochs(
            [(name, item.config.seed, item.history.epochs) for name, item in _named(snapshots)]
        ),
        "tunemypets-curves.csv",
        key="compare-curves-csv",
    )


def _named(snapshots: Sequence[RunSnapshot]) -> list[tuple[str, RunSnapshot]]:
    """Names that are told apart: equal ones get their seed, and the end of their id where that is equal too."""
    names = [item.arm for item in snapshots]
    if len(set(names)) < len(names):
        names = [
            f"{name}, seed {item.config.seed}" if names.count(name) > 1 else name
            for name, item in zip(names, snapshots, strict=True)
        ]
    return [
        (name if names.count(name) == 1 else f"{name} {item.id[-6:]}", item)
        for name, item in zip(names, snapshots, strict=True)
    ]


def _table(chosen: Sequence[RunSummary]) -> None:
    st.subheader("Table")
    table = runs_table(chosen)
    st.dataframe(table, hide_index=True, column_config=COLUMN_CONFIG, key="compare-table")
    frame.offer_csv("Download as CSV", table, "tunemypets-comparison.csv")


page()
