"""Published networks and petnet, taken apart into named blocks at which a backbone can be frozen.

Only names and grouping change: with the original classifier's weights in the head, the logits are the
original's. One exception, SqueezeNet: its original head is dropout, 1x1 convolution, ReLU, global average
pooling; here it is global average pooling, dropout, linear, as for the other networks, because that ReLU
lets no logit fall below zero. The features before the head are the original's there too.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.efficientnet_lite import build_network as build_efficientnet_lite
from models.petnet import build_backbone as build_petnet


@dataclass(frozen=True)
class Parts:
    """A network in pieces.

    Attributes:
        blocks: from input to head, by the names in the catalog.
        pool: without parameters; turns what the last block yields into (B, feature_width).
        dropout: of the original head, in front of its linear layer; 0 where it has none.
    """

    blocks: dict[str, nn.Module]
    pool: nn.Module
    dropout: float


class Patches(nn.Module):
    """Entry of a vision transformer: (B, 3, 224, 224) -> (B, 1 + 196, 768), class token first."""

    def __init__(self, projection: nn.Module, class_token: nn.Parameter, positions: nn.Parameter) -> None:
        super().__init__()
        self.projection = projection
        self.class_token = class_token  # (1, 1, 768)
        self.positions = positions  # (1, 1 + 196, 768)

    def forward(self, x: Tensor) -> Tensor:
        patches = self.projection(x).flatten(2).transpose(1, 2)  # (B, 196, 768)
        token = self.class_token.expand(patches.shape[0], -1, -1)  # len would fix the batch in an export
        return torch.cat([token, patches], dim=1) + self.positions


class TakeClassToken(nn.Module):
    """(B, 1 + patches, F) -> (B, F): the token that stands for the whole image."""

    def forward(self, x: Tensor) -> Tensor:
        return x[:, 0]


def build_original(name: str, classes: int = 1000) -> nn.Module:
    """The network as it was published, or petnet's backbone, with random weights from torch's global generator."""
    if name == "petnet":
        return build_petnet()
    if name == "efficientnet_lite0":
        return build_efficientnet_lite(classes)
    import torchvision  # takes 170 MB, and petnet needs none of it

    original: nn.Module = torchvision.models.get_model(name, weights=None, num_classes=classes)
    return original


def take_apart(name: str, original: nn.Module) -> Parts:
    """The named blocks of a published network; its classifier is left behind.

    Args:
        name: in the catalog, not `scratch_cnn`.
        original: from `build_original`; the blocks share its tensors.
    """
    return _FAMILIES[name](original)


def classifier_of(original: nn.Module) -> tuple[Tensor, Tensor]:
    """Weight (classes, feature_width) and bias (classes) of the last layer of a published network."""
    weight, bias = list(original.parameters())[-2:]
    return weight.flatten(1), bias


def _pooled() -> nn.Module:
    return nn.Sequential(OrderedDict(pool=nn.AdaptiveAvgPool2d(1), flatten=nn.Flatten(1)))


def _joined(network: nn.Module, *paths: str) -> nn.Module:
    parts = OrderedDict((path.rpartition(".")[2], network.get_submodule(path)) for path in paths)
    return nn.Sequential(parts)


def _features(network: nn.Module, places: Iterable[int]) -> nn.Module:
    return _joined(network, *(f"features.{place}" for place in places))


def _petnet(network: nn.Module) -> Parts:
    return Parts(dict(network.named_children()), _pooled(), 0.0)


def _resnet(network: nn.Module) -> Parts:
    blocks = {"stem": _joined(network, "conv1", "bn1", "relu", "maxpool")}
    for place in range(1, 5):
        blocks[f"layer{place}"] = network.get_submodule(f"layer{place}")
    return Parts(blocks, _pooled(), 0.0)


def _vgg16(network: nn.Module) -> Parts:
    ends = (0, 5, 10, 17, 24, 31)  # each block ends with its max-pool
    blocks = {f"block{place}": _features(network, range(ends[place - 1], ends[place])) for place in range(1, len(ends))}
    dense: OrderedDict[str, nn.Module] = OrderedDict()
    dense["pool"] = network.get_submodule("avgpool")
    dense["flatten"] = nn.Flatten(1)
    dense["fc6"] = network.get_submodule("classifier.0")
    dense["relu6"] = network.get_submodule("classifier.1")
    dense["dropout6"] = network.get_submodule("classifier.2")
    dense["fc7"] = network.get_submodule("classifier.3")
    dense["relu7"] = network.get_submodule("classifier.4")
    blocks["dense"] = nn.Sequential(dense)
    return Parts(blocks, nn.Identity(), 0.5)


def _mobilenet_v2(network: nn.Module) -> Parts:
    blocks = {
        "stem": _features(network, (0, 1)),
        "stage1": _features(network, (2, 3)),
        "stage2": _features(network, (4, 5, 6)),
        "stage3": _features(network, (7, 8, 9, 10)),
        "stage4": _features(network, (11, 12, 13)),
        "stage5": _features(network, (14, 15, 16)),
        "stage6": _features(network, (17,)),
        "top": _features(network, (18,)),
    }
    return Parts(blocks, _pooled(), 0.2)


def _mobilenet_v3_small(network: nn.Module) -> Parts:
    blocks = {
        "stem": _features(network, (0,)),
        "stage1": _features(network, (1,)),
        "stage2": _features(network, (2, 3)),
        "stage3": _features(network, (4, 5, 6)),
        "stage4": _features(network, (7, 8)),
        "stage5": _features(network, (9, 10, 11)),
        "top": _features(network, (12,)),
    }
    dense: OrderedDict[str, nn.Module] = OrderedDict()
    dense["pool"] = _pooled()
    dense["linear"] = network.get_submodule("classifier.0")
    dense["activation"] = network.get_submodule("classifier.1")
    blocks["dense"] = nn.Sequential(dense)
    return Parts(blocks, nn.Identity(), 0.2)


def _squeezenet1_0(network: nn.Module) -> Parts:
    blocks = {
        "stem": _features(network, range(3)),
        "fire2_4": _features(network, range(3, 7)),
        "fire5_8": _features(network, range(7, 12)),
        "fire9": _features(network, (12,)),
    }
    return Parts(blocks, _pooled(), 0.5)


def _efficientnet_b0(network: nn.Module) -> Parts:
    names = ("stem", *(f"stage{place}" for place in range(1, 8)), "top")
    blocks = {name: network.get_submodule(f"features.{place}") for place, name in enumerate(names)}
    return Parts(blocks, _pooled(), 0.2)


def _efficientnet_lite0(network: nn.Module) -> Parts:
    blocks = dict(network.named_children())
    del blocks["classifier"]
    pool, dropout = blocks.pop("pool"), blocks.pop("dropout")
    assert isinstance(dropout, nn.Dropout)
    return Parts(blocks, pool, dropout.p)


def _convnext_tiny(network: nn.Module) -> Parts:
    blocks = {
        "stem": network.get_submodule("features.0"),
        "stage1": _features(network, (1,)),
        "stage2": _features(network, (2, 3)),
        "stage3": _features(network, (4, 5)),
    }
    last: OrderedDict[str, nn.Module] = OrderedDict()
    last["6"] = network.get_submodule("features.6")
    last["7"] = network.get_submodule("features.7")
    last["pool"] = nn.AdaptiveAvgPool2d(1)
    last["norm"] = network.get_submodule("classifier.0")  # comes after the pooling, and has parameters
    blocks["stage4"] = nn.Sequential(last)
    return Parts(blocks, nn.Flatten(1), 0.0)


def _vit_b_16(network: nn.Module) -> Parts:
    class_token = network.get_parameter("class_token")
    positions = network.get_parameter("encoder.pos_embedding")
    blocks: dict[str, nn.Module] = {
        "patches": Patches(network.get_submodule("conv_proj"), class_token, positions),
    }
    for place in range(1, 12):
        blocks[f"layer{place}"] = network.get_submodule(f"encoder.layers.encoder_layer_{place - 1}")
    last: OrderedDict[str, nn.Module] = OrderedDict()
    last["layer"] = network.get_submodule("encoder.layers.encoder_layer_11")
    last["norm"] = network.get_submodule("encoder.ln")
    blocks["layer12"] = nn.Sequential(last)
    return Parts(blocks, TakeClassToken(), 0.0)


_FAMILIES: dict[str, Callable[[nn.Module], Parts]] = {
    "efficientnet_lite0": _efficientnet_lite0,
    "petnet": _petnet,
    "mobilenet_v2": _mobilenet_v2,
    "mobilenet_v3_small": _mobilenet_v3_small,
    "squeezenet1_0": _squeezenet1_0,
    "resnet18": _resnet,
    "resnet50": _resnet,
    "vgg16": _vgg16,
    "efficientnet_b0": _efficientnet_b0,
    "convnext_tiny": _convnext_tiny,
    "vit_b_16": _vit_b_16,
}
