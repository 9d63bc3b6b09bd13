"""The networks of notebooks: how torchvision's are cut before their own classes, and where their blocks lie."""

import torch
from torch import nn

from models.catalog import CATALOG
from models.pretrained import build_original, take_apart

CUTS = {
    "mobilenet_v2": "classifier = nn.Identity()",
    "mobilenet_v3_small": "classifier = backbone.classifier[:2]",
    "squeezenet1_0": "classifier = nn.AdaptiveAvgPool2d(1)",
    "resnet18": "fc = nn.Identity()",
    "resnet50": "fc = nn.Identity()",
    "vgg16": "classifier = backbone.classifier[:5]",
    "efficientnet_b0": "classifier = nn.Identity()",
    "convnext_tiny": "classifier = backbone.classifier[:2]",
    "vit_b_16": "heads = nn.Identity()",
}  # what replaces the last layer of torchvision's network
ARCHITECTURES = {
    "scratch_cnn": "notebook_scratch.txt",
    "petnet": "notebook_petnet.txt",
    "efficientnet_lite0": "notebook_lite0.txt",
}  # written out: torchvision does not have them
BACKBONE = "backbone."
ACTIVATIONS = {"relu": "ReLU", "gelu": "GELU", "silu": "SiLU", "mish": "Mish"}  # of the scratch CNN


def find_blocks(name: str, blocks: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """Block -> the starts of the names of all that lies in it, in a notebook's network.

    Args:
        blocks: their names, from input to head.
    """
    if name in ARCHITECTURES:
        return {block: (f"{BACKBONE}{block}.",) for block in blocks}
    with torch.device("meta"):
        original = build_original(name)
    parts = take_apart(name, original)
    return {block: tuple(_name_parts(original, parts.blocks[block])) for block in blocks}


def _name_parts(original: nn.Module, block: nn.Module) -> list[str]:
    """The largest modules of the original that lie in the block, and its parameters that lie in none of them."""
    own = set(map(id, block.modules()))
    leaves = {id(module) for module in original.modules() if not list(module.children())}

    def is_inside(module: nn.Module) -> bool:
        inner = [part for part in module.modules() if id(part) in leaves]
        direct = list(module.parameters(recurse=False))
        return id(module) in own or (bool(inner) and not direct and all(id(part) in own for part in inner))

    out: list[str] = []
    for name, module in original.named_modules():
        if name and is_inside(module) and not f"{BACKBONE}{name}.".startswith(tuple(out)):
            out.append(f"{BACKBONE}{name}.")
    held = {id(parameter) for parameter in block.parameters()}
    for name, parameter in original.named_parameters():
        if id(parameter) in held and not f"{BACKBONE}{name}".startswith(tuple(out)):
            out.append(f"{BACKBONE}{name}")
    return out


def load_backbone(name: str, backbone: nn.Module, blocks: nn.ModuleDict) -> None:
    """Give a notebook's backbone the weights of a run's blocks: the same tensors in the same order."""
    own = dict(backbone.named_children()) if name in ARCHITECTURES else take_apart(name, backbone).blocks
    for block, part in blocks.items():
        values, target = part.state_dict().values(), own[block].state_dict()
        own[block].load_state_dict(dict(zip(target, values, strict=True)))


def is_in_torchvision(name: str) -> bool:
    """Whether a notebook takes the network from torchvision."""
    return name in CATALOG and name not in ARCHITECTURES
