"""Views of the pictures: random crops, some of two pictures mixed, at the sizes of teacher and student.

Teacher and student see the very same view ("consistent teaching", Beyer et al., Knowledge distillation: a good teacher
is patient and consistent, 2022), so a crop or a mixture may be as wild as it likes: the teacher's answer is about it.
What is drawn depends on seed, round and place alone, so a resumed training draws what the uninterrupted one would.
"""

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

SMALLEST_CROP = 0.25  # share of the picture's area
WIDEST_CROP = 4 / 3  # width to height, and the inverse
LEAST_MIXED = 0.2  # share of the second picture in a mixture, at least


def order_of(key: tuple[int, int, int], count: int) -> NDArray[np.int64]:
    """An order of the pictures: of a round (pass 0, the teacher's) or of one of its passes.

    Args:
        key: seed, round, pass.
    """
    return np.random.default_rng([*key, 0]).permutation(count)


def draw_views(
    pixels: NDArray[np.uint8], chosen: NDArray[np.int64], key: tuple[int, int, int], side_px: int, mixed_share: float
) -> Tensor:
    """One view of each chosen picture.

    Args:
        pixels: (N, S, S, 3) of all pictures.
        chosen: (B) places in `pixels`.
        key: seed, round, batch: decides everything that is random.
        side_px: width and height of a view.
        mixed_share: chance that a view is mixed with another of the batch.
    Returns:
        (B, 3, side_px, side_px) uint8, channels last in memory.
    """
    generator = np.random.default_rng([*key, 1])
    views = torch.empty((len(chosen), 3, side_px, side_px), dtype=torch.uint8, memory_format=torch.channels_last)
    for place, index in enumerate(chosen):
        top, left, height, width = _crop_box(generator, pixels.shape[1])
        crop = torch.from_numpy(pixels[index, top : top + height, left : left + width])
        views[place] = resize(crop.permute(2, 0, 1)[None], side_px)[0]
    return _mix(views, generator, mixed_share) if mixed_share else views


def resize(pictures: Tensor, side_px: int) -> Tensor:
    """(B, 3, H, W) uint8 to (B, 3, side_px, side_px), bilinear and antialiased."""
    return functional.interpolate(pictures, size=(side_px, side_px), mode="bilinear", antialias=True)


def _crop_box(generator: np.random.Generator, side: int) -> tuple[int, int, int, int]:
    """Top, left, height and width of a random crop."""
    area = generator.uniform(SMALLEST_CROP, 1.0) * side * side
    ratio = math.exp(generator.uniform(-math.log(WIDEST_CROP), math.log(WIDEST_CROP)))
    width = min(side, round(math.sqrt(area * ratio)))
    height = min(side, round(math.sqrt(area / ratio)))
    return int(generator.integers(side - height + 1)), int(generator.integers(side - width + 1)), height, width


def _mix(views: Tensor, generator: np.random.Generator, share: float) -> Tensor:
    """Blend some views with another one (mixup), and paste a square of another one into some (CutMix)."""
    others = generator.permutation(len(views))
    mixed = views.clone(memory_format=torch.preserve_format)
    side = views.shape[-1]
    for place, other in enumerate(others):
        if generator.random() >= share:
            continue
        amount = generator.uniform(LEAST_MIXED, 1 - LEAST_MIXED)
        if generator.random() < 0.5:
            mixed[place] = torch.lerp(views[place].float(), views[other].float(), amount).round().byte()
        else:
            edge = round(side * math.sqrt(amount))
            top, left = (int(value) for value in generator.integers(side - edge + 1, size=2))
            area = (place, slice(None), slice(top, top + edge), slice(left, left + edge))
            mixed[area] = views[(other, *area[1:])]
    return mixed
