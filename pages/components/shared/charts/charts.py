"""ECharts specs of training curves, as plain dictionaries; their canvas survives an update.

Strategies differ in colour, line style and marker (`core.palette`), so that colour is never the only signal.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from core.config.events import BatchDone, EpochDone, RateFound
from core.formatting import format_line, format_number
from core.palette import CLASS_COLOURS, ArmStyle
from core.races.bands import Band, Measure

MAX_POINTS = 240
MAX_MARKED = 40  # points of a line that are marked by symbols
MARKERS = ("circle", "triangle-up", "diamond", "square", "cross", "star")  # of classes in a plotly figure
TOOLBAR_PX = 84  # Streamlit's buttons over the upper right corner, which the legend keeps free
TRAINING = ", training"  # ends the names of the thin lines, which the legend leaves out

Axis = Literal["epochs", "images", "seconds"]
AXIS_TITLES: dict[Axis, str] = {
    "epochs": "Epochs",
    "images": "Pictures seen",
    "seconds": "Seconds of training",
}


@dataclass(frozen=True)
class Curve:
    """One run's measurements, with the name the legend shows."""

    name: str
    style: ArmStyle
    batches: Sequence[BatchDone]
    epochs: Sequence[EpochDone]


def accuracy_chart(
    curves: Sequence[Curve],
    axis: Axis = "epochs",
    *,
    training: bool = True,
    epochs: float | None = None,
    seconds: float | None = None,
) -> dict[str, Any]:
    """Accuracy in per cent: per batch (thin) and per epoch on validation (marked).

    Args:
        epochs, seconds: that are planned: the axis that counts them reaches there from the start.
    """
    series = _lines(curves, axis, training, lambda b: 100 * b.accuracy, lambda e: round(100 * e.val_accuracy, 2))
    return _planned(_spec(series, AXIS_TITLES[axis], "Accuracy (%)", y_max=100), axis, epochs, seconds)


def loss_chart(
    curves: Sequence[Curve],
    axis: Axis = "epochs",
    *,
    training: bool = True,
    epochs: float | None = None,
    seconds: float | None = None,
) -> dict[str, Any]:
    """Loss per batch (thin) and per epoch on validation (marked); the axis as in `accuracy_chart`."""
    series = _lines(curves, axis, training, lambda b: b.loss, lambda e: round(e.val_loss, 4))
    return _planned(_spec(series, AXIS_TITLES[axis], "Loss (cross-entropy, nats)"), axis, epochs, seconds)


def _lines(
    curves: Sequence[Curve],
    axis: Axis,
    training: bool,
    of_batch: Callable[[BatchDone], float],
    of_epoch: Callable[[EpochDone], float],
) -> list[dict[str, Any]]:
    """What `of_batch` reads (thin, where training is shown) and what `of_epoch` reads (marked) of each run."""
    series: list[dict[str, Any]] = []
    for curve in curves:
        if training:
            points = [[_at_batch(b, axis), of_batch(b)] for b in curve.batches]
            series.append(_thin(f"{curve.name}{TRAINING}", _smoothed(points), curve.style))
        series.append(_marked(curve.name, [[_at_epoch(e, axis), of_epoch(e)] for e in curve.epochs], curve.style))
    return series


def race_chart(
    bands: Sequence[Band],
    styles: Sequence[ArmStyle],
    axis: Axis,
    measure: Measure = "accuracy",
    *,
    epochs: float | None = None,
    seconds: float | None = None,
) -> dict[str, Any]:
    """Arms of a race on validation pictures: the mean of the seeds, the band between them, and where phases begin.

    Args:
        epochs, seconds: that are planned for each arm: the axis that counts them reaches there from the start.
    """
    scale, digits = (100.0, 2) if measure == "accuracy" else (1.0, 4)
    series: list[dict[str, Any]] = []
    for band, style in zip(bands, styles, strict=True):
        mean = [[_rounded(x), round(scale * y, digits)] for x, y in zip(band.x, band.mean, strict=True)]
        line = _marked(band.arm, mean, style)
        line["markLine"] = {
            "silent": True,
            "symbol": "none",
            "lineStyle": {"color": style.colour, "type": "dotted"},
            "label": {"formatter": "{b}", "position": "insideEndTop", "color": "inherit"},
            "data": [{"xAxis": _rounded(x), "name": f"{band.arm}: {name}"} for x, name in band.phases],
        }
        series.append(line)
        if int(band.seeds.max(initial=0)) > 1:
            low = [[_rounded(x), round(scale * y, digits)] for x, y in zip(band.x, band.low, strict=True)]
            width = [
                [_rounded(x), round(scale * (high - low), digits)]
                for x, low, high in zip(band.x, band.low, band.high, strict=True)
            ]
            series += _area(f"{band.arm}{TRAINING}", low, width, style)
    if measure == "accuracy":
        spec = _spec(series, AXIS_TITLES[axis], "Accuracy (%)", y_max=100)
    else:
        spec = _spec(series, AXIS_TITLES[axis], "Loss (cross-entropy, nats)")
    return _planned(spec, axis, epochs, seconds)


def sizes_chart(
    lines: Sequence[tuple[str, ArmStyle, Sequence[tuple[int, float, float, float]]]],
) -> dict[str, Any]:
    """Accuracy in per cent by training pictures per class, on a logarithmic axis, with the band of each arm.

    Args:
        lines: name, style, and (size, mean, low, high) of each point.
    """
    series: list[dict[str, Any]] = []
    for name, style, points in lines:
        series.append(_marked(name, [[size, round(mean, 2)] for size, mean, _, _ in points], style))
        low = [[float(size), round(low, 2)] for size, _, low, _ in points]
        width = [[float(size), round(high - low, 2)] for size, _, low, high in points]
        series += _area(f"{name}{TRAINING}", low, width, style)
    spec = _spec(series, "Training pictures per class (logarithmic)", "Accuracy (%)", y_max=100)
    spec["xAxis"] = {**spec["xAxis"], "type": "log", "min": "dataMin", "max": "dataMax"}
    return spec


def describe(spec: dict[str, Any]) -> str:
    """A line chart in words, for screen readers: where each line begins, ends, and is best."""
    x_title, y_title = (spec[axis]["name"] for axis in ("xAxis", "yAxis"))
    named = [item for item in spec["series"] if not item["name"].endswith(TRAINING) and item["data"]]
    lowest = y_title.startswith("Loss")
    lines = [f"{item['name']}: {format_line([(x, y) for x, y in item['data']], lowest=lowest)}" for item in named]
    return f"{y_title} by {x_title[:1].lower()}{x_title[1:]}. {'; '.join(lines) or 'Nothing is measured yet'}."


def marker_of(label: int) -> str:
    """The marker of a class; from the ninth on colours repeat, with another marker."""
    return MARKERS[(label + label // len(CLASS_COLOURS)) % len(MARKERS)]


def _area(name: str, low: list[list[float]], width: list[list[float]], style: ArmStyle) -> list[dict[str, Any]]:
    """A band as two stacked lines: an invisible one, and what is above it, filled."""
    shared = {
        "name": name,
        "type": "line",
        "stack": name,
        "showSymbol": False,
        "lineStyle": {"opacity": 0},
        "silent": True,
        "tooltip": {"show": False},
        "emphasis": {"disabled": True},
    }
    return [
        {**shared, "data": low, "itemStyle": {"color": style.colour}},
        {
            **shared,
            "data": width,
            "itemStyle": {"color": style.colour},
            "areaStyle": {"color": style.colour, "opacity": 0.18},
        },
    ]


def _rounded(x: float) -> float:
    return round(float(x), 2)


def rate_chart(curves: Sequence[Curve]) -> dict[str, Any]:
    """Learning rate of the head, step by step."""
    series = [
        _thin(
            curve.name,
            _thinned([[_at_batch(b, "epochs"), b.learning_rate] for b in curve.batches]),
            curve.style,
            1.0,
        )
        for curve in curves
    ]
    return _spec(series, "Epochs", "Learning rate")


def speed_chart(curves: Sequence[Curve]) -> dict[str, Any]:
    """Pictures per second, step by step."""
    series = [
        _thin(
            curve.name, _thinned([[_at_batch(b, "epochs"), round(b.images_per_second, 1)] for b in curve.batches]),
            curve.style, 1.0,
        )
        for curve in curves
    ]  # fmt: skip
    return _spec(series, "Epochs", "Pictures per second")


def rate_search_chart(searches: Sequence[tuple[str, ArmStyle, RateFound]]) -> dict[str, Any]:
    """The learning-rate finder: smoothed loss by rate, and the chosen rate, marked."""
    series: list[dict[str, Any]] = []
    for name, style, found in searches:
        points = [[rate, round(loss, 4)] for rate, loss in zip(found.rates, found.losses, strict=True)]
        series.append(_thin(name, points, style, 1.0))
        at_chosen = min(points, key=lambda point: abs(point[0] - found.chosen), default=None)
        if at_chosen:
            series.append(_marked(f"{name}: takes {format_number(found.chosen, 2)}", [at_chosen], style))
    spec = _spec(series, "Learning rate (logarithmic)", "Loss (smoothed, nats)")
    spec["xAxis"] = {**spec["xAxis"], "type": "log", "min": "dataMin", "max": "dataMax"}
    return spec


def _at_batch(batch: BatchDone, axis: Axis) -> float:
    if axis == "epochs":
        return round(batch.epoch - 1 + batch.step / batch.steps, 4)
    return batch.images_seen if axis == "images" else round(batch.seconds, 2)


def _at_epoch(epoch: EpochDone, axis: Axis) -> float:
    if axis == "epochs":
        return epoch.epoch
    return epoch.images_seen if axis == "images" else round(epoch.seconds, 2)


def _thinned(points: list[list[float]]) -> list[list[float]]:
    """At most MAX_POINTS of the points, evenly, with the last."""
    if len(points) <= MAX_POINTS:
        return points
    step = len(points) / MAX_POINTS
    return [points[int(place * step)] for place in range(MAX_POINTS)] + [points[-1]]


def _smoothed(points: list[list[float]], weight: float = 0.8) -> list[list[float]]:
    """Exponential moving average without its bias at the start (Kingma & Ba 2015), then thinned."""
    out, average = [], 0.0
    for count, (x, y) in enumerate(points, start=1):
        average = weight * average + (1 - weight) * y
        out.append([x, round(average / (1 - weight**count), 4)])
    return _thinned(out)


def _thin(name: str, points: list[list[float]], style: ArmStyle, opacity: float = 0.55) -> dict[str, Any]:
    return {
        "name": name,
        "type": "line",
        "data": points,
        "showSymbol": False,
        "symbol": style.symbol,
        "lineStyle": {"width": 1.5, "type": style.line, "opacity": opacity},
        "itemStyle": {"color": style.colour, "opacity": opacity},
        "emphasis": {"disabled": True},
    }


def _marked(name: str, points: list[list[float]], style: ArmStyle) -> dict[str, Any]:
    return {
        "name": name,
        "type": "line",
        "data": points,
        "showSymbol": len(points) <= MAX_MARKED,  # more would hide the line
        "symbol": style.symbol,
        "symbolSize": 9,
        "lineStyle": {"width": 3, "type": style.line},
        "itemStyle": {"color": style.colour},
    }


def _planned(spec: dict[str, Any], axis: Axis, epochs: float | None, seconds: float | None) -> dict[str, Any]:
    """The chart with an axis that stands still: from 0 to what is planned, or to what was measured beyond it."""
    end = {"epochs": epochs, "seconds": seconds, "images": None}[axis]
    if end is not None:
        reached = max((point[0] for item in spec["series"] for point in item["data"]), default=0)
        spec["xAxis"]["max"] = max(end, reached)
    return spec


def _spec(series: list[dict[str, Any]], x_title: str, y_title: str, y_max: float | None = None) -> dict[str, Any]:
    left_px = 26 if y_max else 40  # an axis without an end may have labels such as 0.6675, which reach farther left
    return {
        "animation": False,
        "grid": {"left": left_px, "right": 18, "top": 36, "bottom": 24, "containLabel": True},
        # one line with arrows: many long names never cover the curves on a phone
        "legend": {
            "data": [item["name"] for item in series if not item["name"].endswith(TRAINING)],
            "type": "scroll",
            "top": 0,
            "left": 0,
            "right": TOOLBAR_PX,
            "itemWidth": 26,
            "textStyle": {"fontSize": 12},
        },
        "tooltip": {"trigger": "axis"},
        "xAxis": {
            "type": "value",
            "name": x_title,
            "nameLocation": "middle",
            "nameGap": 24,
            "min": 0,
            "minInterval": 1 if x_title == AXIS_TITLES["epochs"] else 0,  # no half epochs
            "splitLine": {"show": False},
        },
        "yAxis": {
            "type": "value",
            "name": y_title,
            "nameLocation": "middle",
            "nameGap": left_px + 14,
            "scale": True,
            **({"min": 0, "max": y_max} if y_max is not None else {}),
        },
        "series": series,
    }
