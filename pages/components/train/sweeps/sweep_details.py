"""The folded parts of a sweep's page: Optuna's charts, the table of trials, the best settings as code."""

from typing import Any

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from core.config.sweep_plan import Range, format_value
from core.formatting import format_count
from core.settings import Settings
from core.sweeps.sweep import Sweep, Trial, describe_best
from pages.components.shared import frame
from pages.components.shared.snapshots.shared_cache import SharedCache
from pages.components.shared.snapshots.sweep_snapshot import look_at_sweep, open_study
from pages.components.train.form.form_fields import show_value, title_of
from pages.components.train.sweeps import sweep_charts
from pages.components.train.sweeps.parallel_chart import draw_parallel
from pages.components.train.sweeps.sweep_charts import Kind

ACCURACY, OUTCOME, SECONDS = "Validation accuracy (%)", "Outcome", "Seconds"
TRIAL = "Trial"
OPENED = "sweep-rows-opened"
ROW_PX = 35
MAX_ROWS = 12  # of the table without scrolling

# of a sweep, how many trials have ended, which chart, of which setting
_figures: SharedCache[tuple[Settings, str, int, Kind, str], tuple[go.Figure, str]] = SharedCache(None, max_entries=64)


def show_details(settings: Settings, sweep_id: str) -> None:
    """Draw them; what is closed is not computed."""
    with frame.explained():
        sweep = look_at_sweep(settings, sweep_id).sweep
        _fold_charts(settings, sweep)
        _fold_trials(sweep)
        _fold_best(sweep)


def _fold_charts(settings: Settings, sweep: Sweep) -> None:
    box = st.expander(
        "Charts: history, slices, importance", icon=":material/bar_chart:", key="sweep-charts", on_change="rerun"
    )
    if not box.open:
        return
    with box:
        finished = sweep_charts.count_finished(sweep)
        if not finished:
            st.info("No trial has finished yet: the charts begin with the first one.", icon=":material/hourglass_top:")
            return
        kind: Kind = st.segmented_control(
            "Chart",
            list(sweep_charts.TITLES),
            default="history",
            required=True,
            format_func=sweep_charts.TITLES.__getitem__,
            key="sweep-chart",
            label_visibility="collapsed",
        )
        name = ""
        if kind == "slices":
            name = st.selectbox("Setting", list(sweep.plan.space), format_func=title_of, key=f"sweep-slice-{sweep.id}")
        if kind == "importance" and finished < sweep_charts.MIN_IMPORTANCE:
            st.info(
                f"Importance needs at least {sweep_charts.MIN_IMPORTANCE} finished trials: there "
                f"{'is' if finished == 1 else 'are'} {finished}.",
                icon=":material/hourglass_top:",
            )
            return
        ended = sum(trial.outcome != "waiting" for trial in sweep.trials)
        key = settings, sweep.id, ended, kind, name
        try:
            figure, words = _figures.get(key, lambda: _draw(settings, sweep, kind, name))
        except (ValueError, RuntimeError):  # Optuna cannot rank trials that are all alike
            st.info("The trials are too similar for this chart: it needs more of them.", icon=":material/balance:")
            return
        st.plotly_chart(figure, key=f"sweep-figure-{kind}-{name}", alt=words, config={"displayModeBar": False})
        st.caption(sweep_charts.CAPTIONS[kind])


def _draw(settings: Settings, sweep: Sweep, kind: Kind, name: str) -> tuple[go.Figure, str]:
    """A figure and the same in words."""
    study = open_study(settings, sweep.id)
    assert study is not None  # a trial has finished
    match kind:
        case "history":
            return sweep_charts.draw_history(study), sweep_charts.describe_history(sweep)
        case "slices":
            return sweep_charts.draw_slice(study, sweep, name), sweep_charts.describe_trials(sweep, [name])
        case "parallel":
            return draw_parallel(sweep), sweep_charts.describe_trials(sweep, list(sweep.plan.space))
        case "importance":
            figure = sweep_charts.draw_importance(study)
            return figure, sweep_charts.describe_importance(figure)


def _fold_trials(sweep: Sweep) -> None:
    box = st.expander(
        f"Trials ({len(sweep.trials):,})", icon=":material/table_rows:", key="sweep-trials", on_change="rerun"
    )
    if not box.open:
        return
    with box:
        if not sweep.trials:
            st.info("No trial has begun yet.", icon=":material/hourglass_top:")
            return
        st.caption("Tick a row to open the training of that trial.")
        trials = sort_trials(sweep)
        state: Any = st.dataframe(
            tabulate(sweep, trials),
            hide_index=True,
            on_select="rerun",
            selection_mode="single-row",
            key=f"sweep-table-{sweep.id}-{st.session_state.get(OPENED, 0)}",
            placeholder="–",
            height=ROW_PX * (min(len(trials), MAX_ROWS) + 1) + 3,
            column_config=_format_columns(sweep),
            alt=f"The trials of this sweep, the best one first. {sweep_charts.describe_trials(sweep, [])}",
        )
        frame.offer_csv(
            "Download the trials as CSV", lambda: tabulate(sweep, trials), f"tunemypets-{sweep.id}.csv", "sweep-csv"
        )
        rows = state.selection.rows if state is not None else []
        if rows and rows[0] < len(trials):
            # a table of another key has no tick: who comes back at once is not sent to the training again
            st.session_state[OPENED] = st.session_state.get(OPENED, 0) + 1
            _open(sweep, trials[rows[0]])


def _format_columns(sweep: Sweep) -> dict[str, Any]:
    numbers = [title_of(name) for name, item in sweep.plan.space.items() if isinstance(item, Range) and not item.whole]
    formats = {ACCURACY: "%.1f", SECONDS: "%.1f", **dict.fromkeys(numbers, "%.3g")}
    return {name: st.column_config.NumberColumn(format=shown) for name, shown in formats.items()}


def _open(sweep: Sweep, trial: Trial) -> None:
    """Open the training of a trial; of one that repeats an earlier one, that one's."""
    earlier = {item.number: item for item in sweep.trials}
    runs = trial.runs or (earlier[trial.same_as].runs if trial.same_as in earlier else ())
    if runs:
        frame.go(frame.TRAIN, query_params={"run": runs[0]})
    st.info(f"Trial {trial.number} has no training.", icon=":material/search_off:")


def sort_trials(sweep: Sweep) -> list[Trial]:
    """The best one first; those without an accuracy last."""
    return sorted(sweep.trials, key=lambda trial: (trial.accuracy is None, -(trial.accuracy or 0.0), trial.number))


def tabulate(sweep: Sweep, trials: list[Trial]) -> pd.DataFrame:
    """A row for each trial."""
    rows = [
        {
            TRIAL: trial.number,
            ACCURACY: None if trial.accuracy is None else 100 * trial.accuracy,
            OUTCOME: describe_outcome(trial),
            SECONDS: trial.seconds,
            **{title_of(name): _cell(trial.values.get(name)) for name in sweep.plan.space},
        }
        for trial in trials
    ]
    return pd.DataFrame(rows)


def describe_outcome(trial: Trial) -> str:
    """How a trial ended, in words."""
    if trial.outcome == "failed":
        return f"failed: {trial.problem}" if trial.problem else "failed"
    word = "in progress" if trial.outcome == "waiting" else trial.outcome
    return word if trial.same_as is None else f"{word}, same as trial {trial.same_as}"


def _cell(value: Any) -> Any:
    """A value that sorts as what it is."""
    return value if isinstance(value, int | float) and not isinstance(value, bool) else format_value(value)


def _fold_best(sweep: Sweep) -> None:
    best = sweep.best
    box = st.expander("Best settings as code", icon=":material/code:", key="sweep-best", on_change="rerun")
    if not box.open:
        return
    with box:
        if best is None:
            st.info("No trial has finished yet.", icon=":material/hourglass_top:")
            return
        base = sweep.plan.base
        lines = ["| Setting | Best | Base |", "| --- | --- | --- |"]
        for name, value in best.values.items():
            usual = getattr(base, name)
            shown = "default" if usual is None else show_value(usual)
            lines.append(f"| {title_of(name)} | **{show_value(value)}** | {shown} |")
        st.markdown("\n".join(lines))
        st.code(describe_best(best.values), language="python")
        st.caption(
            f"Sweep {sweep.id}, {format_count(sweep.counted, 'trial')}. On the command line: "
            f"`python -m core show-sweep {sweep.id}`."
        )
