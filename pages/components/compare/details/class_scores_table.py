"""Precision, recall and F1 of every class and run: a chart of dots with their intervals, and a table."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from core.formatting import format_percent, format_points
from core.settings import Settings
from core.statistics.class_scores import CLASS_METRICS, ClassMetric, ClassReport, Figure, score_classes
from pages.components.compare.pictures import prediction_cache
from pages.components.shared import frame
from pages.components.shared.names import tell_apart
from pages.components.shared.results.named_runs import Named, Styles, style_runs
from pages.components.shared.snapshots.shared_cache import SharedCache

TITLES: dict[ClassMetric, str] = {"precision": "Precision", "recall": "Recall", "f1": "F1"}
MEANINGS: dict[ClassMetric, str] = {
    "precision": "the share of the network's answers of a class that is right",
    "recall": "the share of a class's pictures that the network finds; its average is the balanced accuracy",
    "f1": "the harmonic mean of precision and recall, high only where both are",
}
AVERAGE = "Average (macro)"
MAX_NAME = 14  # characters
NAMES_PX = 150

_reports: SharedCache[tuple[Settings, str], ClassReport] = SharedCache(None, max_entries=128)


def read_scores(settings: Settings, run_id: str) -> ClassReport:
    """The scores of a run's classes, computed once for all sessions.

    Raises:
        RunError: if the run has no predictions.
    """
    return _reports.get((settings, run_id), lambda: score_classes(prediction_cache.read_predictions(settings, run_id)))


def show_class_scores(settings: Settings, named: Sequence[Named]) -> None:
    """Chart and table of all runs together."""
    with frame.explained():
        reports = [(name, read_scores(settings, item.id)) for name, item in named]
        left, right = st.columns(2)
        chosen = left.segmented_control(
            "Score",
            list(CLASS_METRICS),
            default="f1",
            required=True,
            format_func=lambda name: TITLES[name],
            help=". ".join(f"{TITLES[name]}: {meaning}" for name, meaning in MEANINGS.items()) + ".",
            key="class-measure",
            persist_state="page",
        )
        weakest = right.toggle("Weakest class first", help="Weakest in the first run.", key="class-weakest")
        measure: ClassMetric = chosen or "f1"
        order = class_order(reports[0][1], measure if weakest else None)
        st.caption(f"{TITLES[measure]}: {MEANINGS[measure]}. Lines are 95 % intervals, longer with fewer pictures.")
        st.echarts_chart(
            draw_scores(reports, measure, order, style_runs(named)),
            height=130 + len(order) * (14 + 12 * len(reports)),
            key="class-chart",
            alt=describe(reports, measure),
        )
        st.dataframe(
            tabulate(reports, order),
            hide_index=True,
            column_config={"Class": st.column_config.TextColumn(pinned=True, width=NAMES_PX)},
            key="class-table",
            alt="Precision, recall and F1 of every class with 95 % intervals",
        )
        frame.offer_csv(
            "Download the scores as CSV",
            lambda: list_scores(reports),
            "tunemypets-classes.csv",
            key="class-csv",
        )


def class_order(report: ClassReport, measure: ClassMetric | None) -> list[int]:
    """Places of the classes: in the order of the dataset, or by a score, the weakest first and the undefined last."""
    places = list(range(len(report.classes)))
    if measure is None:
        return places
    values = [report.of_class(place, measure).value for place in places]
    return sorted(places, key=lambda place: (values[place] is None, values[place] or 0.0))


def draw_scores(
    reports: Sequence[tuple[str, ClassReport]], measure: ClassMetric, order: Sequence[int], styles: Styles
) -> dict[str, Any]:
    """A chart of one score: a mark with its interval for each class, a colour and a dash for each run."""
    labels = [_axis_label(reports[0][1], place) for place in order]
    series = []
    for name, report in reports:
        colour = styles[name].colour
        style = {"color": colour, "borderColor": colour, "borderWidth": 2, "borderType": styles[name].line}
        series.append(
            {
                # a box plot of no height: its median is the mark, its whiskers are the interval, runs are side by side
                "name": name,
                "type": "boxplot",
                "data": [_box(report.of_class(place, measure)) for place in order],
                "boxWidth": [6, 12],
                "itemStyle": style,
                "emphasis": {"disabled": True},
            }
        )
    return {
        "animation": False,
        "grid": {"left": 26, "right": 22, "top": 56, "bottom": 30, "containLabel": True},
        "legend": {"type": "scroll", "top": 0, "left": 0, "data": [name for name, _ in reports]},
        "xAxis": {
            "type": "value",
            "min": 0,
            "max": 100,
            "name": f"{TITLES[measure]} (%), with its 95 % interval",
            "nameLocation": "middle",
            "nameGap": 26,
        },
        "yAxis": {
            "type": "category",
            "data": labels,
            "inverse": True,
            "name": "Class (pictures)",
            "nameLocation": "start",
            "nameGap": 6,
            "nameTextStyle": {"align": "center"},
            "axisLabel": {"interval": 0, "width": 120, "overflow": "truncate"},
        },
        "series": series,
    }


def tabulate(reports: Sequence[tuple[str, ClassReport]], order: Sequence[int]) -> pd.DataFrame:
    """The table of the page: one row for each class, scores with their intervals as text, the averages last."""
    first = reports[0][1]
    rows = [{"Class": first.classes[place].label, "n": f"{first.classes[place].support:,}"} for place in order]
    rows.append({"Class": average_name(first), "n": f"{first.n:,}"})
    table = pd.DataFrame(rows)
    for name, report in reports:
        who = f"{name}: " if len(reports) > 1 else ""
        for measure in CLASS_METRICS:
            values = [*(report.of_class(place, measure) for place in order), report.average(measure)]
            table[f"{who}{TITLES[measure]}"] = [percent_text(value) for value in values]
    return table


def list_scores(reports: Sequence[tuple[str, ClassReport]]) -> pd.DataFrame:
    """The table of the CSV: one row for each run and class, per cent as numbers."""
    rows = []
    for name, report in reports:
        for place in [*range(len(report.classes)), None]:
            score = None if place is None else report.classes[place]
            row: dict[str, object] = {
                "run": name,
                "class": average_name(report) if score is None else score.label,
                "pictures": report.n if score is None else score.support,
                "predicted": report.n if score is None else score.predicted,
            }
            for measure in CLASS_METRICS:
                figure = report.average(measure) if place is None else report.of_class(place, measure)
                row[f"{measure} (%)"] = None if figure.value is None else round(100 * figure.value, 2)
                row[f"{measure} 95 % from"] = None if figure.interval is None else round(100 * figure.interval.low, 2)
                row[f"{measure} 95 % to"] = None if figure.interval is None else round(100 * figure.interval.high, 2)
            rows.append(row)
    return pd.DataFrame(rows)


def average_name(report: ClassReport) -> str:
    """What the row of averages is called: like no class."""
    return tell_apart(AVERAGE, [score.label for score in report.classes])


def percent_text(figure: Figure) -> str:
    """Such as `91.1 % (86.0 to 94.4)`."""
    if figure.value is None or figure.interval is None:
        return "not defined"
    low, high = format_points(figure.interval.low), format_points(figure.interval.high)
    return f"{format_percent(figure.value)} ({low} to {high})"


def describe(reports: Sequence[tuple[str, ClassReport]], measure: ClassMetric) -> str:
    """The chart in words: the average, the weakest and the strongest class of each run."""
    parts = []
    for name, report in reports:
        known = [(report.of_class(at, measure).value, item.label) for at, item in enumerate(report.classes)]
        values = sorted((value, label) for value, label in known if value is not None)
        if values:
            (low, weakest), (high, strongest) = values[0], values[-1]
            parts.append(
                f"{name}: on average {percent_text(report.average(measure))}, from "
                f"{format_percent(low, 0)} for {weakest} to {format_percent(high, 0)} for {strongest}"
            )
    return f"{TITLES[measure]} of every class. " + ". ".join(parts)


def _axis_label(report: ClassReport, place: int) -> str:
    score = report.classes[place]
    return f"{prediction_cache.shorten(score.label, MAX_NAME)} ({score.support:,})"


def _box(figure: Figure) -> list[float] | list[str]:
    if figure.value is None or figure.interval is None:
        return ["-"] * 5
    low, middle, high = (round(100 * value, 2) for value in (figure.interval.low, figure.value, figure.interval.high))
    return [low, middle, middle, middle, high]
