"""What an export is made from and checked against: the weights, classes and test pictures of a run."""

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from core.checkpoints.checkpoint import Checkpoint, load_network
from core.config.events import Progress
from core.config.train_config import TrainConfig
from core.datasets.dataset import Dataset, ImageRow
from core.datasets.dataset_store import DatasetStore
from core.datasets.pictures.decoder import Limits
from core.errors import ExportError, RunError
from core.export.source.export_check import Answers, Outcomes, Places
from core.novelty.conformal import DEFAULT_PROMISE
from core.novelty.distances import Features
from core.novelty.novelty import Novelty, read_novelty
from core.runs.run import Run
from core.runs.run_files import BEST, NOVELTY
from core.settings import Settings
from core.statistics.predictions import PredictionTable
from core.storage import slug
from core.stores.pixels import Pixels, square_pixels
from models.entry import Preprocessing
from models.network import Network

MAX_PICTURES = 500  # that an export is checked on
BATCH = 16


@dataclass(frozen=True, eq=False)
class ExportedRun:
    """A run that can be exported.

    Attributes:
        network: with its trained weights, in eval mode on the CPU.
        tested: the run's stored test result.
        novelty: what known pictures look like to it; None where it does not know.
    """

    settings: Settings
    run: Run
    network: Network
    config: TrainConfig
    classes: tuple[str, ...]
    spec: Preprocessing
    tested: PredictionTable
    dataset: Dataset
    novelty: Novelty | None = None

    @property
    def file_stem(self) -> str:
        """The name under which people get the files, without an ending: dataset, network and strategy."""
        return slug(f"{self.config.dataset}-{self.config.model}-{self.config.strategy}", "network")

    def answers(self, crops: Pixels) -> Answers:
        """What the run answers, in float32 on this processor.

        Args:
            crops: (N, crop_px, crop_px, 3) uint8.
        """
        return self.ask(crops)[0]

    @torch.inference_mode()
    def ask(self, crops: Pixels) -> tuple[Answers, Features]:
        """What the run answers, and (N, F) what its head reads."""
        whole = Standalone(self.network, self.spec)
        parts = [whole(as_input(crops[first : first + BATCH])) for first in range(0, len(crops), BATCH)]
        probabilities, features = (torch.cat(part) for part in zip(*parts, strict=True))
        return probabilities.double().numpy(), features.numpy()

    def outcomes(self, crops: Pixels) -> Outcomes | None:
        """Which pictures the run calls strange, and which classes each may be; None where it does not know."""
        if self.novelty is None:
            return None
        probabilities, features = self.ask(crops)
        found = self.novelty.judge(features, probabilities, (DEFAULT_PROMISE,))
        return [(item.refused(), frozenset(item.set_at() or ())) for item in found]


class Standalone(nn.Module):
    """A network with the scaling of pixels before it and its probabilities after it, for files that need no other code.

    Takes (B, 3, crop_px, crop_px) float32 in [0, 1], RGB; gives (B, classes) float32 that sum to 1, and (B, F), what
    the head reads.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, network: Network, spec: Preprocessing) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("mean", torch.tensor(spec.mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor(spec.std).view(1, 3, 1, 1), persistent=False)

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        prefix = self.network.frozen_prefix((pixels - self.mean) / self.deviation)
        features = self.network.features(prefix)
        return self.network.probabilities(self.network.head(features)), features


def as_input(crops: Pixels) -> Tensor:
    """(N, S, S, 3) uint8 -> (N, 3, S, S) float32 in [0, 1]."""
    return torch.from_numpy(crops).permute(0, 3, 1, 2).contiguous().float() / 255


def open_source(settings: Settings, run: Run) -> ExportedRun:
    """Read a run that shall be exported.

    Raises:
        ExportError: its dataset is another one now.
        RunError: its weights or predictions are missing or damaged.
        DatasetError: its pictures are gone: nothing could be checked.
    """
    network, checkpoint = load_network(run.checkpoints, BEST)
    dataset = DatasetStore(settings).get(checkpoint.config.dataset)
    if dataset.fingerprint != run.meta().dataset_fingerprint:
        raise ExportError(
            f"The dataset {dataset.id} is not the one that run {run.id} was trained on, so no export of it can be "
            "checked: train again on the new pictures."
        )
    return ExportedRun(
        settings,
        run,
        network,
        checkpoint.config,
        checkpoint.classes,
        checkpoint.preprocessing,
        run.predictions(),
        dataset,
        _read_novelty(run, checkpoint),
    )


def _read_novelty(run: Run, checkpoint: Checkpoint) -> Novelty | None:
    try:
        found = read_novelty(run.folder / NOVELTY, checkpoint.classes)
    except RunError:
        return None  # a file without it is worth as much as before
    return found if found is not None and found.epoch == checkpoint.epoch else None


def choose_pictures(tested: PredictionTable, most: int = MAX_PICTURES) -> Places:
    """Places of pictures in a test result, ascending: all, or the same `most`, with each class's share of them."""
    if tested.n <= most:
        return np.arange(tested.n)
    shuffled = np.random.default_rng(0).permutation(tested.n)
    by_class = shuffled[np.argsort(tested.labels[shuffled], kind="stable")]
    return np.sort(by_class[(np.arange(most) * tested.n) // most])


def read_crops(source: ExportedRun, places: Places, spec: Preprocessing) -> Generator[Progress, None, Pixels]:
    """The test pictures at these places as a network sees them: (N, crop_px, crop_px, 3) uint8.

    Raises:
        ImageError: a picture of the dataset can no longer be read.
    """
    rows = [source.dataset.rows[int(source.tested.indices[place])] for place in places]
    return (yield from _read_rows(source, rows, spec, "Reading test pictures"))


def read_training_crops(source: ExportedRun, most: int, spec: Preprocessing) -> Generator[Progress, None, Pixels]:
    """Up to `most` training pictures, with each class's share, as a network sees them: (N, crop_px, crop_px, 3) uint8.

    Raises:
        ImageError: a picture of the dataset can no longer be read.
    """
    rows = sorted(source.dataset.rows_of("train"), key=lambda row: (row.label, row.index))
    chosen = np.linspace(0, len(rows) - 1, min(most, len(rows))).astype(np.int64)
    return (yield from _read_rows(source, [rows[place] for place in chosen], spec, "Reading training pictures"))


def _read_rows(
    source: ExportedRun, rows: list[ImageRow], spec: Preprocessing, text: str
) -> Generator[Progress, None, Pixels]:
    limits = Limits.from_settings(source.settings)
    first, last = spec.margin_px, spec.margin_px + spec.crop_px
    crops = np.empty((len(rows), spec.crop_px, spec.crop_px, 3), dtype=np.uint8)
    for done, row in enumerate(rows):
        square = square_pixels(source.dataset.read_image(row), row.name, limits, spec)
        crops[done] = square[first:last, first:last]
        yield Progress("preparing", text, done + 1, len(rows), None)
    return crops
