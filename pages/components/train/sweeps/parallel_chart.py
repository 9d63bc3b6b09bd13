"""Parallel coordinates of a sweep: an axis for each setting, one below the other, and a line down for each trial.

Axes that lie are as wide as the screen, a phone's included, and have room for their values below them. Lines pause
there, so that no line crosses a label. Pure functions, no widgets.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

from core.config.sweep_plan import Choices, Range, format_value
from core.formatting import format_number
from core.sweeps.sweep import Sweep, Trial
from pages.components.shared.names import plotly_text
from pages.components.train.form.form_fields import title_of

BEST, REST = "#D55E00", "#8C8C8C"  # the second one is seen on white and on black
BEST_SHARE = 0.1  # of the trials, which stand out
GAP = 0.42  # of the distance of two axes: for the labels between
ROW_PX, LABEL_PX, NAME_PX = 62, 13, 96
ROOM = 26  # characters of labels next to each other on a phone


@dataclass(frozen=True)
class _Axis:
    """One axis.

    Attributes:
        places: of each trial, from 0 to 1.
        labels: place -> text.
    """

    name: str
    places: list[float]
    texts: list[str]  # of each trial
    labels: dict[float, str]


def draw_parallel(sweep: Sweep) -> go.Figure:
    """A line for each finished trial across all settings, the best tenth drawn last."""
    trials = [item for item in sweep.trials if item.outcome == "finished" and item.accuracy is not None]
    trials.sort(key=lambda item: (item.accuracy, -(item.loss or 0.0), -item.number))
    axes = [_accuracy(trials), *(_axis(name, item, trials) for name, item in sweep.plan.space.items())]
    figure, last = go.Figure(), len(axes) - 1
    best = max(1, round(BEST_SHARE * len(trials)))
    for place, trial in enumerate(trials):
        good = place >= len(trials) - best
        across: list[float | None] = []
        down: list[float | None] = []
        for number, axis in enumerate(axes):
            height = last - number
            across += [axis.places[place]] if number == last else [axis.places[place], None, axis.places[place]]
            down += [height] if number == last else [height, None, height - GAP]
        texts = [f"trial {trial.number}, {axis.name}: {axis.texts[place]}" for axis in axes for _ in range(3)]
        figure.add_scatter(
            x=across,
            y=down,
            mode="lines+markers",
            line={"color": BEST, "width": 2.5} if good else {"color": REST, "width": 1},
            marker={"size": [7 if good else 4, 0, 0] * len(axes)},  # none where a line resumes
            opacity=1.0 if good else max(0.2, min(0.7, 20 / len(trials))),
            customdata=texts[: len(across)],
            hovertemplate="%{customdata}<extra></extra>",
        )
    notes = [note for number, axis in enumerate(axes) for note in _notes(axis, last - number)]
    figure.update_layout(
        annotations=notes,
        shapes=[
            {"type": "line", "x0": 0, "x1": 1, "y0": y, "y1": y, "line": {"color": REST, "width": 1}, "layer": "below"}
            for y in range(len(axes))
        ],
        xaxis={"visible": False, "range": [-0.03, 1.03], "fixedrange": True},
        yaxis={"visible": False, "range": [-GAP, last + 0.2], "fixedrange": True},
        showlegend=False,
        hovermode="closest",
        margin={"l": NAME_PX, "r": 24, "t": 10, "b": 10},
        height=ROW_PX * len(axes) + 20,
    )
    return figure


def _notes(axis: _Axis, height: float) -> list[dict[str, Any]]:
    """The name of an axis to its left, and its values below it."""
    first, space, rest = plotly_text(axis.name).partition(" ")
    name = {
        "x": 0, "xref": "paper", "xanchor": "right", "xshift": -8, "y": height, "showarrow": False, "align": "right",
        "text": f"{first}<br>{rest}" if space else first, "font": {"size": LABEL_PX},
    }  # fmt: skip
    values = [
        {
            "x": place, "xanchor": "left" if place == 0 else "right" if place == 1 else "center", "y": height,
            "yanchor": "top", "yshift": -4, "text": plotly_text(text), "showarrow": False, "font": {"size": LABEL_PX},
        }
        for place, text in axis.labels.items()
    ]  # fmt: skip
    return [name, *values]


def _accuracy(trials: Sequence[Trial]) -> _Axis:
    values = [100 * (trial.accuracy or 0.0) for trial in trials]
    low, high = min(values), max(values)
    texts = [f"{value:.1f} %" for value in values]
    if low == high:
        return _Axis("Validation accuracy", [0.5] * len(values), texts, {0.5: texts[0]})
    labels = {0.0: f"{low:.1f} %", 1.0: f"{high:.1f} %"}
    return _Axis("Validation accuracy", [(value - low) / (high - low) for value in values], texts, labels)


def _axis(name: str, dimension: Choices | Range, trials: Sequence[Trial]) -> _Axis:
    chosen = [trial.values[name] for trial in trials]
    if isinstance(dimension, Choices):
        step = 1 / (len(dimension.values) - 1)
        places = {value: round(place * step, 6) for place, value in enumerate(dimension.values)}
        labels = {place: _shorten(value) for value, place in places.items()}
        if sum(map(len, labels.values())) > ROOM:  # only where the best trial is
            best = places[chosen[-1]]
            labels = {best: labels[best]}
        return _Axis(title_of(name), [places[value] for value in chosen], list(map(format_value, chosen)), labels)
    scale = math.log if dimension.log else float
    low, high = scale(dimension.low), scale(dimension.high)
    found = [min(1.0, max(0.0, (scale(value) - low) / (high - low))) for value in chosen]
    labels = {0.0: format_number(dimension.low, 2), 1.0: format_number(dimension.high, 2)}
    return _Axis(title_of(name), found, [format_number(value, 3) for value in chosen], labels)


def _shorten(value: Any) -> str:
    """A value as a label; of a list its first and last number."""
    if isinstance(value, tuple) and len(value) > 1:
        return f"{len(value)}×{value[0]}" if len(set(value)) == 1 else f"{value[0]}…{value[-1]}"
    return format_value(value)
