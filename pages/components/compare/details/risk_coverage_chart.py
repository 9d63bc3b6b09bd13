"""Selective prediction: accuracy against the share of pictures that a network answers when it may say "not sure"."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from core.formatting import format_percent
from core.settings import Settings
from core.statistics.aligned_predictions import AlignedPredictions
from core.statistics.metrics import Accuracy
from core.statistics.risk_coverage import RiskCoverage, measure_risk_coverage
from pages.components.compare.pictures import prediction_cache
from pages.components.shared import frame
from pages.components.shared.results.named_runs import Named, Styles, list_sentences, style_runs
from pages.components.shared.snapshots.shared_cache import SharedCache

MIN_IMAGES = 10  # behind each drawn point: with fewer it jumps between 0 and 100 %
MAX_POINTS = 200  # of a line; the CSV has all
DEFAULT_PERCENT = 80

_curves: SharedCache[tuple[Settings, str], RiskCoverage] = SharedCache(None, max_entries=128)


def read_risk_coverage(settings: Settings, run_id: str) -> RiskCoverage:
    """The curve of a run, computed once for all sessions.

    Raises:
        RunError: if the run has no predictions.
    """
    return _curves.get(
        (settings, run_id), lambda: measure_risk_coverage(prediction_cache.read_predictions(settings, run_id))
    )


@st.fragment
def show_risk_coverage(settings: Settings, named: Sequence[Named]) -> None:
    """A slider for the confidence threshold, its effect on each run, and the whole curve."""
    with frame.explained():
        answers = [(name, prediction_cache.align_predictions(settings, (item.id,))) for name, item in named]
        classes = len(answers[0][1].classes)
        st.caption(
            "Leave the pictures it is not sure about to a person, and it is right more often on the rest. "
            f"With {classes} classes, confidence is never below {format_percent(1 / classes, 0)}."
        )
        threshold = st.slider(
            "Answer only with a confidence of at least",
            0,
            100,
            DEFAULT_PERCENT,
            format="%d %%",
            help="Confidence: the network's own probability for its answer.",
            key="answering",
        )
        at = [(name, *measure_at(item, threshold / 100)) for name, item in answers]
        st.markdown(list_sentences((name, describe(accuracy, n)) for name, accuracy, n in at))
        if max(n for _, _, n in at) <= MIN_IMAGES:
            st.caption(f"A curve needs more than {MIN_IMAGES} evaluated pictures: import more, then train again.")
            return
        curves = [(name, read_risk_coverage(settings, item.id)) for name, item in named]
        st.echarts_chart(
            draw_curves(curves, [(accuracy, n) for _, accuracy, n in at], style_runs(named)),
            height=320,
            key="answering-chart",
            alt=f"Accuracy by the share of pictures answered. At {threshold} %: "
            + " ".join(f"{name} {describe(accuracy, n)}" for name, accuracy, n in at),
        )
        frame.offer_csv(
            "Download the curves as CSV",
            lambda: list_curves(curves),
            "tunemypets-answering.csv",
            key="answering-csv",
        )


def measure_at(answers: AlignedPredictions, threshold: float) -> tuple[Accuracy, int]:
    """The first model's accuracy at or above a confidence threshold, and the number of all images."""
    answered = answers.confidence[0] >= threshold
    return Accuracy(int(answers.right[0][answered].sum()), int(answered.sum())), answers.n


def describe(accuracy: Accuracy, n: int) -> str:
    """The share that is answered, and the accuracy of the answers."""
    if accuracy.value is None:
        return f"answers none of {n:,} pictures: its confidence is always lower."
    return f"answers {format_percent(accuracy.n / n)} of {n:,} pictures and is right on {accuracy.text()}."


def draw_curves(
    curves: Sequence[tuple[str, RiskCoverage]], at: Sequence[tuple[Accuracy, int]], styles: Styles
) -> dict[str, Any]:
    """Accuracy by share answered: a line with its interval for each run, and a large mark at the threshold."""
    series: list[dict[str, Any]] = []
    for (name, curve), (accuracy, n) in zip(curves, at, strict=True):
        colour, symbol = styles[name].colour, styles[name].symbol
        drawn = _thin([i for i, share in enumerate(curve.shares) if share * n >= MIN_IMAGES])
        x = [round(100 * curve.shares[i], 2) for i in drawn]
        low = [round(100 * curve.intervals[i].low, 2) for i in drawn]
        high = [round(100 * curve.intervals[i].high, 2) for i in drawn]
        middle = [round(100 * curve.accuracies[i], 2) for i in drawn]
        edge = {"showSymbol": False, "silent": True, "tooltip": {"show": False}, "type": "line", "name": name}
        thin = {"width": 1, "type": "dotted", "color": colour, "opacity": 0.8}
        mark: dict[str, Any] = {}
        if accuracy.value is not None:
            mark = {
                "markPoint": {
                    "symbol": symbol,
                    "symbolSize": 16,
                    "label": {"show": False},
                    "itemStyle": {"color": colour, "borderColor": "#FFFFFF", "borderWidth": 2},
                    "data": [{"coord": [round(100 * accuracy.n / n, 2), round(100 * accuracy.value, 2)]}],
                }
            }
        series.append(
            {
                "name": name,
                "type": "line",
                "data": [list(point) for point in zip(x, middle, strict=True)],
                "showSymbol": False,
                "symbol": symbol,
                "lineStyle": {"width": 2.5, "type": styles[name].line, "color": colour},
                "itemStyle": {"color": colour},
                **mark,
            }
        )
        for border in (low, high):
            points = [list(point) for point in zip(x, border, strict=True)]
            series.append({**edge, "data": points, "lineStyle": thin, "itemStyle": {"color": colour}})
    return {
        "animation": False,
        "grid": {"left": 26, "right": 22, "top": 36, "bottom": 30, "containLabel": True},
        "legend": {"type": "scroll", "top": 0, "left": 0, "data": [name for name, _ in curves], "itemWidth": 30},
        "tooltip": {"trigger": "axis"},
        "xAxis": {
            "type": "value", "min": 0, "max": 100, "name": "Pictures answered (%)", "nameLocation": "middle",
            "nameGap": 26,
        },
        "yAxis": {
            "type": "value", "max": 100, "scale": True, "name": "Accuracy of the answers (%), 95 % interval",
            "nameLocation": "middle", "nameGap": 38,
        },
        "series": series,
    }  # fmt: skip


def list_curves(curves: Sequence[tuple[str, RiskCoverage]]) -> pd.DataFrame:
    """Every point of the curves."""
    return pd.concat(
        [
            pd.DataFrame(
                {
                    "run": name,
                    "at least sure (%)": [round(100 * value, 2) for value in curve.thresholds],
                    "answered (%)": [round(100 * value, 2) for value in curve.shares],
                    "right (%)": [round(100 * value, 2) for value in curve.accuracies],
                    "right 95 % from": [round(100 * item.low, 2) for item in curve.intervals],
                    "right 95 % to": [round(100 * item.high, 2) for item in curve.intervals],
                }
            )
            for name, curve in curves
        ]
    )


def _thin(places: Sequence[int]) -> list[int]:
    """An even sample of at most MAX_POINTS places, with both ends."""
    if len(places) <= MAX_POINTS:
        return list(places)
    return [places[int(at)] for at in np.linspace(0, len(places) - 1, MAX_POINTS)]
