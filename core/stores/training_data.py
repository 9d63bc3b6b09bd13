"""The images that a training may see: pixels, and the places of two splits. The test split is not in here."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from core.datasets.dataset import Dataset
from core.stores.pixels import Pixels, PixelStore
from models.catalog import Preprocessing

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True)
class SplitData:
    """Images of one split: dataset indices and labels, both (N,) int64.

    Attributes:
        passes: how often the arrays hold the same images, one after the other: an epoch goes over them so often.
    """

    indices: Indices
    labels: Indices
    passes: int = 1

    @classmethod
    def of(cls, dataset: Dataset, split: str) -> "SplitData":
        rows = dataset.rows_of(split)
        return cls(
            np.array([row.index for row in rows], dtype=np.int64),
            np.array([row.label for row in rows], dtype=np.int64),
        )

    def __len__(self) -> int:
        return len(self.indices)

    def subset(self, places: Indices, passes: int = 1) -> "SplitData":
        """Only the images at these places, so many times."""
        return SplitData(np.tile(self.indices[places], passes), np.tile(self.labels[places], passes), passes)

    def shuffled(self, rng: np.random.Generator) -> Indices:
        """Places in the order of an epoch: every image comes once before one of them comes again."""
        count = len(self) // self.passes
        return np.concatenate([first * count + rng.permutation(count) for first in range(self.passes)])


@dataclass(frozen=True)
class TrainingData:
    """What `fit` reads."""

    store: PixelStore
    train: SplitData
    val: SplitData
    preprocessing: Preprocessing

    def sample(self, count: int = 16) -> Pixels:
        """Images from all over the training split: (B, S, S, 3) uint8."""
        return self.store.take(self.train.indices[self.sample_places(count)])

    def sample_places(self, count: int = 16) -> Indices:
        """Where in the training split they are: (B,)."""
        return np.linspace(0, len(self.train) - 1, min(count, len(self.train))).astype(np.int64)
