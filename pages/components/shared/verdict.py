"""The verdict on two runs: compared once for all sessions, shown in one sentence."""

from collections.abc import Sequence

import streamlit as st

from core.races.run_comparison import compare_runs
from core.settings import Settings
from core.statistics.caveats import Caveat
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
    return _comparisons.get(
        (settings, first, second), lambda: compare_runs(settings, store.get(first), store.get(second))
    )


def show_verdict(comparison: Comparison) -> None:
    """The verdict on two runs."""
    draw_verdict(comparison.verdict, comparison.caveats, found=comparison.better is not None)


def draw_verdict(sentence: str, caveats: Sequence[Caveat], *, found: bool) -> None:
    """A verdict with its caveats, with an icon that does not depend on colour.

    Args:
        found: whether a difference was shown.
    """
    show, icon = (st.success, ":material/emoji_events:") if found else (st.info, ":material/balance:")
    show(write_verdict(sentence, caveats), icon=icon)


def write_verdict(sentence: str, caveats: Sequence[Caveat]) -> str:
    """A verdict and its caveats as a short list, in Markdown."""
    listed = "\n".join(f"- {frame.plain(caveat.sentence)}" for caveat in caveats)
    return f"{frame.plain(sentence)}\n\n{listed}" if listed else frame.plain(sentence)
