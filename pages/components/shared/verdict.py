"""The verdict on two runs: compared once for all sessions, shown in one sentence."""

import streamlit as st

from core.races.run_comparison import compare_runs
from core.settings import Settings
from core.statistics.comparison import Comparison
from pages.components.shared import frame
from pages.components.shared.shared_cache import SharedCache

_comparisons: SharedCache[tuple[Settings, str, str], Comparison] = SharedCache(None, max_entries=256)


def compare_once(settings: Settings, first: str, second: str) -> Comparison:
    """The comparison of two runs by id; test results never change, so it is made once for all sessions.

    Raises:
        ComparisonError: if the runs were not tested on the same pictures.
        RunError: if a run is gone or has no predictions.
    """
    store = frame.runs(settings)
    return _comparisons.get((settings, first, second), lambda: compare_runs(store.get(first), store.get(second)))


def show_verdict(comparison: Comparison) -> None:
    """The verdict, with an icon that does not depend on colour."""
    show, icon = (st.success, "🏆") if comparison.better else (st.info, "⚖️")
    show(frame.plain(comparison.verdict), icon=icon)
