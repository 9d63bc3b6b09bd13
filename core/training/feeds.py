"""The feeds of a stage: batches from pixels, or from stored activations of its frozen prefix."""

import logging
import math
from collections.abc import Generator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from core.config.events import Message, Progress
from core.config.stages import Stage
from core.config.train_config import TrainConfig
from core.errors import RunError
from core.formatting import format_bytes
from core.settings import Settings
from core.steps import StopSignal
from core.stores.activations import Activations, Prefix, draw_stored_views, open_activations
from core.stores.augmentation import (
    Augmentation,
    Views,
    apply_views,
    draw_views,
    mix_views,
    normalise,
    to_channels_first,
)
from core.stores.hardware import Hardware
from core.stores.pixels import PictureFiles
from core.stores.training_data import TrainingData
from core.training.inference import logits_of
from models.network import Network

PIXEL_BATCH = 16  # images of an evaluation at once
ACTIVATION_BATCH = 256

log = logging.getLogger("tunemypets.feeds")

Indices = npt.NDArray[np.int64]


class Feed(Protocol):
    """Batches for one stage."""

    evaluation_batch: int

    @property
    def stored(self) -> list[Activations]:
        """The activations of its frozen part, where they are stored."""

    def start_epoch(self, epoch: int) -> None:
        """Draw what is random in an epoch."""

    def train_logits(self, network: Network, places: Indices) -> Tensor:
        """Raw outputs, with gradients, for these places of the training split: (B, C) or (B, 1)."""

    def val_logits(self, network: Network, chosen: slice) -> Tensor:
        """Raw outputs of images of the validation split: (B, C) or (B, 1) float32."""


class PixelFeed:
    """Everything from the pixels, with a new random view of every image in every epoch.

    Args:
        fixed: views of the training split. If there are any, every epoch uses one of them for each image instead, the
            same as an ActivationFeed: whether activations fit the cache must not change the training.
    """

    evaluation_batch = PIXEL_BATCH

    def __init__(
        self, data: TrainingData, config: TrainConfig, hardware: Hardware, fixed: Sequence[Views] = ()
    ) -> None:
        self.data, self.config, self.hardware, self.fixed = data, config, hardware, fixed
        self.augmentation = Augmentation.from_config(config)
        self.views: Views | None = None
        self.stored: list[Activations] = []

    def start_epoch(self, epoch: int) -> None:
        if self.fixed:
            self.views = mix_views(self.fixed, choose_views(self.config, epoch, len(self.fixed), len(self.data.train)))
            return
        spec = self.data.preprocessing
        self.views = draw_views(self.augmentation, len(self.data.train), spec, self.config.seed, epoch)

    def train_logits(self, network: Network, places: Indices) -> Tensor:
        assert self.views is not None  # the epoch was started
        spec = self.data.preprocessing
        pixels = to_channels_first(self.data.store.take(self.data.train.indices[places]))
        images = apply_views(pixels, self.views, places, self.augmentation, spec.crop_px)
        batch = normalise(images, spec, self.hardware.device)
        with self.hardware.autocast():
            return network(batch)  # type: ignore[no-any-return]  # modules give Any

    def val_logits(self, network: Network, chosen: slice) -> Tensor:
        pixels = self.data.store.take(self.data.val.indices[chosen])
        return logits_of(network, pixels, self.data.preprocessing, self.hardware)


@dataclass
class ActivationFeed:
    """Only the trainable part is computed; every epoch uses one of the stored views of each image.

    Attributes:
        train: the stored views of the training split.
        val: the plain view of the validation split.
    """

    train: list[Activations]
    val: Activations
    config: TrainConfig
    hardware: Hardware
    evaluation_batch: int = ACTIVATION_BATCH

    @property
    def stored(self) -> list[Activations]:
        return [*self.train, self.val]

    def start_epoch(self, epoch: int) -> None:
        self._choice = choose_views(self.config, epoch, len(self.train), len(self.train[0].positions))

    def train_logits(self, network: Network, places: Indices) -> Tensor:
        batch = self.train[0].take(places)
        for view in range(1, len(self.train)):
            here = np.flatnonzero(self._choice[places] == view)
            if len(here):
                batch[here] = self.train[view].take(places[here])
        return self._logits(network, batch)

    def val_logits(self, network: Network, chosen: slice) -> Tensor:
        with torch.inference_mode():
            places = np.arange(len(self.val.positions))[chosen]
            return self._logits(network, self.val.take(places)).float()

    def _logits(self, network: Network, batch: Tensor) -> Tensor:
        # a head alone costs nothing: it is computed in full precision
        with nullcontext() if batch.ndim == 2 else self.hardware.autocast():
            return network.trainable_part(batch.to(self.hardware.device))


def choose_views(config: TrainConfig, epoch: int, views: int, count: int) -> Indices:
    """Which of its stored views each of `count` images shows in an epoch."""
    return np.random.default_rng([config.seed, epoch, 2]).integers(views, size=count)


def open_feed(
    settings: Settings,
    stage: Stage,
    network: Network,
    data: TrainingData,
    config: TrainConfig,
    hardware: Hardware,
    signal: StopSignal,
) -> Generator[Progress | Message, None, Feed]:
    """The feed of a stage; a frozen prefix is evaluated for it, and kept where there is room.

    Args:
        network: on its device; left frozen at the stage's point.
    """
    network.freeze(stage.freeze_point)
    pixels = PixelFeed(data, config, hardware)
    if stage.freeze_point is None or not config.views:
        return pixels
    prefix = Prefix(network, data.preprocessing, hardware)
    views = config.views if pixels.augmentation.active else 1
    spec = data.preprocessing
    slow = PixelFeed(
        data,
        config,
        hardware,
        draw_stored_views(data.store, data.train.indices, pixels.augmentation, spec, views),
    )
    needed = prefix.bytes_a_image() * (len(data.train) * views + len(data.val))
    if needed > settings.cache_bytes / 2:
        if isinstance(data.store.pixels, PictureFiles):
            raise RunError(
                f"The activations of the frozen part need {format_bytes(needed)} on this machine, and a cache of twice "
                f"that: set TUNEMYPETS_CACHE_MB to {math.ceil(2 * needed / 2**20)}, or train on fewer pictures."
            )
        yield Message(
            "warning",
            f"The activations of the frozen part would take {format_bytes(needed)}, more than half of the cache "
            f"({format_bytes(settings.cache_bytes)}, TUNEMYPETS_CACHE_MB): they are computed again in every epoch.",
        )
        return slow
    found: list[Activations] = []
    wanted = [(data.train.indices, view) for view in range(views)] + [(data.val.indices, 0)]
    try:
        for indices, view in wanted:
            item = yield from open_activations(settings, prefix, data.store, indices, pixels.augmentation, view, signal)
            found.append(item)
    except OSError as error:
        if isinstance(data.store.pixels, PictureFiles):
            raise
        log.exception("activations could not be kept")
        yield Message(
            "warning",
            f"The activations of the frozen part could not be stored ({error.strerror or type(error).__name__}): "
            "they are computed again in every epoch. Free some space to make this faster.",
        )
        return slow
    return ActivationFeed(found[:-1], found[-1], config, hardware)
