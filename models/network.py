"""A network of named blocks and a head, and how it is frozen, built and loaded.

Names in the state dict are stable: `blocks.<block>.…` and `head.linear.…`. Freezing at a block stops
everything up to and including it: no gradients, and eval mode for good, so that BatchNorm statistics,
dropout and stochastic depth do not change either. That frozen prefix is a pure function of the pixels, so its
output can be stored and used again. Saving and loading trained networks is not done here.
"""

from collections import OrderedDict
from pathlib import Path
from typing import Any, Self

import torch
from safetensors.torch import load
from torch import Tensor, nn

from models.catalog import ScratchOptions, get_entry, head_neurons
from models.efficientnet_lite import rename_weights
from models.errors import NetworkError, WeightsError
from models.pretrained import Parts, build_original, take_apart
from models.scratch_cnn import build_blocks


class Scale(nn.Module):
    """Multiplies features by one number, which is no part of the state dict."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, features: Tensor) -> Tensor:
        return features * self.factor


class Network(nn.Module):
    """Blocks from input to features, and a new head.

    Args:
        name: in the catalog.
        parts: the blocks, the pooling after them, the head's dropout.
        feature_width: numbers per image that reach the head.
        classes: how many.
        head: `softmax` (a neuron per class) or `sigmoid` (one neuron, two classes).
    Raises:
        NetworkError: the head does not fit the number of classes.
    """

    def __init__(self, name: str, parts: Parts, feature_width: int, classes: int, head: str) -> None:
        super().__init__()
        self.name = name
        self.classes = classes
        self.head_kind = head
        self.blocks = nn.ModuleDict(parts.blocks)
        self.pool = parts.pool
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        if parts.dropout:
            # not in place: the input of the head may be a stored activation that is used again
            layers["dropout"] = nn.Dropout(parts.dropout)
        layers["linear"] = nn.Linear(feature_width, head_neurons(classes, head))
        self.head = nn.Sequential(layers)
        self._freeze_point: str | None = None

    @property
    def freeze_point(self) -> str | None:
        """The last frozen block; None if everything is trainable."""
        return self._freeze_point

    def freeze(self, point: str | None) -> None:
        """Freeze all blocks up to and including `point`, and make the rest trainable; None makes everything trainable.

        Raises:
            NetworkError: there is no such block.
        """
        if point is not None and point not in self.blocks:
            raise NetworkError(f"{self.name} has no block {point!r}: choose one of {', '.join(self.blocks)}.")
        self._freeze_point = point
        frozen = self._frozen_count()
        for place, block in enumerate(self.blocks.values()):
            for parameter in block.parameters():
                parameter.requires_grad_(place >= frozen)
                if place < frozen:
                    parameter.grad = None  # a leftover gradient would let an optimizer move it
        self.train(self.training)

    def train(self, mode: bool = True) -> Self:
        """Set training mode, but never for frozen blocks."""
        super().train(mode)
        for block in list(self.blocks.values())[: self._frozen_count()]:
            block.eval()
        return self

    def forward(self, x: Tensor) -> Tensor:
        """Logits of images.

        Args:
            x: (B, 3, H, W) float, normalised.
        Returns:
            (B, classes), or (B, 1) with the sigmoid head.
        """
        return self.trainable_part(self.frozen_prefix(x))

    def frozen_prefix(self, x: Tensor) -> Tensor:
        """The output of the last frozen block, without gradients; the images themselves if nothing is frozen.

        With every block frozen the pooling is included: (B, feature_width).
        """
        frozen = self._frozen_count()
        if not frozen:
            return x
        with torch.no_grad():
            for block in list(self.blocks.values())[:frozen]:
                x = block(x)
            return self.pool(x) if frozen == len(self.blocks) else x

    def trainable_part(self, x: Tensor) -> Tensor:
        """Logits from the output of `frozen_prefix`, which is left as it is."""
        return self.head(self.features(x))  # type: ignore[no-any-return]  # modules give Any

    def features(self, x: Tensor) -> Tensor:
        """What reaches the head, (B, feature_width), from the output of `frozen_prefix`."""
        frozen = self._frozen_count()
        for block in list(self.blocks.values())[frozen:]:
            x = block(x)
        return self.pool(x) if frozen < len(self.blocks) else x

    @property
    def feature_scale(self) -> float:
        """What the head multiplies features by in front of its linear layer; 1 where it takes them as they are."""
        scale = getattr(self.head, "scale", None)
        return scale.factor if isinstance(scale, Scale) else 1.0

    def scale_features(self, factor: float) -> None:
        """Let the head multiply features by a number in front of its linear layer; 1 takes them as they are."""
        layers = OrderedDict((name, layer) for name, layer in self.head.named_children() if name != "scale")
        if factor != 1.0:
            layers = OrderedDict([("scale", Scale(factor)), *layers.items()])
        self.head = nn.Sequential(layers)

    def folded_state(self) -> dict[str, Tensor]:
        """The state dict of the same network without a scale: the linear layer's weights have taken it over."""
        state: dict[str, Tensor] = self.state_dict()
        if self.feature_scale != 1.0:
            state["head.linear.weight"] = state["head.linear.weight"] * self.feature_scale
        return state

    def probabilities(self, logits: Tensor) -> Tensor:
        """(B, classes) from logits, float32, or float64 if they are; with the sigmoid head the neuron is class 1."""
        if logits.dtype is not torch.float64:
            logits = logits.float()
        if self.head_kind == "softmax":
            return logits.softmax(dim=1)
        return torch.cat([torch.sigmoid(-logits), torch.sigmoid(logits)], dim=1)

    def parameter_groups(self, learning_rate: float, backbone_factor: float) -> list[dict[str, Any]]:
        """Groups for an optimizer: the trainable part of the backbone, if any, and the head last.

        Args:
            learning_rate: of the head.
            backbone_factor: the backbone's learning rate is `learning_rate * backbone_factor`.
        """
        groups: list[dict[str, Any]] = []
        backbone = [parameter for parameter in self.blocks.parameters() if parameter.requires_grad]
        if backbone:
            groups.append({"params": backbone, "lr": learning_rate * backbone_factor})
        groups.append({"params": list(self.head.parameters()), "lr": learning_rate})
        return groups

    def renew_head(self, seed: int) -> None:
        """Give the head the random weights that a new network of this seed would have."""
        linear = self.head.get_submodule("linear")
        assert isinstance(linear, nn.Linear)
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            fresh = nn.Linear(linear.in_features, linear.out_features)
        linear.load_state_dict(fresh.state_dict())

    def parameter_counts(self) -> tuple[int, int]:
        """(all parameters, those that learn)."""
        everything = list(self.parameters())
        return sum(p.numel() for p in everything), sum(p.numel() for p in everything if p.requires_grad)

    def _frozen_count(self) -> int:
        return 0 if self._freeze_point is None else list(self.blocks).index(self._freeze_point) + 1


def build(
    name: str,
    classes: int,
    *,
    head: str = "softmax",
    options: ScratchOptions | None = None,
    seed: int | None = None,
) -> Network:
    """A network with random weights.

    Args:
        options: for `scratch_cnn` only.
        seed: same seed, same weights, with torch's global generator left as it was; None draws from it.
    Raises:
        NetworkError: the network is unknown, or options or head do not fit.
    """
    entry = get_entry(name, options)
    head_neurons(classes, head)  # refuse before the slow part
    with torch.random.fork_rng(devices=[], enabled=seed is not None):
        if seed is not None:
            torch.default_generator.manual_seed(seed)
        if name == "scratch_cnn":
            chosen = options or ScratchOptions()
            parts = Parts(build_blocks(chosen), nn.Identity(), chosen.dropout)
        else:
            parts = take_apart(name, build_original(name, classes=1))
        return Network(name, parts, entry.feature_width, classes, head)


def build_pretrained(
    name: str, classes: int, *, head: str = "softmax", seed: int | None = None, weights_file: Path
) -> Network:
    """A network with a pretrained backbone under a fresh head.

    Args:
        seed: of the head; None draws from torch's global generator.
        weights_file: as for `load_original`.
    Raises:
        NetworkError: the network is unknown or has no pretrained weights, or the head does not fit.
        WeightsError: the file is missing, damaged, of another network, or holds numbers that are not finite.
    """
    entry = get_entry(name)
    head_neurons(classes, head)
    parts = take_apart(name, load_original(name, weights_file))
    with torch.random.fork_rng(devices=[], enabled=seed is not None):
        if seed is not None:
            torch.default_generator.manual_seed(seed)
        return Network(name, parts, entry.feature_width, classes, head)


def load_original(name: str, weights_file: Path) -> nn.Module:
    """The network as it was published, with its classifier, or petnet's backbone, with the weights of a file.

    Args:
        weights_file: a state dict, as it was published or as safetensors.
    Raises:
        NetworkError: the network is unknown or has no pretrained weights.
        WeightsError: the file is missing, damaged, of another network, or holds numbers that are not finite.
    """
    entry = get_entry(name)
    if entry.weights is None:
        raise NetworkError(f"{entry.title} has no pretrained weights: build it with random ones.")
    try:
        state = _read_state(weights_file, entry.repair)
    except FileNotFoundError as error:
        raise WeightsError(f"The weights file {weights_file.name} is missing: {entry.remedy}.") from error
    if name == "efficientnet_lite0":
        state = rename_weights(state)
    with torch.device("meta"):  # no time and no random numbers for weights that are replaced at once
        original = build_original(name)
    try:
        original.load_state_dict(state, assign=True)
    except (RuntimeError, TypeError, AttributeError) as error:
        text = f"The weights file {weights_file.name} does not hold {entry.title}: {entry.repair}."
        raise WeightsError(text) from error
    return original


def _read_state(path: Path, remedy: str) -> dict[str, Tensor]:
    try:
        if path.suffix == ".safetensors":
            state = load(path.read_bytes())  # not mapped: a file that is cut off later would end the process
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except (FileNotFoundError, MemoryError):
        raise
    except PermissionError as error:
        raise WeightsError(f"The weights file {path.name} may not be read: change its permissions.") from error
    except Exception as error:  # damaged bytes make torch.load raise a dozen kinds
        raise WeightsError(f"The weights file {path.name} is damaged or cut off: {remedy}.") from error
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise WeightsError(f"The weights file {path.name} holds no weights: {remedy}.")
    for key, value in state.items():
        if value.is_floating_point():
            if not bool(torch.isfinite(value).all()):
                raise WeightsError(f"The weights file {path.name} holds numbers that are not finite: {remedy}.")
            if value.dtype is not torch.float32:
                state[key] = value.float()
    return state
