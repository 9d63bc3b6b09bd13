"""Reliability diagrams: accuracy by confidence, before and after temperature scaling."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from core.errors import RunError
from core.formatting import format_points
from core.settings import Settings
from core.statistics.calibration import Bin, Calibration, calibrate
from pages.components.compare.pictures import prediction_cache
from pages.components.shared import frame
from pages.components.shared.results.named_runs import Named, Styles, list_sentences, style_runs
from pages.components.shared.snapshots.shared_cache import SharedCache

PERFECT = "perfectly calibrated"

_calibrations: SharedCache[tuple[Settings, str, bool], tuple[Calibration, str]] = SharedCache(None, max_entries=128)


def read_calibration(settings: Settings, run_id: str) -> tuple[Calibration, str]:
    """The calibration of a run, and the reason if there are no validation predictions to fit a temperature on.

    Raises:
        RunError: if the run has no predictions.
    """
    run = frame.runs(settings).get(run_id)
    has_validation = (run.folder / "validation.csv").exists()  # an older run gets it when it is evaluated again

    def make() -> tuple[Calibration, str]:
        try:
            validation, missing = run.validation_predictions(), ""
        except RunError as error:
            validation, missing = None, str(error)
        return calibrate(prediction_cache.read_predictions(settings, run_id), validation), missing

    return _calibrations.get((settings, run_id, has_validation), make)


@st.fragment
def show_calibration(settings: Settings, named: Sequence[Named]) -> None:
    """One diagram of all runs, the error of each, and the numbers as CSV."""
    with frame.explained():
        found = [(name, *read_calibration(settings, item.id)) for name, item in named]
        st.caption(
            "On the dotted line, answers with 80 % confidence are right 8 times in 10. Below it a network is "
            "overconfident, above it underconfident."
        )
        after = st.toggle(
            "After temperature scaling",
            value=False,
            disabled=all(item.after is None for _, item, _ in found),
            help="Scales all confidences by one number, fitted on the validation pictures. No answer changes, so the "
            "accuracy stays the same.",
            key="calibration-after",
        )
        shown = [(name, _bins(item, after=after)) for name, item, _ in found]
        st.echarts_chart(
            draw_reliability(shown, style_runs(named)),
            height=320,
            key="calibration-chart",
            alt=f"Reliability diagram{', after temperature scaling' if after else ''}. "
            + " ".join(f"{name}: {describe(item, after=after)}" for name, item, _ in found),
        )
        st.caption(
            "Vertical lines: 95 % intervals, longer with fewer pictures. Expected calibration error: mean gap between "
            "confidence and accuracy."
        )
        st.markdown(list_sentences((f"{name}:", describe(item, after=after)) for name, item, _ in found))
        for name, _, missing in found:
            if missing:
                st.caption(f"No temperature scaling for {frame.plain(name)}: {frame.plain(missing)}")
        frame.offer_csv(
            "Download the diagram as CSV",
            lambda: list_bins([(name, item) for name, item, _ in found]),
            "tunemypets-calibration.csv",
            key="calibration-csv",
        )


def describe(item: Calibration, *, after: bool) -> str:
    """What the diagram shows of a run, in a sentence or two."""
    shown = item.after if after and item.after is not None else item
    low, high = format_points(shown.ece_interval.low), format_points(shown.ece_interval.high)
    error = f"Expected calibration error {format_points(shown.ece)} points (bootstrap interval {low} to {high})."
    return error if item.after is not None and not after else f"{item.scaling} {error}".strip()


def draw_reliability(found: Sequence[tuple[str, Sequence[Bin]]], styles: Styles) -> dict[str, Any]:
    """Accuracy by confidence: a line for each run, with vertical intervals."""
    series: list[dict[str, Any]] = [
        {
            "name": PERFECT,
            "type": "line",
            "data": [[0, 0], [100, 100]],
            "showSymbol": False,
            "lineStyle": {"type": "dotted", "width": 1.5, "color": "#8A8A8A"},
            "itemStyle": {"color": "#8A8A8A"},
            "silent": True,
        }
    ]
    for name, bins in found:
        style = styles[name]
        colour = style.colour
        kept = [item for item in bins if item.count and item.confidence is not None and item.accuracy is not None]
        series.append(
            {
                "name": name,
                "type": "line",
                "data": [[_percent(item.confidence), _percent(item.accuracy)] for item in kept],
                "symbol": style.symbol,
                "symbolSize": 10,
                "lineStyle": {"width": 2.5, "type": style.line, "color": colour},
                "itemStyle": {"color": colour},
            }
        )
        intervals: list[list[Any]] = []
        for item in kept:
            if item.interval is not None:
                at = _percent(item.confidence)
                intervals += [[at, _percent(item.interval.low)], [at, _percent(item.interval.high)], [at, "-"]]
        series.append(
            {
                "name": name,
                "type": "line",
                "data": intervals,
                "showSymbol": False,
                "lineStyle": {"width": 1.5, "color": colour, "opacity": 0.7},
                "itemStyle": {"color": colour},
                "silent": True,
                "tooltip": {"show": False},
            }
        )
    return {
        "animation": False,
        "grid": {"left": 26, "right": 22, "top": 36, "bottom": 30, "containLabel": True},
        "legend": {
            "type": "scroll", "top": 0, "left": 0, "data": [name for name, _ in found] + [PERFECT],
            "itemWidth": 30,
        },
        "tooltip": {"trigger": "item"},
        "xAxis": _axis("Confidence (%)", gap=26),
        "yAxis": _axis("Accuracy (%)", gap=38),
        "series": series,
    }  # fmt: skip


def list_bins(found: Sequence[tuple[str, Calibration]]) -> pd.DataFrame:
    """The numbers of the diagram: a row for each run, stage and bin."""
    rows = []
    for name, item in found:
        for stage, bins in (("as trained", item.bins), ("after temperature scaling", _bins(item, after=True))):
            if stage != "as trained" and item.after is None:
                continue
            rows += [
                {
                    "run": name,
                    "stage": stage,
                    "temperature": 1.0 if stage == "as trained" else item.temperature,
                    "sure from (%)": _percent(group.low),
                    "sure to (%)": _percent(group.high),
                    "pictures": group.count,
                    "sure (%)": _percent(group.confidence),
                    "right (%)": _percent(group.accuracy),
                    "right 95 % from": _percent(group.interval.low if group.interval else None),
                    "right 95 % to": _percent(group.interval.high if group.interval else None),
                }
                for group in bins
            ]
    return pd.DataFrame(rows)


def _bins(item: Calibration, *, after: bool) -> Sequence[Bin]:
    return item.after.bins if after and item.after is not None else item.bins


def _percent(value: float | None) -> float | None:
    return None if value is None else round(100 * value, 2)


def _axis(name: str, gap: int) -> dict[str, Any]:
    return {"type": "value", "min": 0, "max": 100, "name": name, "nameLocation": "middle", "nameGap": gap}
