"""What the Why section reads of a run."""

from collections.abc import Sequence
from typing import Any

from core.datasets.dataset import Dataset
from core.errors import DatasetError, RunError
from core.settings import Settings
from core.statistics.predictions import PredictionTable
from pages.components.compare.pictures.prediction_cache import read_predictions
from pages.components.shared.dataset_cache import open_dataset
from pages.components.shared.snapshots.runs_snapshot import RunSnapshot

Named = Sequence[tuple[str, RunSnapshot]]


def identity(item: RunSnapshot) -> tuple[Any, ...]:
    """What distinguishes a run's weights from later weights of the same run."""
    best = item.history.best
    return item.id, item.state.value, best.epoch if best else None


def predictions(settings: Settings, item: RunSnapshot) -> PredictionTable | None:
    """The stored predictions of a run; None where there are none."""
    if item.history.tested is None:
        return None
    try:
        return read_predictions(settings, item.id)
    except RunError:
        return None


def dataset_of(settings: Settings, item: RunSnapshot) -> Dataset | None:
    """The dataset of a run; None where it is gone."""
    try:
        return open_dataset(settings, item.config.dataset, item.meta.dataset_fingerprint)
    except DatasetError:
        return None
