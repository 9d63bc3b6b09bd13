"""The curves of a report: what every epoch measured, as a mean over the seeds of an arm with their spread."""

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np

from core.reporting.data import Curve, CurveRow, CurveSet, Point, Share
from core.reporting.subject import LoadedRun, Subject
from core.training.events import EpochDone, PointDone

BAND = "The band reaches from the lowest to the highest of the seeds."
AXES: dict[str, tuple[str, Callable[[EpochDone], float]]] = {
    "epochs": ("Epochs", lambda epoch: float(epoch.epoch)),
    "pictures": ("Pictures seen", lambda epoch: float(epoch.images_seen)),
    "seconds": ("Seconds of training", lambda epoch: epoch.seconds),
}
MEASURES: dict[str, tuple[str, str, Callable[[EpochDone], float]]] = {
    "validation accuracy": ("Accuracy on validation pictures (%)", "fraction", lambda epoch: epoch.val_accuracy),
    "training accuracy": ("Accuracy on training pictures (%)", "fraction", lambda epoch: epoch.train_accuracy),
    "validation loss": ("Loss on validation pictures (nats)", "nats", lambda epoch: epoch.val_loss),
    "training loss": ("Loss on training pictures (nats)", "nats", lambda epoch: epoch.train_loss),
}
SHOWN = (
    ("validation accuracy", "epochs"),
    ("validation accuracy", "pictures"),
    ("validation accuracy", "seconds"),
    ("training accuracy", "epochs"),
    ("validation loss", "epochs"),
    ("training loss", "epochs"),
)


def draw_curves(subject: Subject) -> tuple[CurveSet, ...]:
    """Every chart over the course of the trainings; none where no epoch was done."""
    out = []
    for measure, axis in SHOWN:
        y_title, unit, y_of = MEASURES[measure]
        x_title, x_of = AXES[axis]
        curves = tuple(
            curve
            for name in subject.arms
            if (curve := _curve(name, subject.of(name), x_of, y_of, by_epoch=axis == "epochs")).points
        )
        if curves:
            several = any(point.n > 1 for curve in curves for point in curve.points)
            out.append(
                CurveSet(
                    name=f"{measure} by {axis}",
                    x_title=x_title,
                    y_title=y_title,
                    unit="fraction" if unit == "fraction" else "nats",
                    curves=curves,
                    band=BAND if several else "",
                )
            )
    return tuple(out)


def _curve(
    arm: str,
    runs: Sequence[LoadedRun],
    x_of: Callable[[EpochDone], float],
    y_of: Callable[[EpochDone], float],
    *,
    by_epoch: bool,
) -> Curve:
    tracks = [
        [(x_of(epoch), y_of(epoch)) for epoch in sorted(item.history.epochs, key=lambda epoch: epoch.epoch)]
        for item in runs
    ]
    tracks = [_finite(track) for track in tracks]
    tracks = [track for track in tracks if track]
    points = _by_epoch(tracks) if by_epoch else _between(tracks)
    longest = max(runs, key=lambda item: len(item.history.epochs), default=None)
    return Curve(arm, points, _marks(longest, x_of) if longest else ())


def _finite(track: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Without what is no number, in a line that never goes back."""
    out: list[tuple[float, float]] = []
    for x, y in track:
        if np.isfinite(x) and np.isfinite(y) and (not out or x > out[-1][0]):
            out.append((x, y))
    return out


def _by_epoch(tracks: Sequence[Sequence[tuple[float, float]]]) -> tuple[Point, ...]:
    places = sorted({x for track in tracks for x, _ in track})
    return tuple(_point(place, [y for track in tracks for x, y in track if x == place]) for place in places)


def _between(tracks: Sequence[Sequence[tuple[float, float]]]) -> tuple[Point, ...]:
    """The mean where all seeds have measured, between measurements on a straight line."""
    if len(tracks) < 2:
        return tuple(_point(x, [y]) for track in tracks for x, y in track)
    begin, end = max(track[0][0] for track in tracks), min(track[-1][0] for track in tracks)
    if begin > end:  # one seed ended before another had measured anything
        return tuple(
            _point(float(np.mean([x for x, _ in row])), [y for _, y in row]) for row in zip(*tracks, strict=False)
        )
    places = sorted({begin, end, *(x for track in tracks for x, _ in track if begin <= x <= end)})
    lines = [np.interp(places, [x for x, _ in track], [y for _, y in track]).tolist() for track in tracks]
    return tuple(_point(place, list(values)) for place, values in zip(places, zip(*lines, strict=True), strict=True))


def _point(x: float, values: list[float]) -> Point:
    mean = round(float(np.mean(values)), 6)
    if len(values) == 1:
        return Point(round(x, 4), mean)
    return Point(round(x, 4), mean, round(min(values), 6), round(max(values), 6), len(values))


def _marks(item: LoadedRun, x_of: Callable[[EpochDone], float]) -> tuple[tuple[float, str], ...]:
    """Where a later stage began: at the last epoch of the one before it."""
    epochs = item.history.epochs
    return tuple(
        (round(x_of(before), 4), after.stage) for before, after in pairwise(epochs) if after.stage != before.stage
    )


def list_sizes(subject: Subject) -> tuple[CurveRow, ...]:
    """The learning curve: accuracy by the number of training pictures, as a mean over seeds."""
    out = []
    for arm in subject.arms:
        points = [point for item in subject.of(arm) for point in item.history.points if point.images]
        for size in sorted({point.pictures_per_class for point in points}):
            found = list({point.seed: point for point in points if point.pictures_per_class == size}.values())
            out.append(
                CurveRow(
                    arm=arm,
                    pictures_per_class=size,
                    pictures=found[0].pictures,
                    accuracy=_spread(found),
                    seeds=len(found),
                    seconds=round(float(np.median([point.seconds for point in found])), 2),
                )
            )
    return tuple(out)


def _spread(points: Sequence[PointDone]) -> Share:
    values = [point.correct / point.images for point in points]
    return Share(float(np.mean(values)), min(values), max(values), points[0].images)


def draw_sizes(rows: Sequence[CurveRow], arms: Sequence[str], band: str = BAND) -> CurveSet | None:
    """The chart of a learning curve, on a logarithmic axis."""
    curves = tuple(
        Curve(
            arm,
            tuple(
                Point(float(row.pictures), row.accuracy.value, row.accuracy.low, row.accuracy.high, row.seeds)
                for row in rows
                if row.arm == arm
            ),
        )
        for arm in arms
        if any(row.arm == arm for row in rows)
    )
    if not curves:
        return None
    return CurveSet(
        name="test accuracy by number of training pictures",
        x_title="Training pictures (logarithmic)",
        y_title="Accuracy on test pictures (%)",
        unit="fraction",
        curves=curves,
        log_x=True,
        band=band,
    )
