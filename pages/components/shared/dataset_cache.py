"""Datasets, read once for all sessions."""

from core.datasets.dataset import Dataset, DatasetSummary
from core.errors import DatasetError
from core.settings import Settings
from pages.components.shared import frame
from pages.components.shared.snapshots.shared_cache import SharedCache

SECONDS = 60.0
LIST_SECONDS = 3.0
_datasets: SharedCache[tuple[Settings, str], Dataset] = SharedCache(SECONDS, max_entries=8)
_lists: SharedCache[Settings, list[DatasetSummary]] = SharedCache(LIST_SECONDS, max_entries=8)


def open_dataset(settings: Settings, dataset_id: str, fingerprint: str = "") -> Dataset:
    """A dataset, at most `SECONDS` old.

    Args:
        fingerprint: that it must have; empty for any.
    Raises:
        DatasetError: if it was deleted, or has another fingerprint.
    """
    dataset = _datasets.get((settings, dataset_id), lambda: frame.datasets(settings).get(dataset_id))
    if fingerprint and dataset.fingerprint != fingerprint:
        raise DatasetError(f"The pictures of “{dataset.title}” are not the ones that this run was trained on.")
    return dataset


def list_datasets(settings: Settings) -> list[DatasetSummary]:
    """Every dataset, newest first, about `LIST_SECONDS` old at most."""
    return _lists.get(settings, lambda: frame.datasets(settings).summaries())


def forget_datasets() -> None:
    """Read every dataset again, after this session changed one."""
    _datasets.forget()
    _lists.forget()
