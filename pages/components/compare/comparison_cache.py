"""Judged runs for the page: their predictions, comparisons and pictures, read and computed once for all sessions.

What a run said on its test pictures never changes, so it is kept by data root and run. A run that is deleted, and its
id, never come back.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from core.datasets.dataset import Dataset
from core.errors import DatasetError, RunError
from core.settings import Settings
from core.statistics.aligned_predictions import AlignedPredictions, align
from core.statistics.comparison import Comparison
from core.statistics.difficulty import Difficulty, measure_difficulty
from core.statistics.predictions import PredictionTable
from pages.components.shared import frame
from pages.components.shared.dataset_cache import open_dataset
from pages.components.shared.runs_snapshot import RunSnapshot
from pages.components.shared.shared_cache import SharedCache

Named = tuple[str, RunSnapshot]  # what the charts call a run, and the run
SIGNS = "ABCDEF"
SPLIT_WORDS = {"test": "test", "val": "validation"}


@dataclass(frozen=True)
class Pair:
    """Two judged runs and what their comparison says."""

    first: RunSnapshot
    second: RunSnapshot
    comparison: Comparison


_tables: SharedCache[tuple[str, str], PredictionTable] = SharedCache(None, max_entries=128)
_answers: SharedCache[tuple[str, tuple[str, ...]], AlignedPredictions] = SharedCache(None, max_entries=64)
_difficulties: SharedCache[tuple[str, tuple[tuple[str, tuple[str, ...]], ...]], Difficulty] = SharedCache(
    None, max_entries=16
)


def read_once(home: str, run_id: str) -> PredictionTable:
    """The stored predictions of a run.

    Raises:
        RunError: if there are none, or they are damaged.
    """
    store = frame.runs(Settings.from_environment())
    return _tables.get((home, run_id), lambda: store.get(run_id).predictions())


def answers_once(home: str, run_ids: Sequence[str]) -> AlignedPredictions:
    """What runs say to the same pictures.

    Raises:
        ComparisonError: if they were not judged on the same pictures.
        RunError: if a run has no predictions, or they are damaged.
    """
    ids = tuple(run_ids)
    return _answers.get((home, ids), lambda: align([read_once(home, run_id) for run_id in ids]))


def difficulty_once(home: str, arms: Sequence[tuple[str, Sequence[str]]]) -> Difficulty:
    """How many trainings of each arm get each picture right; `arms`: name and ids of the runs.

    Raises:
        ComparisonError: if an arm has no run, or they were not judged on the same pictures.
        RunError: if a run has no predictions, or they are damaged.
    """
    key = home, tuple((name, tuple(ids)) for name, ids in arms)
    return _difficulties.get(
        key, lambda: measure_difficulty([(name, [read_once(home, run_id) for run_id in ids]) for name, ids in arms])
    )


def readable(settings: Settings, named: Sequence[Named]) -> list[Named]:
    """Those of the runs whose predictions can be read; of each other one, the reason is shown."""
    out = []
    for name, item in named:
        try:
            read_once(str(settings.home), item.id)
        except RunError as error:
            st.warning(frame.plain(str(error)), icon="⚠️")
        else:
            out.append((name, item))
    return out


def dataset_of(settings: Settings, item: RunSnapshot) -> Dataset | None:
    """The pictures of a run, or a sentence why they cannot be shown and None."""
    try:
        return open_dataset(settings, item.config.dataset, item.meta.dataset_fingerprint)
    except DatasetError as error:
        st.info(f"{frame.plain(str(error))} The figures stay.", icon="🖼️")
        return None


def images_text(count: int, split: str) -> str:
    """Such as `1 test picture` or `2,000 validation pictures`."""
    return f"{count:,} {SPLIT_WORDS.get(split, split)} picture{'' if count == 1 else 's'}"


def shorten(text: str, most: int) -> str:
    """A name that fits a small place; what was cut is told by dots."""
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"
