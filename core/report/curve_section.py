"""Charts over the epochs: the mean over the seeds of each arm, with the range of the seeds; and learning curves."""

import dataclasses
import math
from collections.abc import Sequence

from core.config.events import EpochDone
from core.formatting import SPLIT_NAMES
from core.races.bands import Axis, Measure, join_seeds
from core.report.content import ChartLine, CurveRow, LineChart, Point, Share
from core.report.subject import Subject

BAND = "The band runs from the lowest to the highest seed."
AXES: dict[Axis, tuple[str, str]] = {
    "epochs": ("epochs", "Epochs"),
    "images": ("pictures", "Pictures seen"),
    "seconds": ("seconds", "Seconds of training"),
}
MEASURES: dict[Measure, str] = {"accuracy": "Accuracy on {} pictures (%)", "loss": "Loss on {} pictures (nats)"}
SHOWN: tuple[tuple[str, Measure, Axis], ...] = (
    ("validation", "accuracy", "epochs"),
    ("validation", "accuracy", "images"),
    ("validation", "accuracy", "seconds"),
    ("training", "accuracy", "epochs"),
    ("validation", "loss", "epochs"),
    ("training", "loss", "epochs"),
)


def draw_curves(subject: Subject) -> tuple[LineChart, ...]:
    """Every chart over the course of training; none where no epoch was completed."""
    out = []
    for pictures, measure, axis in SHOWN:
        curves = tuple(
            curve for name in subject.arms if (curve := _curve(subject, name, pictures, measure, axis)).points
        )
        if curves:
            name, x_title = AXES[axis]
            several = any(point.n > 1 for curve in curves for point in curve.points)
            out.append(
                LineChart(
                    name=f"{pictures} {measure} by {name}",
                    x_title=x_title,
                    y_title=MEASURES[measure].format(pictures),
                    unit="fraction" if measure == "accuracy" else "nats",
                    curves=curves,
                    band=BAND if several else "",
                )
            )
    return tuple(out)


def _curve(subject: Subject, arm: str, pictures: str, measure: Measure, axis: Axis) -> ChartLine:
    histories = [_sound(item.history.epochs) for item in subject.of(arm)]
    if pictures == "training":
        histories = [
            [dataclasses.replace(e, val_accuracy=e.train_accuracy, val_loss=e.train_loss) for e in epochs]
            for epochs in histories
        ]
    band = join_seeds(arm, histories, axis, measure)
    rows = zip(band.x, band.mean, band.low, band.high, band.seeds, strict=True)
    points = tuple(
        Point(round(float(x), 4), round(float(mean), 6))
        if seeds == 1
        else Point(round(float(x), 4), round(float(mean), 6), round(float(low), 6), round(float(high), 6), int(seeds))
        for x, mean, low, high, seeds in rows
    )
    return ChartLine(arm, points, tuple((round(at, 4), name) for at, name in band.phases))


def _sound(epochs: Sequence[EpochDone]) -> list[EpochDone]:
    """The epochs that can be drawn: every figure finite, time increasing."""
    out: list[EpochDone] = []
    for epoch in epochs:
        figures = (epoch.val_accuracy, epoch.val_loss, epoch.train_accuracy, epoch.train_loss, epoch.seconds)
        if all(math.isfinite(figure) for figure in figures) and (
            not out or (epoch.epoch > out[-1].epoch and epoch.seconds > out[-1].seconds)
        ):
            out.append(epoch)
    return out


def list_sizes(subject: Subject) -> tuple[CurveRow, ...]:
    """The points of a learning curve; none for any other subject."""
    if subject.curve is None:
        return ()
    return tuple(
        CurveRow(
            arm.name,
            point.size,
            point.pictures,
            Share(point.mean, point.interval.low, point.interval.high, subject.curve.n),
            len(point.seeds),
            point.seconds,
        )
        for arm in subject.curve.arms
        for point in arm.points
    )


def draw_sizes(subject: Subject) -> tuple[LineChart, ...]:
    """The chart of a learning curve, on a logarithmic axis; none for any other subject, or without a point."""
    if subject.curve is None:
        return ()
    rows, word = list_sizes(subject), SPLIT_NAMES[subject.curve.split]
    curves = tuple(
        ChartLine(
            arm,
            tuple(
                Point(float(row.pictures_per_class), row.accuracy.value, row.accuracy.low, row.accuracy.high, row.seeds)
                for row in rows
                if row.arm == arm
            ),
        )
        for arm in subject.arms
        if any(row.arm == arm for row in rows)
    )
    if not curves:
        return ()
    return (
        LineChart(
            name=f"{word} accuracy by number of training pictures",
            x_title="Training pictures per class (logarithmic)",
            y_title=f"Accuracy on {word} pictures (%)",
            unit="fraction",
            curves=curves,
            log_x=True,
            band=f"The band is the 95 % interval, over {word} pictures and seeds.",
        ),
    )
