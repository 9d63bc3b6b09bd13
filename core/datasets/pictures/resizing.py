"""From an upright RGB picture to the square that a network's input is cut from."""

import numpy as np
import numpy.typing as npt
from PIL import Image

from models.entry import Preprocessing

RESAMPLING = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


def fit_square(
    image: Image.Image, spec: Preprocessing, box: tuple[float, float, float, float] | None = None
) -> npt.NDArray[np.uint8]:
    """The square of a picture: (resize_px, resize_px, 3) uint8.

    Cropping and resizing equal torchvision's `Resize(resize_px)` and `CenterCrop(crop_px)`, pixel by pixel: the
    square lies so that its own centre crop is torchvision's. Runs of version 1 keep their geometry.

    Args:
        box: where the picture lies in `image`, to parts of a pixel; None: all of it.
    """
    size_px, resampling = spec.resize_px, RESAMPLING[spec.interpolation]
    if spec.version == 1:
        return _fit_rounded(image, size_px, resampling)
    box = box or (0.0, 0.0, *image.size)
    width, height = box[2] - box[0], box[3] - box[1]
    if spec.fit == "squeeze":
        return np.array(image.resize((size_px, size_px), resampling, box), dtype=np.uint8)
    if spec.fit == "pad":
        scale = size_px / max(width, height)
        whole = image.resize((max(1, round(width * scale)), max(1, round(height * scale))), resampling, box)
        # its mean colour is what the network sees as nothing
        ground = Image.new("RGB", (size_px, size_px), tuple(round(255 * channel) for channel in spec.mean))
        ground.paste(whole, ((size_px - whole.width) // 2, (size_px - whole.height) // 2))
        return np.array(ground, dtype=np.uint8)
    short = min(width, height)
    new = (max(size_px, int(size_px * width / short)), max(size_px, int(size_px * height / short)))
    # the whole picture, although its ends are cut off: Pillow places a part of it with single precision only
    whole = image.resize(new, resampling, box)
    left, top = (round((side - spec.crop_px) / 2) - spec.margin_px for side in new)
    # a copy: the array of a picture is read-only, and torch wants to own what it computes with
    return np.array(whole.crop((left, top, left + size_px, top + size_px)), dtype=np.uint8)


def _fit_rounded(image: Image.Image, size_px: int, resampling: Image.Resampling) -> npt.NDArray[np.uint8]:
    """As runs of version 1 were trained: rounded, and up to a pixel off torchvision's."""
    width, height = image.size
    if width <= height:
        new = (size_px, max(size_px, round(height * size_px / width)))
    else:
        new = (max(size_px, round(width * size_px / height)), size_px)
    left, top = (new[0] - size_px) // 2, (new[1] - size_px) // 2
    across, down = width / new[0], height / new[1]
    box = (left * across, top * down, (left + size_px) * across, (top + size_px) * down)
    inside = (box[0], box[1], min(box[2], width), min(box[3], height))  # rounding may pass the edge by a hair
    return np.array(image.resize((size_px, size_px), resampling, box=inside), dtype=np.uint8)
