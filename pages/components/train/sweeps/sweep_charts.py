"""Optuna's figures of a sweep in the app's colours and words. Pure functions, no widgets.

Optuna's own colours are nearly white or nearly black at their ends: one of them is lost on every background.
"""

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import plotly.graph_objects as go

from core.config.sweep_plan import Choices
from core.config.train_config import TrainConfig
from core.formatting import format_line, format_number, format_percent
from core.palette import CLASS_COLOURS
from core.sweeps.sweep import Sweep, find_best
from pages.components.shared.names import plotly_text
from pages.components.train.sweeps.parallel_chart import BEST

if TYPE_CHECKING:
    import optuna

Kind = Literal["history", "slices", "parallel", "importance"]
TITLES: dict[Kind, str] = {
    "history": "History",
    "slices": "Slices",
    "parallel": "Parallel",
    "importance": "Importance",
}
CAPTIONS: dict[Kind, str] = {
    "history": "Each point is a finished trial; the line is the best one so far. Pruned trials are left out.",
    "slices": "The finished trials by one setting, whatever the others were.",
    "parallel": "Parallel coordinates: each line is a finished trial, from its accuracy down through its settings; the "
    "best tenth is thick and orange.",
    "importance": "How much each setting differs between the best tenth of the trials and all of them (PED-ANOVA).",
}
ACCURACY = "Validation accuracy (%)"
POINT = CLASS_COLOURS[0]
MIN_IMPORTANCE = 5  # finished trials
MAX_TICKS = 12
MARGIN = {"l": 10, "r": 10, "t": 30, "b": 10}


def title_of_field(name: str) -> str:
    """A searched field as the form calls it."""
    return TrainConfig.model_fields[name].title or name


def count_finished(sweep: Sweep) -> int:
    """Trials that the figures show."""
    return sum(trial.outcome == "finished" for trial in sweep.trials)


def draw_history(study: "optuna.Study") -> go.Figure:
    """Accuracy of each trial in turn, and the best so far."""
    from optuna.visualization import plot_optimization_history

    figure = plot_optimization_history(study)
    points, line = figure.data[:2]
    made = go.Figure()
    made.add_scatter(
        name="Best so far", mode="lines", x=line.x, y=_percent(line.y),
        line={"color": BEST, "width": 3, "shape": "hv"}, hovertemplate="best so far %{y:.1f} %<extra></extra>",
    )  # fmt: skip
    made.add_scatter(
        name="Trial", mode="markers", x=points.x, y=_percent(points.y), marker={"color": POINT, "size": 8},
        hovertemplate="trial %{x}: %{y:.1f} %<extra></extra>",
    )  # fmt: skip
    _finish(made, "Trial (number)", ACCURACY, legend=True)
    if len(line.x) <= MAX_TICKS:
        made.update_layout(xaxis={"dtick": 1})  # no half trials
    return made


def draw_slice(study: "optuna.Study", sweep: Sweep, name: str) -> go.Figure:
    """Accuracy by the values of one setting."""
    from optuna.visualization import plot_slice

    figure = plot_slice(study, params=[name], target=_target, target_name=ACCURACY)
    axis: dict[str, Any] = {}
    dimension = sweep.plan.space[name]
    for trace in figure.data:
        if isinstance(dimension, Choices):
            trace.x = [_strip(value) for value in trace.x]
        trace.update(name="Trial", marker={"color": POINT, "size": 8, "line": {"width": 0}, "showscale": False})
        trace.hovertemplate = "%{x}: %{y:.1f} %<extra></extra>"
    if isinstance(dimension, Choices):
        shown = [_strip(value) for value in figure.layout.xaxis.categoryarray or ()]
        axis = {"type": "category", "categoryorder": "array", "categoryarray": shown}
    figure.update_layout(xaxis=axis)
    unit = " (logarithmic)" if getattr(dimension, "log", False) else ""
    return _finish(figure, f"{title_of_field(name)}{unit}", ACCURACY)


def draw_importance(study: "optuna.Study") -> go.Figure:
    """How much each setting matters.

    Raises:
        ValueError: the trials are too much alike.
    """
    from optuna.importance import PedAnovaImportanceEvaluator
    from optuna.visualization import plot_param_importances

    if len({trial.value for trial in study.get_trials(deepcopy=False) if trial.state.name == "COMPLETE"}) < 2:
        raise ValueError("All trials are equally good.")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # experimental; many equal trials
        figure = plot_param_importances(study, evaluator=PedAnovaImportanceEvaluator())
    for trace in figure.data:
        trace.update(
            y=[plotly_text(_title(name)) for name in trace.y], marker={"color": POINT}, name="Importance",
            hovertemplate="%{y}: %{x:.2f}<extra></extra>",
        )  # fmt: skip
    most = max((share for trace in figure.data for share in trace.x), default=1.0)
    figure.update_layout(
        xaxis={"range": [0, 1.25 * most]}, yaxis={"type": "category", "automargin": True}
    )  # with room for the numbers
    return _finish(figure, "Importance (share of all)", "")


def describe_history(sweep: Sweep) -> str:
    """The best so far in words, for screen readers."""
    line: list[tuple[float, float]] = []
    for place, trial in enumerate(sweep.trials):
        best = find_best(sweep.trials[: place + 1])
        if best is not None and best.accuracy is not None and (not line or 100 * best.accuracy > line[-1][1]):
            line.append((trial.number, 100 * best.accuracy))
    return f"Best validation accuracy in per cent by trial: {format_line(line) if line else 'none yet'}."


def describe_trials(sweep: Sweep, names: Sequence[str]) -> str:
    """The best trial by some settings in words."""
    best = sweep.best
    if best is None:
        return "No trial has finished yet."
    values = ", ".join(f"{title_of_field(name)} {_strip(str(best.values.get(name)))}" for name in names)
    count = count_finished(sweep)
    return (
        f"Validation accuracy of {count} finished trials. Best: {format_percent(best.accuracy or 0.0)} with {values}."
    )


def describe_importance(figure: go.Figure) -> str:
    """The bars in words."""
    parts = [
        f"{name} {format_number(share, 2)}"
        for trace in figure.data
        for name, share in sorted(zip(trace.y, trace.x, strict=True), key=lambda pair: -pair[1])
    ]
    return f"Importance of each setting: {', '.join(parts)}."


def _target(trial: "optuna.trial.FrozenTrial") -> float:
    return 100 * (trial.value or 0.0)


def _percent(values: Any) -> list[float]:
    return [100 * value for value in values if value is not None]


def _strip(value: Any) -> str:
    """A category as text, without Optuna's quotes."""
    return plotly_text({"True": "on", "False": "off"}.get(str(value), str(value).strip("'")))


def _title(name: str) -> str:
    return title_of_field(name) if name in TrainConfig.model_fields else name


def _finish(figure: go.Figure, x_title: str, y_title: str, *, legend: bool = False) -> go.Figure:
    figure.update_layout(
        title={"text": ""},
        xaxis={"title": {"text": x_title}, "automargin": True},
        yaxis={"title": {"text": y_title}},
        showlegend=legend,
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"},
        margin=MARGIN,
        height=340,
    )
    return figure
