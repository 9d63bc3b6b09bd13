"""Predictions of evaluated runs, aligned once for all sessions.

The predictions of a run never change, and the id of a deleted run is never used again: they are cached by run id.
"""

from collections.abc import Sequence
from itertools import islice

import streamlit as st

from core.datasets.dataset import Dataset
from core.errors import DatasetError, RunError
from core.races.common_pictures import read_tables
from core.settings import Settings
from core.statistics.aligned_predictions import AlignedPredictions, align
from core.statistics.difficulty import Difficulty, measure_difficulty
from core.statistics.predictions import PredictionTable
from pages.components.shared import frame
from pages.components.shared.dataset_cache import open_dataset
from pages.components.shared.results.named_runs import Named
from pages.components.shared.snapshots.runs_snapshot import RunSnapshot
from pages.components.shared.snapshots.shared_cache import SharedCache

LETTERS = "ABCDEF"  # of the runs, where their names are too long


_aligned: SharedCache[tuple[Settings, tuple[str, ...]], AlignedPredictions] = SharedCache(None, max_entries=64)
_difficulties: SharedCache[tuple[Settings, tuple[tuple[str, tuple[str, ...]], ...]], Difficulty] = SharedCache(
    None, max_entries=16
)


def read_predictions(settings: Settings, run_id: str) -> PredictionTable:
    """The stored predictions of a run.

    Raises:
        RunError: if there are none, or they are damaged.
    """
    return frame.runs(settings).get(run_id).predictions()


def _read_tables(settings: Settings, run_ids: Sequence[str]) -> Sequence[PredictionTable]:
    return read_tables(settings, [frame.runs(settings).get(run_id) for run_id in run_ids]).tables


def align_predictions(settings: Settings, run_ids: Sequence[str]) -> AlignedPredictions:
    """The predictions of runs for the same images.

    Raises:
        ComparisonError: if they were not evaluated on the same images.
        RunError: if a run has no predictions, or they are damaged.
    """
    ids = tuple(run_ids)
    return _aligned.get((settings, ids), lambda: align(_read_tables(settings, ids)))


def find_difficulty(settings: Settings, arms: Sequence[tuple[str, Sequence[str]]]) -> Difficulty:
    """How many runs of each arm get each image right; `arms`: name and ids of the runs.

    Raises:
        ComparisonError: if an arm has no run, or they were not evaluated on the same images.
        RunError: if a run has no predictions, or they are damaged.
    """

    def measure() -> Difficulty:
        tables = iter(_read_tables(settings, [run_id for _, ids in arms for run_id in ids]))
        return measure_difficulty([(name, list(islice(tables, len(ids)))) for name, ids in arms])

    return _difficulties.get((settings, tuple((name, tuple(ids)) for name, ids in arms)), measure)


def keep_readable(settings: Settings, named: Sequence[Named]) -> list[Named]:
    """The runs whose predictions can be read; shows the reason for each of the others."""
    out = []
    for name, item in named:
        try:
            read_predictions(settings, item.id)
        except RunError as error:
            st.warning(frame.plain(str(error)), icon=":material/warning:")
        else:
            out.append((name, item))
    return out


def dataset_of(settings: Settings, item: RunSnapshot) -> Dataset | None:
    """The dataset of a run; shows why and returns None if it is gone."""
    try:
        return open_dataset(settings, item.config.dataset, item.meta.dataset_fingerprint)
    except DatasetError as error:
        st.info(f"{frame.plain(str(error))} The numbers are still shown.", icon=":material/photo_library:")
        return None


def shorten(text: str, length: int) -> str:
    """A name cut to at most `length` characters, with an ellipsis."""
    return text if len(text) <= length else text[: length - 1].rstrip() + "…"
