"""From pixels to probabilities: validation, test and prediction take the same steps."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch

from core.training.augmentation import centre_crop, normalise, to_channels_first
from core.training.config import TrainConfig
from core.training.hardware import Hardware
from core.training.optimization import loss_of
from core.training.pixels import Pixels, PixelStore
from models.catalog import Preprocessing
from models.network import Network

if TYPE_CHECKING:
    from core.training.trainer import SplitData

EVALUATION_BATCH = 16


@dataclass(frozen=True)
class Outcome:
    """Predictions on one split: mean loss, accuracy, and probabilities (N, C) float64 in the split's order."""

    loss: float
    accuracy: float
    probabilities: npt.NDArray[np.float64]


@torch.inference_mode()
def logits_of(network: Network, pixels: Pixels, spec: Preprocessing, hardware: Hardware) -> torch.Tensor:
    """Raw outputs for stored pixels (B, S, S, 3) uint8, with the centre crop: (B, C) or (B, 1) float32."""
    pictures = centre_crop(to_channels_first(pixels), spec.crop_px)
    with hardware.autocast():
        logits: torch.Tensor = network(normalise(pictures, spec, hardware.device))
    return logits.float()


def evaluate(
    network: Network,
    store: PixelStore,
    split: "SplitData",
    spec: Preprocessing,
    config: TrainConfig,
    hardware: Hardware,
    stop: Callable[[], bool],
) -> Iterator[int | Outcome]:
    """Predict a split in eval mode; yields pictures done, and at last the `Outcome` unless `stop` asked to end."""
    network.eval()
    total_loss = 0.0
    probabilities: list[npt.NDArray[np.float64]] = []
    for first in range(0, len(split), EVALUATION_BATCH):
        if stop():
            return
        chosen = slice(first, first + EVALUATION_BATCH)
        logits = logits_of(network, store.take(split.indices[chosen]), spec, hardware)
        labels = torch.from_numpy(split.labels[chosen]).to(hardware.device)
        total_loss += float(loss_of(config, logits, labels, reduction="sum", smooth=False))
        probabilities.append(network.probabilities(logits).double().cpu().numpy())
        yield min(first + EVALUATION_BATCH, len(split))
    stacked = np.concatenate(probabilities)
    correct = int((stacked.argmax(axis=1) == split.labels).sum())
    yield Outcome(total_loss / len(split), correct / len(split), stacked)
