"""The catalog of networks: blocks, freeze points, sizes, preprocessing, source of the weights. No torch.

Pages and the command line read this without loading torch; `models.network` builds the networks described here,
and tests compare the two, and both with torchvision's own metadata.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from models.efficientnet_lite_entry import EFFICIENTNET_LITE0
from models.entry import Block, GreyRanges, NetworkEntry, Preprocessing, Weights
from models.errors import NetworkError
from models.petnet_entry import PETNET
from models.torchvision_entries import TORCHVISION_ENTRIES

__all__ = [
    "ACTIVATIONS",
    "CATALOG",
    "HEADS",
    "Block",
    "GreyRanges",
    "NetworkEntry",
    "Preprocessing",
    "ScratchOptions",
    "Weights",
    "get_entry",
    "head_neurons",
    "head_parameters",
]

ACTIVATIONS = ("relu", "gelu", "silu", "mish")
HEADS = ("softmax", "sigmoid")
LARGEST_SCRATCH = 150_000_000  # parameters; a little more than VGG-16, the largest network of the catalog
RESIZE_MARGIN = 1.14  # ImageNet's habit: images of 256 px for crops of 224


@dataclass(frozen=True)
class ScratchOptions:
    """How `scratch_cnn` is built.

    Attributes:
        filters: of each convolution block, first to last; each block halves the image.
        kernel_size: width of a filter in pixels, odd.
        activation: one of `ACTIVATIONS`.
        dropout: share of dense neurons silenced in training, below 1.
        image_size: width and height of the input in pixels.
    """

    filters: tuple[int, ...] = (32, 64, 128, 128, 256)
    kernel_size: int = 3
    activation: str = "relu"
    batch_norm: bool = True
    dropout: float = 0.3
    dense_neurons: int = 128
    image_size: int = 128


def get_entry(name: str, options: ScratchOptions | None = None) -> NetworkEntry:
    """The description of a network.

    Args:
        options: for `scratch_cnn` only; its blocks and preprocessing follow from them.
    Raises:
        NetworkError: the name is unknown, or an option does not fit.
    """
    if name not in CATALOG:
        raise NetworkError(f"Network {name!r} is unknown: choose one of {', '.join(CATALOG)}.")
    if options is None:
        return CATALOG[name]
    if name != "scratch_cnn":
        raise NetworkError(f"{CATALOG[name].title} has no options: leave them out, or choose scratch_cnn.")
    return _describe_scratch(options)


def head_parameters(entry: NetworkEntry, classes: int, head: str) -> int:
    """Weights and biases of the output layer.

    Args:
        head: `softmax` (a neuron per class) or `sigmoid` (one neuron for two classes).
    Raises:
        NetworkError: the head is unknown or does not fit the number of classes.
    """
    return (entry.feature_width + 1) * head_neurons(classes, head)


def head_neurons(classes: int, head: str) -> int:
    """Neurons of the output layer.

    Raises:
        NetworkError: the head is unknown or does not fit the number of classes.
    """
    if head not in HEADS:
        raise NetworkError(f"Head {head!r} is unknown: choose one of {', '.join(HEADS)}.")
    if classes < 2:
        raise NetworkError(f"A classifier needs at least 2 classes, not {classes}: add pictures of another class.")
    if head == "softmax":
        return classes
    if classes != 2:
        raise NetworkError(f"The sigmoid head is for two classes, not {classes}: choose the head softmax.")
    return 1


def _describe_scratch(options: ScratchOptions) -> NetworkEntry:
    _check_scratch(options)
    kernel_area = options.kernel_size**2
    blocks = []
    channels = 3
    for place, filters in enumerate(options.filters, start=1):
        side_px = options.image_size >> place
        # a bias per filter, or, with batch norm in its place, a scale and a shift
        parameters = channels * filters * kernel_area + filters * (2 if options.batch_norm else 1)
        title = f"Convolution {place}: {_count(filters, 'filter')}, {side_px} px"
        blocks.append(Block(f"conv{place}", title, parameters))
        channels = filters
    dense = Block("dense", f"Dense: {_count(options.dense_neurons, 'neuron')}", (channels + 1) * options.dense_neurons)
    blocks.append(dense)
    entry = NetworkEntry(
        name="scratch_cnn",
        title="Small CNN of your own",
        family="Scratch",
        summary="A small network that you shape: it starts from random weights and learns only from your pictures.",
        preprocessing=Preprocessing(round(options.image_size * RESIZE_MARGIN), options.image_size),
        weights=None,
        blocks=tuple(blocks),
        feature_width=options.dense_neurons,
        default_freeze=blocks[max(1, round(len(blocks) * 2 / 3)) - 1].name,
    )
    if entry.backbone_parameters > LARGEST_SCRATCH:
        raise NetworkError(
            f"These filters and dense neurons make {entry.backbone_parameters / 1e6:.0f} million parameters: "
            f"choose fewer or smaller ones, for at most {LARGEST_SCRATCH / 1e6:.0f} million."
        )
    return entry


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _check_scratch(options: ScratchOptions) -> None:
    if not options.filters or min(options.filters) < 1:
        raise NetworkError("filters needs at least one convolution block, each with one filter or more.")
    if options.kernel_size < 1 or options.kernel_size % 2 == 0:
        raise NetworkError(f"kernel_size is {options.kernel_size}: choose an odd number such as 3, 5 or 7.")
    if options.activation not in ACTIVATIONS:
        raise NetworkError(f"Activation {options.activation!r} is unknown: choose one of {', '.join(ACTIVATIONS)}.")
    if not 0 <= options.dropout < 1:
        raise NetworkError(f"dropout is {options.dropout}: choose a share from 0 to below 1.")
    if options.dense_neurons < 1:
        raise NetworkError(f"dense_neurons is {options.dense_neurons}: choose 1 or more.")
    smallest_px = 2 ** len(options.filters)
    if options.image_size < smallest_px:
        raise NetworkError(
            f"image_size is {options.image_size} px, too small to be halved by {len(options.filters)} "
            f"convolution blocks: choose at least {smallest_px} px, or fewer filters."
        )


CATALOG: Mapping[str, NetworkEntry] = MappingProxyType(
    {
        entry.name: entry
        for entry in (_describe_scratch(ScratchOptions()), EFFICIENTNET_LITE0, PETNET, *TORCHVISION_ENTRIES)
    }
)
