"""The features that a network's head reads, for the images of a split; from the stores where they are there."""

import dataclasses
import logging
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from core.checkpoints.checkpoint import load_network
from core.config.events import Progress
from core.datasets.dataset import Dataset, ImageRow
from core.datasets.dataset_store import DatasetStore
from core.datasets.pictures.decoder import Limits
from core.errors import DatasetError, ImageError
from core.runs.run import Run
from core.runs.run_files import BEST
from core.settings import Settings
from core.steps import StopSignal
from core.stores.activations import Prefix, open_activations
from core.stores.augmentation import Augmentation
from core.stores.hardware import Hardware
from core.stores.pixels import Pixels, PixelStore, open_store, square_pixels, store_path
from core.training.inference import logits_of
from models.catalog import Preprocessing

MAX_IMAGES = 2000  # more points than that cover each other
TEXT = "Computing features"
BATCH = 4  # small: a prediction may be waiting

OnProgress = Callable[[Progress], None]

log = logging.getLogger("tunemypets.features")


@dataclass(frozen=True)
class Features:
    """The features of a split's images.

    Attributes:
        values: (N, F) float32.
        rows: N images.
        split: that was read.
        total: images of the split.
    """

    values: npt.NDArray[np.float32]
    rows: tuple[ImageRow, ...]
    split: str
    total: int


def dataset_of(settings: Settings, run: Run) -> Dataset:
    """The dataset on which a run was trained.

    Raises:
        DatasetError: if it is gone, or has changed since.
    """
    dataset = DatasetStore(settings).get(run.config().dataset)
    if dataset.fingerprint != run.meta().dataset_fingerprint:
        raise DatasetError(f"The dataset {dataset.id} has changed since this run was trained: train it again.")
    return dataset


def read_features(
    settings: Settings, run: Run, hardware: Hardware, signal: StopSignal, splits: Sequence[str] = ("test", "val")
) -> Generator[Progress, None, Features]:
    """The features of a run's images of one split, an even sample of at most `MAX_IMAGES`.

    Args:
        signal: checked between short pieces of work; its poll may let other requests run.
        splits: the first of these that has images is read.
    Raises:
        RunError: if the run has no weights, or they are damaged.
        DatasetError: if its images are gone.
    """
    dataset = dataset_of(settings, run)
    network, checkpoint = load_network(run.checkpoints, BEST)  # of its own: it is frozen below
    hardware.place(network)
    network.freeze(list(network.blocks)[-1])
    split = next((name for name in splits if dataset.rows_of(name)), splits[-1])
    every = dataset.rows_of(split)
    rows = every if len(every) <= MAX_IMAGES else tuple(every[int(place)] for place in _evenly(len(every)))
    config = checkpoint.config
    prefix = Prefix(network, checkpoint.preprocessing, dataclasses.replace(hardware, prefix_precision="fp32"))
    values = None
    if config.strategy == "head" and config.views and len(rows) == len(every):
        values = yield from _read_stored(settings, prefix, dataset, rows, signal)
    if values is None:
        values = yield from _compute(settings, prefix, dataset, rows, signal)
    return Features(values, rows, split, len(every))


def _evenly(count: int) -> npt.NDArray[np.int64]:
    return np.linspace(0, count - 1, MAX_IMAGES).astype(np.int64)


def _read_stored(
    settings: Settings,
    prefix: Prefix,
    dataset: Dataset,
    rows: tuple[ImageRow, ...],
    signal: StopSignal,
) -> Generator[Progress, None, npt.NDArray[np.float32] | None]:
    """From the activation store, where evaluating a head left them; None where they do not fit there."""
    store = yield from _pixel_store(settings, dataset, prefix.preprocessing, signal)
    if store is None:
        return None
    plain = Augmentation(crop=False, flip=False, colour=False, strength=0.0)
    indices = np.array([row.index for row in rows], np.int64)
    try:
        found = yield from open_activations(settings, prefix, store, indices, plain, 0, signal)
    except OSError:
        log.exception("activations could not be kept")
        return None
    return np.asarray(found.values.take(found.positions), np.float32)


def _compute(
    settings: Settings,
    prefix: Prefix,
    dataset: Dataset,
    rows: tuple[ImageRow, ...],
    signal: StopSignal,
) -> Generator[Progress, None, npt.NDArray[np.float32]]:
    store = yield from _pixel_store(settings, dataset, prefix.preprocessing, signal)
    limits = Limits.from_settings(settings)
    spec = prefix.preprocessing
    found = []
    started = time.monotonic()
    for first in range(0, len(rows), BATCH):
        chosen = rows[first : first + BATCH]
        if store is not None:
            pixels = store.take(np.array([row.index for row in chosen], np.int64))
        else:
            pixels = np.stack([read_pixels(dataset, row, limits, spec) for row in chosen])
        found.append(logits_of(prefix.module, pixels, spec, prefix.hardware).cpu().numpy())
        signal.check()
        done = first + len(chosen)
        yield Progress("testing", TEXT, done, len(rows), (time.monotonic() - started) / done * (len(rows) - done))
    return np.concatenate(found)


def _pixel_store(
    settings: Settings, dataset: Dataset, spec: Preprocessing, signal: StopSignal
) -> Generator[Progress, None, PixelStore | None]:
    """The pixel store if it is there: decoding a whole dataset for one of its splits would take longer."""
    if not store_path(settings, dataset, spec).exists():
        return None
    return (yield from open_store(settings, dataset, spec, signal))


def read_pixels(dataset: Dataset, row: ImageRow, limits: Limits, spec: Preprocessing) -> Pixels:
    """One picture as a store would hold it: (S, S, 3).

    Raises:
        DatasetError: it is gone, or cannot be read.
    """
    try:
        return square_pixels(dataset.read_image(row), row.name, limits, spec)
    except ImageError as error:
        raise DatasetError(f"Dataset {dataset.id}: {error}") from error
