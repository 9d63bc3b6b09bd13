"""A network cut in two at its last feature map: where heat maps are read.

The cut comes before every pooling that ends the backbone: VGG's and the small CNN's last blocks pool what they found,
and the map before that is finer. A vision transformer is cut before its last layer, because behind that only the class
token counts and nothing that patches do there could matter; its patches are laid out as a map again.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.network import Network

POOLS = (nn.AdaptiveAvgPool2d, nn.Flatten)


class Rest(nn.Module):
    """From the feature map to scores: (B, C, h, w) -> (B, classes); the map passes through `tap`.

    Args:
        after: what follows the map, with pooling and head.
        tokens: whether `after` reads (B, 1 + h w, C), class token first.
    """

    def __init__(self, after: nn.Module, *, tokens: bool, sigmoid: bool) -> None:
        super().__init__()
        self.tap = nn.Identity()
        self.after = after
        self.tokens = tokens
        self.sigmoid = sigmoid

    def forward(self, maps: Tensor, class_token: Tensor | None = None) -> Tensor:
        x = self.tap(maps)
        if class_token is not None:
            x = torch.cat([class_token, x.flatten(2).transpose(1, 2)], dim=1)
        logits: Tensor = self.after(x).float()
        return torch.cat([-logits, logits], dim=1) if self.sigmoid else logits


@dataclass(frozen=True)
class Cut:
    """A network in two parts, sharing its weights."""

    before: nn.Module
    rest: Rest

    @torch.no_grad()
    def look(self, pictures: Tensor) -> tuple[Tensor, Tensor | None]:
        """(B, 3, H, W) normalised -> the feature map (B, C, h, w), and the class token (B, 1, C) if there is one."""
        found: Tensor = self.before(pictures)
        if not self.rest.tokens:
            return found, None
        side = round((found.shape[1] - 1) ** 0.5)
        return found[:, 1:].transpose(1, 2).reshape(len(found), -1, side, side), found[:, :1]


def cut(network: Network) -> Cut:
    """Cut a network at its last feature map."""
    blocks = list(network.blocks.values())
    steps = [step for block in blocks for step in (block.children() if isinstance(block, nn.Sequential) else [block])]
    tokens = "patches" in network.blocks
    if tokens:
        last = blocks[-1]
        place = len(steps) - (len(list(last.children())) if isinstance(last, nn.Sequential) else 1)
    else:
        place = next((place for place, step in enumerate(steps) if _pools(step)), len(steps))
        if isinstance(steps[place - 1], nn.MaxPool2d):
            place -= 1
    rest = Rest(
        nn.Sequential(*steps[place:], network.pool, network.head),
        tokens=tokens,
        sigmoid=network.head_kind == "sigmoid",
    )
    return Cut(nn.Sequential(*steps[:place]).eval(), rest.eval())


def _pools(step: nn.Module) -> bool:
    """Whether a step ends the map: a pooling over all of it, or one that begins with that."""
    if isinstance(step, nn.Sequential) and len(step):
        return _pools(step[0])
    return isinstance(step, POOLS)
