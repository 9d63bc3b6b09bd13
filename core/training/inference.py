"""From pixels to probabilities: the same steps for validation, test and prediction."""

from collections.abc import Callable, Generator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from core.config.train_config import TrainConfig
from core.steps import StopSignal
from core.stores.augmentation import centre_crop, normalise, to_channels_first
from core.stores.hardware import Hardware
from core.stores.pixels import Pixels
from core.stores.training_data import SplitData
from core.training.optimization import loss_of
from models.catalog import Preprocessing
from models.network import Network

EVALUATION_BATCH = 16


@dataclass(frozen=True)
class SplitPredictions:
    """Predictions on one split: mean loss, accuracy, and probabilities (N, C) float64 in the split's order."""

    loss: float
    accuracy: float
    probabilities: npt.NDArray[np.float64]


@torch.inference_mode()
def logits_of(network: nn.Module, pixels: Pixels, spec: Preprocessing, hardware: Hardware) -> torch.Tensor:
    """Raw outputs for stored pixels (B, S, S, 3) uint8, with the centre crop: (B, C) or (B, 1) float32.

    Args:
        network: a `Network`, or one folded by `fold_network`.
    """
    images = centre_crop(to_channels_first(pixels), spec)
    with hardware.autocast():
        logits: torch.Tensor = network(normalise(images, spec, hardware.device))
    return logits.float()


def predict_split(
    network: Network,
    split: SplitData,
    config: TrainConfig,
    logits_for: Callable[[slice], torch.Tensor],
    signal: StopSignal,
    batch: int = EVALUATION_BATCH,
) -> Generator[int, None, SplitPredictions]:
    """Predict a split in eval mode; yields how many images are done.

    Args:
        logits_for: raw outputs of a slice of the split.
        batch: images at once.
    """
    network.eval()
    total_loss = 0.0
    probabilities: list[npt.NDArray[np.float64]] = []
    for first in range(0, len(split), batch):
        signal.check()
        chosen = slice(first, first + batch)
        logits = logits_for(chosen)
        labels = torch.from_numpy(split.labels[chosen]).to(logits.device)
        total_loss += float(loss_of(config, logits, labels, reduction="sum", smooth=False))
        # in float64: a float32 is 0 from 1e-45 on, and a loss of more than 103 nats is no longer in it
        probabilities.append(network.probabilities(logits.cpu().double()).numpy())
        yield min(first + batch, len(split))
    stacked = np.concatenate(probabilities)
    correct = int((stacked.argmax(axis=1) == split.labels).sum())
    return SplitPredictions(total_loss / len(split), correct / len(split), stacked)
