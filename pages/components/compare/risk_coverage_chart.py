"""What a network gains when it may say "not sure": accuracy against the share of pictures that it answers."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from core.settings import Settings
from core.statistics.aligned_predictions import AlignedPredictions
from core.statistics.metrics import Accuracy
from core.statistics.risk_coverage import RiskCoverage, measure_risk_coverage
from pages.components.compare import comparison_cache
from pages.components.shared import charts, frame
from pages.components.shared.shared_cache import SharedCache

FEWEST = 10  # pictures that a drawn point rests on: before, it jumps between none and all
MAX_POINTS = 200  # of a line; the CSV has all
FIRST = 80  # per cent

_curves: SharedCache[tuple[str, str], RiskCoverage] = SharedCache(None, max_entries=128)


def curve_once(home: str, run_id: str) -> RiskCoverage:
    """The curve of a run, computed once for all sessions.

    Raises:
        RunError: if the run has no predictions.
    """
    return _curves.get((home, run_id), lambda: measure_risk_coverage(comparison_cache.read_once(home, run_id)))


@st.fragment
def show_answering(settings: Settings, named: Sequence[comparison_cache.Named]) -> None:
    """A slider that asks for confidence, what comes of it for each run, and the whole curve."""
    st.subheader("If it may say “not sure”")
    with frame.explained():
        home, identity = str(settings.home), "-".join(item.id for _, item in named)
        answers = [(name, comparison_cache.answers_once(home, (item.id,))) for name, item in named]
        least = 100 / len(answers[0][1].classes)
        st.caption(
            "A network that leaves the pictures it is unsure about to a person is right more often on the others. "
            f"With {len(answers[0][1].classes)} classes, no answer is less than {least:.0f} % sure."
        )
        asked = st.slider(
            "Answer only if at least … % sure",
            0,
            100,
            FIRST,
            format="%d %%",
            help="Each network's own probability for its answer.",
            key=f"answering-{identity}",
        )
        at = [(name, *answered(item, asked / 100)) for name, item in answers]
        for name, accuracy, n in at:
            st.markdown(f"**{frame.plain(name)}** {frame.plain(tell(accuracy, n))}")
        if max(n for _, _, n in at) <= FEWEST:
            st.caption(f"A curve needs more than {FEWEST} judged pictures: import more, and train again.")
            return
        curves = [(name, curve_once(home, item.id)) for name, item in named]
        st.echarts_chart(
            draw_curves(curves, [(accuracy, n) for _, accuracy, n in at]),
            height=360,
            key=f"answering-chart-{identity}",
            alt=f"Accuracy by the share of pictures answered. At {asked} %: "
            + " ".join(f"{name} {tell(accuracy, n)}" for name, accuracy, n in at),
        )
        frame.offer_csv(
            "Download the curves as CSV",
            lambda: list_curves(curves),
            "tunemypets-answering.csv",
            key=f"answering-csv-{identity}",
        )


def answered(answers: AlignedPredictions, threshold: float) -> tuple[Accuracy, int]:
    """Accuracy on the pictures of which the first model is at least so sure, and how many pictures there are."""
    sure = answers.confidence[0] >= threshold
    return Accuracy(int(answers.right[0][sure].sum()), int(sure.sum())), answers.n


def tell(accuracy: Accuracy, n: int) -> str:
    """The share that is answered, and how good the answers are."""
    if accuracy.value is None:
        return f"answers none of {n:,} pictures: it is never so sure."
    return f"answers {100 * accuracy.n / n:.1f} % of {n:,} pictures, and is right on {accuracy.text()}."


def draw_curves(curves: Sequence[tuple[str, RiskCoverage]], at: Sequence[tuple[Accuracy, int]]) -> dict[str, Any]:
    """Accuracy by share answered: a line and a band of its interval for each run, and a large mark at the slider."""
    series: list[dict[str, Any]] = []
    for place, ((name, curve), (accuracy, n)) in enumerate(zip(curves, at, strict=True)):
        colour = charts.COLOURS[place % len(charts.COLOURS)]
        symbol = charts.SYMBOLS[place % len(charts.SYMBOLS)]
        some = _some([i for i, share in enumerate(curve.shares) if share * n >= FEWEST])
        x = [round(100 * curve.shares[i], 2) for i in some]
        low = [round(100 * curve.intervals[i].low, 2) for i in some]
        high = [round(100 * curve.intervals[i].high, 2) for i in some]
        middle = [round(100 * curve.accuracies[i], 2) for i in some]
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
                "lineStyle": {"width": 2.5, "type": charts.LINES[place % len(charts.LINES)], "color": colour},
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
            "type": "value", "max": 100, "scale": True, "name": "Accuracy on those (%), with its 95 % interval",
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


def _some(places: Sequence[int]) -> list[int]:
    """At most MAX_POINTS of the places, evenly, with both ends."""
    if len(places) <= MAX_POINTS:
        return list(places)
    return [places[int(at)] for at in np.linspace(0, len(places) - 1, MAX_POINTS)]
