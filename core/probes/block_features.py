"""The pooled output of every block of a network, for the pictures of a dataset, in one pass."""

import time
from collections.abc import Generator, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from core.config.events import Progress
from core.steps import StopSignal
from core.stores.augmentation import centre_crop, normalise, to_channels_first
from core.stores.hardware import Hardware
from core.stores.pixels import PixelStore
from models.catalog import Preprocessing
from models.folding import fold_blocks
from models.network import Network

BATCH = 16  # more does not fit the processor's cache
NOTE_SECONDS = 0.2

Features = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int64]


def read_block_features(
    network: Network,
    store: PixelStore,
    indices: Indices,
    spec: Preprocessing,
    hardware: Hardware,
    text: str,
    signal: StopSignal,
) -> Generator[Progress, None, list[Features]]:
    """Pass pictures through a network once.

    Args:
        network: on its device; its head is not used.
        indices: (N,) of the dataset.
        text: of the progress.
    Returns:
        (N, F) for each block, from input to head; the last is what the head reads.
    Raises:
        Stopped: `signal` was set.
    """
    network.eval()
    blocks = fold_blocks(network)
    order = np.argsort(store.positions[indices], kind="stable")  # a store is read from its start to its end
    found: list[Features] = []
    started = last = time.monotonic()
    for first in range(0, len(order), BATCH):
        signal.check()
        places = order[first : first + BATCH]
        images = centre_crop(to_channels_first(store.take(indices[places])), spec)
        with hardware.prefix_autocast():
            pooled = _outputs(blocks, network.pool, normalise(images, spec, hardware.device))
        if not found:
            found = [np.empty((len(indices), values.shape[1]), np.float32) for values in pooled]
        for kept, values in zip(found, pooled, strict=True):
            kept[places] = values.float().cpu().numpy()
        done, now = first + len(places), time.monotonic()
        if now - last > NOTE_SECONDS or done == len(order):
            last = now
            yield Progress("testing", text, done, len(order), (now - started) / done * (len(order) - done))
    return found


@torch.inference_mode()
def _outputs(blocks: Sequence[nn.Module], pool: nn.Module, images: Tensor) -> list[Tensor]:
    """(B, F) for each block."""
    pooled = []
    x = images
    for place, block in enumerate(blocks, start=1):
        x = block(x)
        pooled.append(pool(x) if place == len(blocks) else _pool(x))
    return pooled


def _pool(output: Tensor) -> Tensor:
    """The mean over positions: of a map (B, F, H, W), or of tokens (B, T, F)."""
    if output.ndim == 4:
        return output.mean(dim=(2, 3))
    return output.mean(dim=1) if output.ndim == 3 else output
