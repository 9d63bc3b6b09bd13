"""Heat maps by captum: Grad-CAM, and occlusion as a check that asks the network itself.

Grad-CAM weighs the channels of the last feature map by how much a class's score would grow with them, and adds them up.
Source: Selvaraju et al., Grad-CAM (2017). Occlusion hides one square after another behind the mean colour and looks how
far the class's probability falls. Source: Zeiler and Fergus, Visualizing and Understanding Convolutional Networks
(2014).
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from core.errors import ExtraMissingError
from core.predict.explanations import INSTALL
from core.predict.feature_map import cut
from models.network import Network

HIDDEN_SHARE = 4  # a hidden square has a fourth of the picture's side, and moves by half of its own
AT_ONCE = 8  # pictures with a hidden square that go through the network together

Grid = npt.NDArray[np.float32]


def grad_cam(network: Network, picture: Tensor, classes: Sequence[int]) -> list[Grid]:
    """What speaks for each of these classes, and where.

    Args:
        network: in eval mode.
        picture: (1, 3, H, W) normalised.
        classes: indices.
    Returns:
        for each class (h, w) not negative: the network's own cells from top left to bottom right.
    Raises:
        ExtraMissingError: captum is not installed.
    """
    attr = _captum()
    parts = cut(network)
    maps, token = parts.look(picture)
    count = len(classes)
    method = attr.LayerGradCam(parts.rest, parts.rest.tap)
    with torch.enable_grad():
        found: Tensor = method.attribute(
            maps.expand(count, -1, -1, -1).clone(),
            target=list(classes),
            additional_forward_args=None if token is None else (token.expand(count, -1, -1),),
            relu_attributions=True,
        )
    return [np.asarray(grid, np.float32) for grid in found[:, 0].detach().cpu().numpy()]


def occlusion(
    probabilities: Callable[[Tensor], Tensor], picture: Tensor, label: int, tell: Callable[[int, int], None]
) -> Grid:
    """How far the probability of a class falls when a place is hidden: the mean over the squares that cover it.

    Args:
        probabilities: (B, 3, H, W) normalised -> (B, classes); called many times.
        picture: (1, 3, H, W) normalised.
        tell: hears how many questions of how many were asked.
    Returns:
        (H, W), a fraction for each pixel; below 0 where hiding helps the class.
    Raises:
        ExtraMissingError: captum is not installed.
    """
    attr = _captum()
    side = max(2, picture.shape[-1] // HIDDEN_SHARE)
    step = max(1, side // 2)
    squares = math.prod(1 + math.ceil((length - side) / step) for length in picture.shape[-2:])
    total, done = 1 + math.ceil(squares / AT_ONCE), 0  # the whole picture comes first

    def ask(pictures: Tensor) -> Tensor:
        nonlocal done
        found = probabilities(pictures)
        done += 1
        tell(min(done, total), total)
        return found

    with torch.no_grad():
        found: Tensor = attr.Occlusion(ask).attribute(
            picture,
            sliding_window_shapes=(3, side, side),
            strides=(3, step, step),
            baselines=0,  # normalised pictures: the mean colour
            target=label,
            perturbations_per_eval=AT_ONCE,
        )
    return np.asarray(found[0].mean(dim=0).cpu().numpy(), np.float32)


def _captum() -> Any:
    try:
        import captum.attr  # not above: it is optional, and takes a second
    except ImportError as error:
        raise ExtraMissingError(f"Install captum to see heat maps: {INSTALL}") from error
    return captum.attr
