"""From pixels to probabilities: validation, test and prediction take the same steps."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from core.config.train_config import TrainConfig
from core.stores.augmentation import centre_crop, normalise, to_channels_first
from core.stores.hardware import Hardware
from core.stores.pixels import Pixels
from core.stores.training_data import SplitData
from core.training.optimization import loss_of
from models.catalog import Preprocessing
from models.network import Network

EVALUATION_BATCH = 16


@dataclass(frozen=True)
class Outcome:
    """Predictions on one split: mean loss, accuracy, and probabilities (N, C) float64 in the split's order."""

    loss: float
    accuracy: float
    probabilities: npt.NDArray[np.float64]


@torch.inference_mode()
def logits_of(network: nn.Module, pixels: Pixels, spec: Preprocessing, hardware: Hardware) -> torch.Tensor:
    """Raw outputs for stored pixels (B, S, S, 3) uint8, with the centre crop: (B, C) or (B, 1) float32.

    Args:
        network: a `Network`, or what `fold_network` made of it.
    """
    pictures = centre_crop(to_channels_first(pixels), spec.crop_px)
    with hardware.autocast():
        logits: torch.Tensor = network(normalise(pictures, spec, hardware.device))
    return logits.float()


def evaluate(
    network: Network,
    split: SplitData,
    config: TrainConfig,
    logits_for: Callable[[slice], torch.Tensor],
    stop: Callable[[], bool],
    batch: int = EVALUATION_BATCH,
) -> Iterator[int | Outcome]:
    """Predict a split in eval mode; yields pictures done, and at last the `Outcome` unless `stop` asked to end.

    Args:
        logits_for: raw outputs of a slice of the split.
        batch: pictures at once.
    """
    network.eval()
    total_loss = 0.0
    probabilities: list[npt.NDArray[np.float64]] = []
    for first in range(0, len(split), batch):
        if stop():
            return
        chosen = slice(first, first + batch)
        logits = logits_for(chosen)
        labels = torch.from_numpy(split.labels[chosen]).to(logits.device)
        total_loss += float(loss_of(config, logits, labels, reduction="sum", smooth=False))
        probabilities.append(network.probabilities(logits).double().cpu().numpy())
        yield min(first + batch, len(split))
    stacked = np.concatenate(probabilities)
    correct = int((stacked.argmax(axis=1) == split.labels).sum())
    yield Outcome(total_loss / len(split), correct / len(split), stacked)
