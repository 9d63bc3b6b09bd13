"""Promises of "not sure": known pictures called strange against the promised share, and the strangers caught."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from core.errors import RunError
from core.formatting import format_level, format_percent, format_points
from core.novelty.conformal import DEFAULT_PROMISE
from core.novelty.coverage import Coverage, Share, measure_coverage
from core.novelty.not_sure import describe_promise
from core.novelty.novelty import read_novelty
from core.predict.predictor_answers import Strangers
from core.runs.run_files import NOVELTY
from core.settings import Settings
from core.storage import Stamp, stamp_of
from pages.components.shared import frame
from pages.components.shared.predictor_requests import request
from pages.components.shared.results.named_runs import Named, Styles, list_sentences, style_runs
from pages.components.shared.snapshots.shared_cache import SharedCache

Found = tuple[Coverage, ...]
Rows = Sequence[tuple[str, Found]]

_found: SharedCache[tuple[Settings, str, Stamp | None, Strangers | None], Found] = SharedCache(None, max_entries=64)


@st.fragment
def show_promises(settings: Settings, named: Sequence[Named]) -> None:
    """Whether each run kept its promises on the test pictures, and how many pictures of another dataset it notices."""
    with frame.explained():
        st.caption(
            "A network can call a picture strange, by what its last layers make of it. A known picture may be called "
            "so at most as often as promised; the test pictures show whether that was kept."
        )
        strangers = _choose_strangers(settings, named)
        rows: list[tuple[str, Found]] = []
        sentences = []
        for name, item in named:
            try:
                found = measure(settings, item.id, strangers.get(item.id))
            except RunError as error:
                sentences.append((name, str(error)))
            else:
                rows.append((name, found))
                sentences.append((name, describe(at_default(found))))
        st.markdown(list_sentences(sentences))
        if not rows:
            return
        st.echarts_chart(
            draw_promises(rows, style_runs(named)),
            height=320,
            key="promises-chart",
            alt=f"Known pictures called strange by the promised share. At {describe_promise(DEFAULT_PROMISE)}: "
            + " ".join(f"{name} {describe(at_default(found))}" for name, found in rows),
        )
        frame.offer_csv(
            "Download the promises as CSV",
            lambda: list_promises(rows),
            "tunemypets-promises.csv",
            key="promises-csv",
        )


def measure(settings: Settings, run_id: str, strangers: Strangers | None = None) -> Found:
    """What became of a run's promises, counted once for all sessions.

    Raises:
        RunError: if that is not known.
    """
    run = frame.runs(settings).get(run_id)
    path = run.folder / NOVELTY

    def count() -> Found:
        novelty = read_novelty(path, run.meta().classes)
        if novelty is None:
            raise RunError("does not know yet what its pictures look like: try a picture on Predict, and let it learn.")
        given = None if strangers is None else (strangers.p_values, strangers.confidences)
        return measure_coverage(novelty, run.predictions(), run.validation_predictions(), given)

    return _found.get((settings, run_id, stamp_of(path), strangers), count)


def _choose_strangers(settings: Settings, named: Sequence[Named]) -> dict[str, Strangers]:
    """How strange another dataset's pictures are, by run; empty until one is chosen."""
    own = {item.config.dataset for _, item in named}
    others = {item.id: item.title for item in frame.datasets(settings).summaries() if item.id not in own}
    if not others:
        st.caption("Import a second dataset on Explore to see how many strangers are caught.")
        return {}
    picked = st.selectbox(
        "Strangers",
        list(others),
        index=None,
        format_func=others.__getitem__,
        placeholder="Choose a dataset of other things",
        key=f"promises-strangers-{'-'.join(item.id for _, item in named)}",
        help="Up to 400 of its pictures are shown to each network.",
    )
    found = {}
    for name, item in named if picked else ():
        answer = request(
            f"Showing {others[picked]} to {name}",
            (str(settings.home), "strangers", item.id, picked),
            lambda on_progress, run_id=item.id: frame.predictor(settings).strangers(run_id, picked, on_progress),
        )
        if answer is not None:
            found[item.id] = answer
    return found


def at_default(found: Found) -> Coverage:
    """What became of 1 in 20."""
    return next(item for item in found if abs(item.promise - DEFAULT_PROMISE) < 1e-9)


def describe(item: Coverage) -> str:
    """One promise in words."""
    if not item.possible:
        return f"has too few validation pictures to promise {describe_promise(item.promise)}."
    text = (
        f"promised at most {format_percent(item.promise, 0)}, and called {_with_interval(item.refused)} of "
        f"{item.refused.n:,} test pictures strange."
    )
    if item.missed is not None and item.set_size is not None:
        text += f" The right class was missing from {_with_interval(item.missed)} of its sets of classes."
    if item.caught is not None and item.caught_by_confidence is not None:
        text += (
            f" Of {item.caught.n:,} strangers it noticed {_with_interval(item.caught)}; low confidence would have "
            f"noticed {_with_interval(item.caught_by_confidence)}."
        )
    return text


def _with_interval(share: Share) -> str:
    interval = share.interval
    return (
        f"{format_percent(share.value or 0.0)} ({format_level(interval.level)} interval "
        f"{format_points(interval.low)} to {format_points(interval.high)})"
    )


def draw_promises(rows: Rows, styles: Styles) -> dict[str, Any]:
    """Share of known pictures called strange by the promised share, each with its interval, and the diagonal."""
    series: list[dict[str, Any]] = []
    for name, found in rows:
        colour, symbol = styles[name].colour, styles[name].symbol
        possible = [item for item in found if item.possible]
        series.append(
            {
                "name": name,
                "type": "line",
                "data": [_point(item.promise, item.refused.value or 0.0) for item in possible],
                "symbol": symbol,
                "symbolSize": 6,
                "lineStyle": {"width": 2.5, "type": styles[name].line, "color": colour},
                "itemStyle": {"color": colour},
            }
        )
        edge = {"showSymbol": False, "silent": True, "tooltip": {"show": False}, "type": "line", "name": name}
        thin = {"width": 1, "type": "dotted", "color": colour, "opacity": 0.8}
        for border in ("low", "high"):
            points = [_point(item.promise, getattr(item.refused.interval, border)) for item in possible]
            series.append({**edge, "data": points, "lineStyle": thin, "itemStyle": {"color": colour}})
    most = 100 * max(item.promise for _, found in rows for item in found)
    grey = {"color": "#8A8A8A"}
    series.append(
        {
            "name": "as promised", "type": "line", "silent": True, "showSymbol": False, "tooltip": {"show": False},
            "data": [[0, 0], [most, most]], "lineStyle": {"type": "dashed", **grey}, "itemStyle": grey,
        }
    )  # fmt: skip
    return {
        "animation": False,
        "grid": {"left": 26, "right": 22, "top": 36, "bottom": 30, "containLabel": True},
        "legend": {"type": "scroll", "top": 0, "left": 0, "data": [*(name for name, _ in rows), "as promised"]},
        "tooltip": {"trigger": "axis"},
        "xAxis": {
            "type": "value", "min": 0, "max": most, "name": "Promised at most (%)", "nameLocation": "middle",
            "nameGap": 26,
        },
        "yAxis": {
            "type": "value", "min": 0, "name": "Known pictures called strange (%)", "nameLocation": "middle",
            "nameGap": 38,
        },
        "series": series,
    }  # fmt: skip


def _point(promise: float, share: float) -> list[float]:
    return [round(100 * promise, 2), round(100 * share, 2)]


def list_promises(rows: Rows) -> pd.DataFrame:
    """Every promise of every run."""
    return pd.DataFrame([_row(name, item) for name, found in rows for item in found if item.possible])


def _row(name: str, item: Coverage) -> dict[str, Any]:
    def columns(what: str, share: Share | None) -> dict[str, float | None]:
        if share is None or share.value is None:
            return {}
        interval = share.interval
        return {
            f"{what} (%)": round(100 * share.value, 2),
            f"{what} 95 % from": round(100 * interval.low, 2),
            f"{what} 95 % to": round(100 * interval.high, 2),
        }

    return {
        "run": name,
        "promised (%)": round(100 * item.promise, 2),
        **columns("known called strange", item.refused),
        **columns("right class not in the set", item.missed),
        "classes in a set": None if item.set_size is None else round(item.set_size, 2),
        **columns("strangers noticed", item.caught),
        **columns("strangers noticed by confidence", item.caught_by_confidence),
    }
