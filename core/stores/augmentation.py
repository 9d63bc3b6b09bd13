"""Random views of training images: RandomResizedCrop, horizontal flip, colour.

The random numbers of an epoch are drawn for all images at once from (seed, epoch), so an image's view does not
depend on the order or size of batches. Crop geometry follows Szegedy et al., "Going deeper with convolutions" (2015).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from core.config.train_config import TrainConfig
from models.catalog import Preprocessing

FULL_STRENGTH_SMALLEST_AREA = 0.08  # RandomResizedCrop's own default
FULL_STRENGTH_RATIO = 4 / 3
FULL_STRENGTH_COLOUR = 0.4


@dataclass(frozen=True)
class Augmentation:
    """Which random changes, and how strong (0 to 1)."""

    crop: bool
    flip: bool
    colour: bool
    strength: float

    @classmethod
    def from_config(cls, config: TrainConfig) -> "Augmentation":
        return cls(config.augment_crop, config.augment_flip, config.augment_colour, config.augment_strength)

    @property
    def active(self) -> bool:
        return self.flip or (self.strength > 0 and (self.crop or self.colour))

    def describe(self) -> str:
        """The changes in words."""
        parts = []
        if self.crop and self.strength > 0:
            parts.append(f"random crops of {100 * self.smallest_area:.0f} to 100 % of the picture")
        if self.flip:
            parts.append("random mirroring")
        if self.colour and self.strength > 0:
            parts.append(f"colours varied by up to {100 * FULL_STRENGTH_COLOUR * self.strength:.0f} %")
        return ", ".join(parts) or "none"

    @property
    def smallest_area(self) -> float:
        return 1 - (1 - FULL_STRENGTH_SMALLEST_AREA) * self.strength


@dataclass(frozen=True)
class Views:
    """Random choices for N images of one epoch.

    Attributes:
        boxes: (N, 4) int64: top, left, height, width of the crop in store pixels.
        flips: (N,) bool.
        colours: (N, 3) float64: factors of brightness, contrast, saturation.
    """

    boxes: npt.NDArray[np.int64]
    flips: npt.NDArray[np.bool_]
    colours: npt.NDArray[np.float64]

    def take(self, places: npt.NDArray[np.int64]) -> "Views":
        """The choices for the images at these places."""
        return Views(self.boxes[places], self.flips[places], self.colours[places])


def mix_views(views: Sequence[Views], chosen: npt.NDArray[np.int64]) -> Views:
    """Views of N images in which image i has the choices that `views[chosen[i]]` has for it."""
    places = np.arange(len(chosen))
    return Views(
        np.stack([view.boxes for view in views])[chosen, places],
        np.stack([view.flips for view in views])[chosen, places],
        np.stack([view.colours for view in views])[chosen, places],
    )


def draw_views(augmentation: Augmentation, count: int, spec: Preprocessing, seed: int, epoch: int) -> Views:
    """Draw the random choices of one epoch for `count` resized squares."""
    size_px = spec.resize_px
    rng = np.random.default_rng([seed, epoch, 1])
    area = rng.uniform(augmentation.smallest_area, 1.0, count) * size_px**2
    log_ratio = np.log(FULL_STRENGTH_RATIO) * augmentation.strength
    ratio = np.exp(rng.uniform(-log_ratio, log_ratio, count))
    place = rng.random((2, count))
    flips = rng.random(count) < 0.5
    spread = FULL_STRENGTH_COLOUR * augmentation.strength
    colours = rng.uniform(1 - spread, 1 + spread, (count, 3))
    if augmentation.crop and augmentation.strength > 0:
        height = np.clip(np.rint(np.sqrt(area / ratio)), 1, size_px)
        width = np.clip(np.rint(np.sqrt(area * ratio)), 1, size_px)
        top = np.floor(place[0] * (size_px - height + 1))
        left = np.floor(place[1] * (size_px - width + 1))
        boxes = np.stack([top, left, height, width], axis=1).astype(np.int64)
    else:
        margin, crop_px = spec.margin_px, spec.crop_px
        boxes = np.tile(np.array([margin, margin, crop_px, crop_px], dtype=np.int64), (count, 1))
    if not augmentation.flip:
        flips = np.zeros(count, dtype=np.bool_)
    if not augmentation.colour:
        colours = np.ones((count, 3))
    return Views(boxes, flips, colours)


def apply_views(
    images: Tensor, views: Views, chosen: npt.NDArray[np.int64], augmentation: Augmentation, crop_px: int
) -> Tensor:
    """Cut and change images.

    Args:
        images: (B, 3, S, S) uint8.
        views: choices of the epoch; `chosen` (B,) picks the entries for these images.
    Returns:
        (B, 3, crop_px, crop_px) uint8.
    """
    from torchvision.transforms.v2 import functional  # takes 170 MB, and not all that import this file draw views

    out = []
    for image, index in zip(images, chosen, strict=True):
        top, left, height, width = (int(value) for value in views.boxes[index])
        if (height, width) == (crop_px, crop_px):
            view = functional.crop(image, top, left, height, width)
        else:
            view = functional.resized_crop(image, top, left, height, width, [crop_px, crop_px], antialias=True)
        if views.flips[index]:
            view = functional.horizontal_flip(view)
        if augmentation.colour and augmentation.strength > 0:
            brightness, contrast, saturation = (float(value) for value in views.colours[index])
            view = functional.adjust_brightness(view, brightness)
            view = functional.adjust_contrast(view, contrast)
            view = functional.adjust_saturation(view, saturation)
        out.append(view)
    return torch.stack(out)


def centre_crop(images: Tensor, spec: Preprocessing) -> Tensor:
    """The view that validation, test and prediction use: (B, 3, resize_px, resize_px) -> (B, 3, crop_px, crop_px)."""
    first, last = spec.margin_px, spec.margin_px + spec.crop_px
    return images[..., first:last, first:last]


def to_channels_first(pixels: npt.NDArray[np.uint8]) -> Tensor:
    """(B, S, S, 3) uint8 array -> (B, 3, S, S) uint8 tensor without a copy (channels-last in memory)."""
    return torch.from_numpy(pixels).permute(0, 3, 1, 2)


def normalise(images: Tensor, spec: Preprocessing, device: torch.device) -> Tensor:
    """Scale images with the statistics that the network was trained with.

    Args:
        images: (B, 3, H, W) uint8.
    Returns:
        (B, 3, H, W) float32 on `device`, channels-last in memory.
    """
    count, channels, height, width = images.shape
    # one long row an image, in the order of channels-last: the loops are simple, and several times as fast
    rows = images.to(device).permute(0, 2, 3, 1).reshape(count, -1).to(torch.float32)
    scale, shift = _scale_and_shift(spec.mean, spec.std, height * width, device)
    return rows.mul_(scale).add_(shift).view(count, height, width, channels).permute(0, 3, 1, 2)


@lru_cache(maxsize=8)
def _scale_and_shift(
    mean: tuple[float, ...], std: tuple[float, ...], pixels: int, device: torch.device
) -> tuple[Tensor, Tensor]:
    """What makes (value / 255 - mean) / std of a row of pixels: two rows as long, float32."""
    scale = [1 / (255 * deviation) for deviation in std]
    shift = [-centre / deviation for centre, deviation in zip(mean, std, strict=True)]
    with torch.inference_mode(False):
        rows = torch.tensor([scale, shift], dtype=torch.float64).repeat(1, pixels).to(torch.float32).to(device)
    return rows[0], rows[1]
