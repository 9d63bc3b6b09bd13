"""A network behind the input that apps for TensorFlow Lite give, whatever its own size: 224 px, values in [-1, 1]."""

from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.entry import Preprocessing
from models.network import Network

SIDE_PX = 224  # that Teachable Machine's files take, and so the apps and robots that were written for them


class TfliteGraph(nn.Module):
    """Takes (1, 224, 224, 3) float32 in [-1, 1], RGB; gives (1, classes) float32 that sum to 1.

    Undoes the scaling, resizes to the network's own size and cuts its centre out, normalises, and answers.
    """

    resize: Tensor
    factor: Tensor
    shift: Tensor
    spread: Tensor

    def __init__(self, network: Network, spec: Preprocessing) -> None:
        super().__init__()
        self.network = network
        mean, deviation = torch.tensor(spec.mean), torch.tensor(spec.std)
        self.fits = spec.resize_px == spec.crop_px == SIDE_PX
        self.register_buffer("resize", resize_matrix(spec), persistent=False)
        self.register_buffer("factor", (0.5 / deviation).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("shift", ((0.5 - mean) / deviation).view(1, 3, 1, 1), persistent=False)
        # one neuron z of a sigmoid head: the softmax of -z/2 and z/2 is sigmoid(-z) and sigmoid(z)
        self.register_buffer("spread", torch.tensor([[-0.5, 0.5]]), persistent=False)

    def forward(self, pixels: Tensor) -> Tensor:
        x = self._resized(pixels.permute(0, 3, 1, 2))  # (1, 3, S, S)
        logits: Tensor = self.network(x * self.factor + self.shift)
        if self.network.head_kind == "sigmoid":
            logits = logits @ self.spread
        return torch.softmax(logits, dim=1)

    def _resized(self, pixels: Tensor) -> Tensor:
        """(1, 3, 224, 224) -> (1, 3, S, S), by the same matrix across and down.

        As linear layers, which runtimes compute fast with 8 bits, too, unlike products of matrices.
        """
        if self.fits:
            return pixels
        across = F.linear(pixels, self.resize).transpose(2, 3)
        return F.linear(across, self.resize).transpose(2, 3)


def resize_matrix(spec: Preprocessing) -> Tensor:
    """(crop_px, 224): what resizes 224 pixels in a row to `resize_px`, antialiased, and keeps `crop_px` of them.

    Resizing is linear and the same for every row, so that the picture of ones on a diagonal shows its weights.
    """
    diagonal = torch.eye(SIDE_PX).view(1, 1, SIDE_PX, SIDE_PX)
    whole = F.interpolate(diagonal, (spec.resize_px, SIDE_PX), mode=spec.interpolation, antialias=True)[0, 0]
    return whole[spec.margin_px : spec.margin_px + spec.crop_px].clone()


def app_pictures(spec: Preprocessing) -> Preprocessing:
    """How the picture that an app gives comes to be: made square as the run did, all of the square at 224 px."""
    return replace(spec, resize_px=SIDE_PX, crop_px=SIDE_PX)
