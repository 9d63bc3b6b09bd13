"""A trained network as a short list of layers that the engine of a phone page knows.

The network is traced with its BatchNorms folded into convolutions; each step becomes one layer, an activation part of
the layer before it. Arrays are (height, width, channels), as `web/engine.js` keeps them.
"""

import operator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torchvision
from torch import Tensor, fx, nn
from torch.fx.passes.shape_prop import ShapeProp

from core.errors import ExportError
from models.folding import fold_network
from models.network import Network

FEW = 5_000  # weights of a layer that are not rounded
PICTURE = 0  # the place of the input; layers are counted from 1
ACTIVATIONS: dict[type[nn.Module], str] = {
    nn.ReLU: "relu",
    nn.ReLU6: "relu6",
    nn.SiLU: "silu",
    nn.GELU: "gelu",
    nn.Mish: "mish",
    nn.Hardswish: "hardswish",
    nn.Hardsigmoid: "hardsigmoid",
    nn.Sigmoid: "sigmoid",
}
SKIPPED = (nn.Dropout, nn.Dropout2d, nn.Identity)  # what does nothing after training


@dataclass(frozen=True)
class Layer:
    """One step of a network.

    Attributes:
        op: `conv`, `max`, `average`, `mean` (over the whole picture), `add`, `multiply`, `concat`, `scale` or
            `activation`.
        inputs: places of what it takes, `PICTURE` or of a layer.
        shape: of its result, (height, width, channels).
        activation: applied to the result; empty for none.
        kernel, stride, padding: (down, across) in pixels; the padding is that at the top and on the left, and what is
            missing at the other ends follows from the shape.
        weights, biases: places of its first numbers among those of the network. Weights of a convolution are (filters,
            down, across, channels of a group), of one that filters each channel by itself (down, across, channels).
        numbers: of weights; 0 for what is no convolution.
        exact: the file keeps them unrounded.
        factor: of `scale`.
    """

    op: str
    inputs: tuple[int, ...]
    shape: tuple[int, int, int]
    activation: str = ""
    kernel: tuple[int, int] = (1, 1)
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    groups: int = 1
    weights: int = 0
    biases: int = 0
    numbers: int = 0
    exact: bool = False
    factor: float = 1.0


@dataclass(frozen=True, eq=False)
class LayerList:
    """A whole network.

    Attributes:
        head: `softmax`, or `sigmoid` (one neuron, two classes).
        layers: in the order in which they are computed; the last one gives the logits.
        multiplications: for one picture.
    """

    size_px: int
    head: str
    layers: tuple[Layer, ...]
    weights: npt.NDArray[np.float32]
    biases: npt.NDArray[np.float32]
    multiplications: int

    @property
    def features(self) -> int:
        """The place of what the last layer reads."""
        return self.layers[-1].inputs[0]


def lower_network(network: Network, title: str, size_px: int) -> LayerList:
    """The layers of a trained network.

    Args:
        title: of the network, for sentences.
    Raises:
        ExportError: the network has a step that the page's engine does not know, or weights that are no numbers.
    """
    try:
        traced = fx.symbolic_trace(fold_network(network.eval()))
        with torch.inference_mode():
            ShapeProp(traced).propagate(torch.zeros(1, 3, size_px, size_px))
    except Exception as error:  # tracing raises many kinds where the steps depend on the picture
        raise ExportError(_refusal(title, "it is not a fixed list of layers")) from error
    return _Lowering(title, traced).run(size_px, network.head_kind)


def _refusal(title: str, why: str) -> str:
    return f"{title} cannot be a phone page, because {why}: choose ONNX, or train MobileNetV2 or PetNet."


@dataclass
class _Lowering:
    title: str
    traced: fx.GraphModule
    layers: list[Layer] = field(default_factory=list)
    weights: list[npt.NDArray[np.float32]] = field(default_factory=list)
    biases: list[npt.NDArray[np.float32]] = field(default_factory=list)
    places: dict[fx.Node, int] = field(default_factory=dict)
    padded: dict[fx.Node, tuple[int, int]] = field(default_factory=dict)  # at the top and left, by a layer of its own
    made: dict[fx.Node, int] = field(default_factory=dict)  # the layer that a node itself became
    multiplications: int = 0

    def run(self, size_px: int, head: str) -> LayerList:
        for node in self.traced.graph.nodes:
            if node.op == "placeholder":
                self.places[node] = PICTURE
            elif node.op == "call_module":
                self._module(node, self.traced.get_submodule(str(node.target)))
            elif node.op in ("call_function", "call_method"):
                self._function(node)
            elif node.op != "output":
                raise self._unknown(node.op)
        weights = np.concatenate(self.weights)
        if not np.isfinite(weights).all():
            raise ExportError(_refusal(self.title, "some of its weights are not finite"))
        return LayerList(
            size_px,
            head,
            tuple(self.layers),
            weights,
            np.concatenate(self.biases),
            self.multiplications,
        )

    def _module(self, node: fx.Node, module: nn.Module) -> None:
        kind = type(module)
        if isinstance(module, SKIPPED):
            self.places[node] = self._place(node.args[0])
        elif kind in ACTIVATIONS and getattr(module, "approximate", "none") == "none":
            self._activate(node, ACTIVATIONS[kind])
        elif isinstance(module, nn.Conv2d):
            self._convolve(node, module)
        elif isinstance(module, nn.Linear):
            if self._shape(node.args[0])[:2] != (1, 1):
                raise self._unknown("a dense layer over a whole map")
            self._weigh(node, module.weight.view(*module.weight.shape, 1, 1), module.bias)
        elif isinstance(module, nn.ZeroPad2d):
            left, _, top, _ = module.padding
            if set(node.users) and not all(self._is_convolution(user) for user in node.users):
                raise self._unknown("padding without a convolution")
            self.places[node], self.padded[node] = self._place(node.args[0]), (top, left)
        elif isinstance(module, nn.MaxPool2d):
            if _pair(module.dilation) != (1, 1):
                raise self._unknown("pooling with gaps")
            self._pool(node, "max", module)
        elif isinstance(module, nn.AvgPool2d):
            if module.divisor_override is not None or (module.count_include_pad and _pair(module.padding) != (0, 0)):
                raise self._unknown("an average that counts padding")
            self._pool(node, "average", module)
        elif isinstance(module, nn.AdaptiveAvgPool2d) and _pair(module.output_size) == (1, 1):
            self._add(node, Layer("mean", (self._place(node.args[0]),), self._shape(node)))
        elif isinstance(module, nn.Flatten):
            self._flatten(node)
        else:
            raise self._unknown(kind.__name__)

    def _function(self, node: fx.Node) -> None:
        step = node.target
        if step in (operator.add, operator.iadd, torch.add, "add", "add_"):
            self._combine(node, "add")
        elif step in (operator.mul, operator.imul, torch.mul, "mul"):
            if any(isinstance(value, int | float) for value in node.args):
                factor = next(float(value) for value in node.args if isinstance(value, int | float))
                source = next(value for value in node.args if isinstance(value, fx.Node))
                self._add(node, Layer("scale", (self._place(source),), self._shape(node), factor=factor))
            else:
                self._combine(node, "multiply")
        elif step in (torch.cat, torch.concat) and (node.args[1:] == (1,) or node.kwargs.get("dim") == 1):
            parts = node.args[0]
            assert isinstance(parts, list | tuple)
            self._add(node, Layer("concat", tuple(self._place(part) for part in parts), self._shape(node)))
        elif step in (torch.flatten, "flatten"):
            self._flatten(node)
        elif step is torchvision.ops.stochastic_depth:
            self.places[node] = self._place(node.args[0])  # skips nothing after training
        else:
            raise self._unknown(getattr(step, "__name__", str(step)))

    def _combine(self, node: fx.Node, op: str) -> None:
        one, other = node.args
        if op == "multiply" and self._shape(one)[:2] == (1, 1):  # a factor for each channel comes second
            one, other = other, one
        small, whole = self._shape(other), self._shape(node)
        if self._shape(one) != whole or small not in (whole, (1, 1, whole[2])) or (op == "add" and small != whole):
            raise self._unknown("a sum of different shapes")
        self._add(node, Layer(op, (self._place(one), self._place(other)), whole))

    def _flatten(self, node: fx.Node) -> None:
        if self._shape(node.args[0])[:2] != (1, 1):
            raise self._unknown("a dense layer over a whole map")
        self.places[node] = self._place(node.args[0])

    def _convolve(self, node: fx.Node, module: nn.Conv2d) -> None:
        if isinstance(module.padding, str) or module.padding_mode != "zeros" or _pair(module.dilation) != (1, 1):
            raise self._unknown("a convolution with gaps or unusual padding")
        top, left = _pair(module.padding)
        source = node.args[0]
        assert isinstance(source, fx.Node)
        more = self.padded.get(source, (0, 0))
        self._weigh(
            node, module.weight, module.bias, _pair(module.stride), (top + more[0], left + more[1]), module.groups
        )

    def _weigh(
        self,
        node: fx.Node,
        weight: Tensor,
        bias: Tensor | None,
        stride: tuple[int, int] = (1, 1),
        padding: tuple[int, int] = (0, 0),
        groups: int = 1,
    ) -> None:
        filters, depth, down, across = weight.shape
        by_channel = depth == 1 and groups == filters
        order = (2, 3, 0, 1) if by_channel else (0, 2, 3, 1)
        shape = self._shape(node)
        layer = Layer(
            "conv",
            (self._place(node.args[0]),),
            shape,
            kernel=(down, across),
            stride=stride,
            padding=padding,
            groups=groups,
            weights=sum(map(len, self.weights)),
            biases=sum(map(len, self.biases)),
            numbers=weight.numel(),
            exact=by_channel or weight.numel() <= FEW,
        )
        self.weights.append(weight.detach().float().permute(order).flatten().numpy())
        self.biases.append((torch.zeros(filters) if bias is None else bias.detach().float()).numpy())
        self.multiplications += shape[0] * shape[1] * weight.numel()
        self._add(node, layer)

    def _pool(self, node: fx.Node, op: str, module: nn.MaxPool2d | nn.AvgPool2d) -> None:
        source, shape = (self._place(node.args[0]),), self._shape(node)
        kernel, stride = _pair(module.kernel_size), _pair(module.stride)
        self._add(node, Layer(op, source, shape, kernel=kernel, stride=stride, padding=_pair(module.padding)))

    def _activate(self, node: fx.Node, name: str) -> None:
        source = node.args[0]
        assert isinstance(source, fx.Node)
        place = self._place(source)
        # the result of the layer before is used by nothing else: the activation becomes part of it
        if place != PICTURE and len(source.users) == 1 and self.made.get(source) == place:
            before = self.layers[place - 1]
            if not before.activation:
                self.layers[place - 1] = replace(before, activation=name)
                self.places[node] = place
                return
        self._add(node, Layer("activation", (place,), self._shape(node), activation=name))

    def _add(self, node: fx.Node, layer: Layer) -> None:
        self.layers.append(layer)
        self.places[node] = self.made[node] = len(self.layers)

    def _place(self, value: Any) -> int:
        if not isinstance(value, fx.Node):
            raise self._unknown("a constant")
        return self.places[value]

    def _shape(self, value: Any) -> tuple[int, int, int]:
        """(height, width, channels) of one picture; of a vector (1, 1, features)."""
        sides = tuple(value.meta["tensor_meta"].shape)
        if len(sides) == 2:
            return 1, 1, sides[1]
        if len(sides) != 4:
            raise self._unknown("a list of patches")
        return sides[2], sides[3], sides[1]

    def _is_convolution(self, node: fx.Node) -> bool:
        return node.op == "call_module" and isinstance(self.traced.get_submodule(str(node.target)), nn.Conv2d)

    def _unknown(self, what: str) -> ExportError:
        return ExportError(_refusal(self.title, f"the page's engine does not know {what}"))


def _pair(value: Any) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else (int(value[0]), int(value[1]))
