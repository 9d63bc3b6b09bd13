"""Answers with the layers of a phone page, as `web/engine.js` does: the check of a page that no browser has opened."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from core.export.phone.layers import PICTURE, Layer, LayerList

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "relu": F.relu,
    "relu6": F.relu6,
    "silu": F.silu,
    "gelu": F.gelu,
    "mish": F.mish,
    "hardswish": F.hardswish,
    "hardsigmoid": F.hardsigmoid,
    "sigmoid": torch.sigmoid,
}


class Interpreter:
    """A network from its layers.

    Args:
        listed: as read from a file.
    """

    def __init__(self, listed: LayerList) -> None:
        self._listed = listed
        self._weights = torch.from_numpy(listed.weights)
        self._biases = torch.from_numpy(listed.biases)

    def answer(self, pictures: Tensor) -> Tensor:
        """(B, 3, S, S) float32, normalised -> (B, classes) that sum to 1."""
        return self.run(pictures)[0]

    @torch.inference_mode()
    def run(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 3, S, S) float32, normalised -> (B, classes) that sum to 1, and (B, F), what the last layer reads."""
        values = {PICTURE: pictures}
        layers = self._listed.layers
        last = {place: number for number, layer in enumerate(layers, start=1) for place in layer.inputs}
        for number, layer in enumerate(layers, start=1):
            result = self._compute(layer, [values[place] for place in layer.inputs])
            values[number] = ACTIVATIONS[layer.activation](result) if layer.activation else result
            for place in set(layer.inputs):
                if last[place] == number and place != self._listed.features:
                    del values[place]
        logits, features = values[len(layers)].flatten(1), values[self._listed.features].flatten(1)
        if self._listed.head == "softmax":
            return logits.softmax(dim=1), features
        return torch.cat([torch.sigmoid(-logits), torch.sigmoid(logits)], dim=1), features

    def _compute(self, layer: Layer, inputs: list[Tensor]) -> Tensor:
        first = inputs[0]
        match layer.op:
            case "conv":
                return self._convolve(layer, first)
            case "max":
                return F.max_pool2d(_fit(layer, first, float("-inf")), layer.kernel, layer.stride)
            case "average":
                counted = F.avg_pool2d(_fit(layer, torch.ones_like(first[:, :1]), 0.0), layer.kernel, layer.stride)
                return F.avg_pool2d(_fit(layer, first, 0.0), layer.kernel, layer.stride) / counted
            case "mean":
                return first.mean(dim=(2, 3), keepdim=True)
            case "add":
                return first + inputs[1]
            case "multiply":
                return first * inputs[1]
            case "concat":
                return torch.cat(inputs, dim=1)
            case "scale":
                return first * layer.factor
            case _:
                return first  # `activation` has nothing else to do

    def _convolve(self, layer: Layer, source: Tensor) -> Tensor:
        filters, depth = layer.shape[2], source.shape[1] // layer.groups
        down, across = layer.kernel
        numbers = self._weights[layer.weights : layer.weights + layer.numbers]
        if depth == 1 and layer.groups == filters:
            weight = numbers.view(down, across, filters, 1).permute(2, 3, 0, 1)
        else:
            weight = numbers.view(filters, down, across, depth).permute(0, 3, 1, 2)
        bias = self._biases[layer.biases : layer.biases + filters]
        return F.conv2d(_fit(layer, source, 0.0), weight.contiguous(), bias, layer.stride, groups=layer.groups)


def _fit(layer: Layer, source: Tensor, value: float) -> Tensor:
    """A map with as much around it as the layer looks at; what no window reaches is cut off."""
    ends = []
    for axis in (1, 0):  # across, down: the order of F.pad
        first = layer.padding[axis]
        wanted = (layer.shape[axis] - 1) * layer.stride[axis] + layer.kernel[axis]
        ends += [first, wanted - first - source.shape[2 + axis]]
    return F.pad(source, ends, value=value)
