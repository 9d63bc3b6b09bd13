"""The features of a frozen backbone for every picture of a dataset, in the stores that trainings use.

A training of a head on the same backbone finds its plain views there, and this finds what a training has left.
"""

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from core.checkpoints.checkpoint import build_network
from core.config.events import Progress
from core.config.stages import plan_stages
from core.config.train_config import TrainConfig
from core.datasets.dataset import Dataset
from core.datasets.splits import SPLITS
from core.errors import DatasetError
from core.estimates.benchmark import SAMPLE, choose_hardware
from core.settings import Settings
from core.steps import StopSignal
from core.stores.activations import Activations, Indices, Prefix, open_activations
from core.stores.augmentation import Augmentation
from core.stores.hardware import prepare_torch
from core.stores.pixels import open_store, preprocessing_of

Features = npt.NDArray[np.float32]
PLAIN = Augmentation(crop=False, flip=False, colour=False, strength=0.0)
ROWS = 1024  # read at once


@dataclass(frozen=True)
class StoredFeatures:
    """The features of a dataset on disk: read when a step needs them, so that memory holds them once, and only then.

    Attributes:
        shape: N, F.
        splits: the dataset's indices of each split, and its features in that order.
        refusal: the sentence for features that are not finite.
    """

    shape: tuple[int, int]
    splits: tuple[tuple[Indices, Activations], ...]
    refusal: str

    def read(self) -> Features:
        """A copy that may be overwritten: (N, F) float32, in the order of the dataset's table.

        Raises:
            DatasetError: not all of them are finite.
        """
        values = np.empty(self.shape, np.float32)
        for indices, found in self.splits:
            for first in range(0, len(indices), ROWS):
                rows = slice(first, first + ROWS)
                some = found.values.take(found.positions[rows])
                if not np.isfinite(some).all():
                    raise DatasetError(self.refusal)
                values[indices[rows]] = some
        return values


def open_features(
    settings: Settings, dataset: Dataset, backbone: str, signal: StopSignal
) -> Generator[Progress, None, StoredFeatures]:
    """Find or compute the features.

    Args:
        backbone: in the catalog, with its weights on this machine.
    Raises:
        DatasetError: names a picture that is missing or can no longer be read.
        WeightsError: the weights are missing or damaged.
        Stopped: `signal` was set.
    """
    config = TrainConfig(dataset=dataset.id, model=backbone, strategy="head")
    prepare_torch(settings, config.seed)
    store = yield from open_store(settings, dataset, preprocessing_of(config, dataset), signal)
    yield Progress("preparing", "Building the network", 0, 1, None)
    entry = config.entry()
    network = build_network(settings, config, len(dataset.classes))
    some = np.linspace(0, len(dataset.rows) - 1, min(SAMPLE, len(dataset.rows))).astype(np.int64)
    stages = plan_stages(config, entry)
    hardware = yield from choose_hardware(settings, config, network, stages, store.take(some), signal)
    hardware.place(network)
    network.freeze(entry.freeze_points[-1])
    prefix = Prefix(network, preprocessing_of(config, dataset), hardware)
    splits = []
    for split in SPLITS:
        indices = np.array([row.index for row in dataset.rows_of(split)], np.int64)
        if len(indices):
            splits.append((indices, (yield from open_activations(settings, prefix, store, indices, PLAIN, 0, signal))))
    refusal = f"{entry.title} gives no finite features for {dataset.title}: choose another network."
    return StoredFeatures((len(dataset.rows), entry.feature_width), tuple(splits), refusal)
