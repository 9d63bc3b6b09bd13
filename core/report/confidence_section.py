"""Whether confidence is justified, for the first tested run of each arm."""

from core.errors import RunError
from core.report.content import ChartLine, LineChart, Point, Reliability, ReliabilityBin, Share
from core.report.subject import Subject
from core.statistics.calibration import calibrate
from core.statistics.risk_coverage import measure_risk_coverage

MAX_POINTS = 200  # of a line: measured is one for each picture
MIN_ANSWERED = 10  # with fewer, a point means next to nothing


def measure_reliability(subject: Subject) -> tuple[Reliability, ...]:
    """Confidence against accuracy, before and after temperature scaling on validation pictures."""
    out = []
    for arm, found in subject.tested.items():
        item, table = found[0]
        try:
            measured = calibrate(table, item.validation)
        except RunError:
            continue
        bins = tuple(
            ReliabilityBin(
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


def draw_risk_coverage(subject: Subject) -> tuple[LineChart | None, tuple[str, ...]]:
    """Accuracy when each network answers only its most confident share of pictures, and a sentence for each arm."""
    curves, sentences = [], []
    for arm, found in subject.tested.items():
        try:
            curve = measure_risk_coverage(found[0][1])
        except RunError:
            continue
        rows = [
            Point(round(100 * share, 2), accuracy, interval.low, interval.high)
            for share, accuracy, interval in zip(curve.shares, curve.accuracies, curve.intervals, strict=True)
            if share * curve.n >= MIN_ANSWERED or share == 1
        ]
        step = max(1.0, len(rows) / MAX_POINTS)
        chosen = [rows[int(place * step)] for place in range(min(MAX_POINTS, len(rows)))]
        curves.append(ChartLine(arm, tuple(chosen if chosen[-1] is rows[-1] else [*chosen, rows[-1]])))
        sentences.append(f"{arm}: {curve.sentence}")
    if not curves:
        return None, ()
    drawn = LineChart(
        name="accuracy by share of pictures answered",
        x_title="Pictures answered, most confident first (%)",
        y_title="Accuracy on answered pictures (%)",
        unit="fraction",
        curves=tuple(curves),
        band="The band is the 95 % interval.",
    )
    return drawn, tuple(sentences)
