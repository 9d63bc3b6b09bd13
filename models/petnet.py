"""petnet: a compact residual network made for processors without a GPU; its weights come with the program.

Plain 3x3 convolutions throughout: on a CPU they run near its peak, where depthwise ones wait for memory. The last
layer has as many features as the teacher from which the weights were distilled (`tools/distill`).
Source: He et al., Deep Residual Learning (2016), with the average-pooled shortcuts of He et al., Bag of Tricks (2019).
"""

from collections import OrderedDict

from torch import Tensor, nn

STAGE_CHANNELS = (32, 64, 128, 256)
STAGE_DEPTHS = (1, 1, 2, 1)  # residual units of each stage
FEATURES = 1280


class Residual(nn.Module):
    """Two 3x3 convolutions with a shortcut around them: (B, in, H, W) -> (B, out, H / stride, W / stride)."""

    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels_out, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(channels_out)
        self.conv2 = nn.Conv2d(channels_out, channels_out, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(channels_out)
        self.activation = nn.ReLU(inplace=True)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or channels_in != channels_out:
            layers: OrderedDict[str, nn.Module] = OrderedDict()
            if stride != 1:
                layers["pool"] = nn.AvgPool2d(stride, ceil_mode=True, count_include_pad=False)
            layers["conv"] = nn.Conv2d(channels_in, channels_out, 1, bias=False)
            layers["norm"] = nn.BatchNorm2d(channels_out)
            self.shortcut = nn.Sequential(layers)

    def forward(self, x: Tensor) -> Tensor:
        y = self.activation(self.norm1(self.conv1(x)))
        y = self.norm2(self.conv2(y))
        return self.activation(y + self.shortcut(x))  # type: ignore[no-any-return]  # modules give Any


def build_backbone() -> nn.Sequential:
    """The blocks by name, stem to top, with random weights from torch's global generator.

    Returns:
        (B, 3, H, W) normalised as for ImageNet -> (B, FEATURES, H / 32, W / 32), not negative.
    """
    first = STAGE_CHANNELS[0]
    blocks: OrderedDict[str, nn.Module] = OrderedDict()
    blocks["stem"] = nn.Sequential(
        OrderedDict(
            conv1=nn.Conv2d(3, first // 2, 3, 2, 1, bias=False),
            norm1=nn.BatchNorm2d(first // 2),
            activation1=nn.ReLU(inplace=True),
            conv2=nn.Conv2d(first // 2, first, 3, 2, 1, bias=False),
            norm2=nn.BatchNorm2d(first),
            activation2=nn.ReLU(inplace=True),
        )
    )
    channels = first
    for place, (width, depth) in enumerate(zip(STAGE_CHANNELS, STAGE_DEPTHS, strict=True), start=1):
        units: OrderedDict[str, nn.Module] = OrderedDict()
        for unit in range(1, depth + 1):
            stride = 2 if unit == 1 and place > 1 else 1
            units[f"unit{unit}"] = Residual(channels, width, stride)
            channels = width
        blocks[f"stage{place}"] = nn.Sequential(units)
    blocks["top"] = nn.Sequential(
        OrderedDict(
            conv=nn.Conv2d(channels, FEATURES, 1, bias=False),
            norm=nn.BatchNorm2d(FEATURES),
            activation=nn.ReLU(inplace=True),
        )
    )
    network = nn.Sequential(blocks)
    for module in network.modules():
        # without memory there is nothing to draw, and torch would load its compiler for that
        if isinstance(module, nn.Conv2d) and not module.weight.is_meta:
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    return network
