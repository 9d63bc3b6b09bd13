"""The verdict: compared once for all sessions, shown in one box with all that restricts it."""

from collections.abc import Sequence

import streamlit as st

from core.races.run_comparison import compare_many, compare_runs
from core.settings import Settings
from core.statistics.caveats import Caveat
from core.statistics.comparison import Comparison
from core.statistics.race_comparison import RaceComparison
from pages.components.shared import frame
from pages.components.shared.snapshots.shared_cache import SharedCache

_comparisons: SharedCache[tuple[Settings, str, str], Comparison] = SharedCache(None, max_entries=256)
_many: SharedCache[tuple[Settings, tuple[str, ...]], RaceComparison] = SharedCache(None, max_entries=64)


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


def compare_many_once(settings: Settings, run_ids: Sequence[str]) -> RaceComparison:
    """The comparison of two or more runs by id, each an arm of its own; made once for all sessions.

    Raises:
        ComparisonError: if the runs were not tested on the same pictures.
        RunError: if a run is gone or has no predictions.
    """
    store, ids = frame.runs(settings), tuple(run_ids)
    return _many.get((settings, ids), lambda: compare_many(settings, [store.get(run_id) for run_id in ids]))


def draw_verdict(sentence: str, caveats: Sequence[Caveat], *, found: bool, active: bool = False) -> None:
    """A verdict with its caveats; an icon, not the colour alone, shows which kind it is.

    Args:
        found: whether a difference was shown.
        active: whether runs of the comparison are still to come.
    """
    if active or any(caveat.grave for caveat in caveats):
        show, icon = st.warning, ":material/warning:"  # nobody has won yet
    elif found:
        show, icon = st.success, ":material/emoji_events:"
    else:
        show, icon = st.info, ":material/balance:"
    show(write_verdict(sentence, caveats), icon=icon)


def draw_missing(sentence: str, missing: Sequence[Caveat]) -> None:
    """Why there is no verdict."""
    st.warning(write_verdict(sentence, missing), icon=":material/warning:")


def write_verdict(sentence: str, caveats: Sequence[Caveat]) -> str:
    """A verdict and its caveats in Markdown: first the grave ones, then in short those that the sentence does not name
    already; the coach has them all."""
    kept = [item for item in caveats if item.grave or not item.unequal or item.unequal not in sentence]
    ordered = sorted(kept, key=lambda caveat: not caveat.grave)
    lines = [frame.plain(item.sentence) if item.grave else f":small[{frame.plain(item.short)}]" for item in ordered]
    listed = "\n".join(f"- {line}" for line in lines)
    return f"{frame.plain(sentence)}\n\n{listed}" if listed else frame.plain(sentence)
