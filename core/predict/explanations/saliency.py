"""Saliency maps by captum: Grad-CAM, and occlusion as a check on it.

Grad-CAM weights the channels of the last feature map by the gradient of a class's score, and adds them up. Source:
Selvaraju et al., Grad-CAM (2017). Occlusion covers one square after another with the mean colour and measures how far
the class's probability drops. Source: Zeiler and Fergus, Visualizing and Understanding Convolutional Networks (2014).

For Grad-CAM a network is split at its last feature map, before every pooling that ends the backbone: the last blocks
of VGG and of the small CNN pool, and the map before that is finer. A vision transformer is split before its last
layer, since behind it only the class token counts; its patches are laid out as a map again.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from core.errors import ExtraMissingError
from core.predict.explanations.explanation_answers import INSTALL
from models.network import Network

POOLS = (nn.AdaptiveAvgPool2d, nn.Flatten)
HIDDEN_SHARE = 4  # a hidden square has a fourth of the image's side, and moves by half of its own
BATCH = 8  # images with a hidden square that go through the network together

Grid = npt.NDArray[np.float32]


def grad_cam(network: Network, image: Tensor, classes: Sequence[int]) -> list[Grid]:
    """Where the evidence for each of these classes is.

    Args:
        network: in eval mode.
        image: (1, 3, H, W) normalised.
        classes: indices.
    Returns:
        for each class (h, w) not negative: the cells of the feature map from top left to bottom right.
    Raises:
        ExtraMissingError: captum is not installed.
    """
    attr = _captum()
    split = split_at_feature_map(network)
    maps, token = split.forward_features(image)
    count = len(classes)
    method = attr.LayerGradCam(split.classifier, split.classifier.feature_map)
    with torch.enable_grad():
        found: Tensor = method.attribute(
            maps.expand(count, -1, -1, -1).clone(),
            target=list(classes),
            additional_forward_args=None if token is None else (token.expand(count, -1, -1),),
            relu_attributions=True,
        )
    return [np.asarray(grid, np.float32) for grid in found[:, 0].detach().cpu().numpy()]


def occlusion(
    probabilities: Callable[[Tensor], Tensor], image: Tensor, label: int, on_step: Callable[[int, int], None]
) -> Grid:
    """How far the probability of a class drops when a pixel is hidden: the mean over the squares that cover it.

    Args:
        probabilities: (B, 3, H, W) normalised -> (B, classes); called many times.
        image: (1, 3, H, W) normalised.
        on_step: called with the number of batches done, and of all.
    Returns:
        (H, W), a fraction for each pixel; below 0 where hiding helps the class.
    Raises:
        ExtraMissingError: captum is not installed.
    """
    attr = _captum()
    side = max(2, image.shape[-1] // HIDDEN_SHARE)
    step = max(1, side // 2)
    squares = math.prod(1 + math.ceil((length - side) / step) for length in image.shape[-2:])
    total, done = 1 + math.ceil(squares / BATCH), 0  # the whole image comes first

    def forward(images: Tensor) -> Tensor:
        nonlocal done
        found = probabilities(images)
        done += 1
        on_step(min(done, total), total)
        return found

    with torch.no_grad():
        found: Tensor = attr.Occlusion(forward).attribute(
            image,
            sliding_window_shapes=(3, side, side),
            strides=(3, step, step),
            baselines=0,  # normalised images: the mean colour
            target=label,
            perturbations_per_eval=BATCH,
        )
    return np.asarray(found[0].mean(dim=0).cpu().numpy(), np.float32)


def _captum() -> Any:
    try:
        import captum.attr  # not above: it is optional, and takes a second
    except ImportError as error:
        raise ExtraMissingError(f"Install captum to see heatmaps: {INSTALL}") from error
    return captum.attr


class Classifier(nn.Module):
    """From the feature map to scores: (B, C, h, w) -> (B, classes); captum hooks into `feature_map`.

    Args:
        layers: all that follows the map, with pooling and head.
        tokens: whether `layers` read (B, 1 + h w, C), class token first.
    """

    def __init__(self, layers: nn.Module, *, tokens: bool, sigmoid: bool) -> None:
        super().__init__()
        self.feature_map = nn.Identity()
        self.layers = layers
        self.tokens = tokens
        self.sigmoid = sigmoid

    def forward(self, maps: Tensor, class_token: Tensor | None = None) -> Tensor:
        x = self.feature_map(maps)
        if class_token is not None:
            x = torch.cat([class_token, x.flatten(2).transpose(1, 2)], dim=1)
        logits: Tensor = self.layers(x).float()
        return torch.cat([-logits, logits], dim=1) if self.sigmoid else logits


@dataclass(frozen=True)
class SplitNetwork:
    """A network in two parts that share its weights."""

    features: nn.Module
    classifier: Classifier

    @torch.no_grad()
    def forward_features(self, images: Tensor) -> tuple[Tensor, Tensor | None]:
        """(B, 3, H, W) normalised -> the feature map (B, C, h, w), and the class token (B, 1, C) if there is one."""
        found: Tensor = self.features(images)
        if not self.classifier.tokens:
            return found, None
        side = round((found.shape[1] - 1) ** 0.5)
        return found[:, 1:].transpose(1, 2).reshape(len(found), -1, side, side), found[:, :1]


def split_at_feature_map(network: Network) -> SplitNetwork:
    """Split a network at its last feature map."""
    blocks = list(network.blocks.values())
    layers = [item for block in blocks for item in (block.children() if isinstance(block, nn.Sequential) else [block])]
    tokens = "patches" in network.blocks
    if tokens:
        last = blocks[-1]
        at = len(layers) - (len(list(last.children())) if isinstance(last, nn.Sequential) else 1)
    else:
        at = next((at for at, layer in enumerate(layers) if _pools(layer)), len(layers))
        if isinstance(layers[at - 1], nn.MaxPool2d):
            at -= 1
    classifier = Classifier(
        nn.Sequential(*layers[at:], network.pool, network.head),
        tokens=tokens,
        sigmoid=network.head_kind == "sigmoid",
    )
    return SplitNetwork(nn.Sequential(*layers[:at]).eval(), classifier.eval())


def _pools(layer: nn.Module) -> bool:
    """Whether a layer ends the feature map: it pools all of it, or begins with that."""
    if isinstance(layer, nn.Sequential) and len(layer):
        return _pools(layer[0])
    return isinstance(layer, POOLS)
