"""The small CNN that is trained from scratch: convolution blocks that halve the image, then one dense layer.

Global average pooling between them keeps the dense layer small for every image size.
Source: Lin, Chen, Yan, Network in Network (2014), for the pooling; He et al. (2015) for the first weights.
"""

from collections import OrderedDict

from torch import nn

from models.catalog import ScratchOptions

_ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "mish": nn.Mish,
}


def build_blocks(options: ScratchOptions) -> dict[str, nn.Module]:
    """The blocks by name: conv1, conv2, ..., dense; random weights from torch's global generator.

    Args:
        options: checked by `models.catalog.get_entry`.
    Returns:
        Blocks that turn (B, 3, H, W) into (B, dense_neurons).
    """
    activation = _ACTIVATIONS[options.activation]
    blocks: dict[str, nn.Module] = {}
    channels = 3
    for place, filters in enumerate(options.filters, start=1):
        parts: OrderedDict[str, nn.Module] = OrderedDict()
        parts["conv"] = nn.Conv2d(
            channels,
            filters,
            options.kernel_size,
            padding=options.kernel_size // 2,
            bias=not options.batch_norm,
        )
        if options.batch_norm:
            parts["norm"] = nn.BatchNorm2d(filters)
        parts["activation"] = activation()
        parts["pool"] = nn.MaxPool2d(2)
        blocks[f"conv{place}"] = nn.Sequential(parts)
        channels = filters
    dense: OrderedDict[str, nn.Module] = OrderedDict()
    dense["pool"] = nn.AdaptiveAvgPool2d(1)
    dense["flatten"] = nn.Flatten(1)
    dense["linear"] = nn.Linear(channels, options.dense_neurons)
    dense["activation"] = activation()
    blocks["dense"] = nn.Sequential(dense)
    for block in blocks.values():
        for module in block.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
    return blocks
