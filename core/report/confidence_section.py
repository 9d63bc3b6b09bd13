"""Whether confidence means what it says, for the first judged run of each arm."""

from core.errors import RunError
from core.report.content import Bin, Curve, CurveSet, Point, Reliability, Share
from core.report.score_section import Tested
from core.report.subject import LoadedRun
from core.statistics.calibration import calibrate
from core.statistics.predictions import PredictionTable
from core.statistics.risk_coverage import measure_risk_coverage

MAX_POINTS = 200  # of an answering curve: there is one a picture
FEWEST_ANSWERED = 10  # with fewer, a point says next to nothing


def measure_reliability(tested: Tested) -> tuple[Reliability, ...]:
    """Confidence against accuracy, as it is and with a temperature that validation pictures chose."""
    out = []
    for arm, found in tested.items():
        item, table = found[0]
        try:
            measured = calibrate(table, _validation(item))
        except RunError:
            continue
        bins = tuple(
            Bin(
                part.low,
                part.high,
                part.count,
                part.confidence,
                None
                if part.accuracy is None or part.interval is None
                else Share(part.accuracy, part.interval.low, part.interval.high, part.count),
            )
            for part in measured.bins
        )
        error = Share(measured.ece, measured.ece_interval.low, measured.ece_interval.high, measured.n)
        after = measured.after.ece if measured.after else None
        out.append(
            Reliability(arm, item.id, measured.n, error, bins, measured.temperature, after, f"{arm}: {measured.note}")
        )
    return tuple(out)


def _validation(item: LoadedRun) -> PredictionTable | None:
    try:
        return item.run.validation_predictions()
    except RunError:  # older runs have none
        return None


def draw_answering(tested: Tested) -> tuple[CurveSet | None, tuple[str, ...]]:
    """Accuracy against the share of pictures answered, and a sentence for each arm."""
    curves, sentences = [], []
    for arm, found in tested.items():
        try:
            curve = measure_risk_coverage(found[0][1])
        except RunError:
            continue
        rows = [
            Point(round(100 * share, 2), accuracy, interval.low, interval.high)
            for share, accuracy, interval in zip(curve.shares, curve.accuracies, curve.intervals, strict=True)
            if share * curve.n >= FEWEST_ANSWERED or share == 1
        ]
        step = max(1.0, len(rows) / MAX_POINTS)
        chosen = [rows[int(place * step)] for place in range(min(MAX_POINTS, len(rows)))]
        curves.append(Curve(arm, tuple(chosen if chosen[-1] is rows[-1] else [*chosen, rows[-1]])))
        sentences.append(f"{arm}: {curve.sentence}")
    if not curves:
        return None, ()
    drawn = CurveSet(
        name="accuracy by share of pictures answered",
        x_title="Pictures answered, the surest first (%)",
        y_title="Accuracy on answered pictures (%)",
        unit="fraction",
        curves=tuple(curves),
        band="The band is the 95 % interval.",
    )
    return drawn, tuple(sentences)
