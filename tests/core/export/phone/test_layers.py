"""Networks as lists of layers: the same answers as the networks themselves, or a sentence."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from core.errors import ExportError
from core.export.formats import FORMATS
from core.export.phone.interpreter import Interpreter
from core.export.phone.layers import lower_network
from core.export.phone.packed_weights import pack, unpack
from models.catalog import ACTIVATIONS, CATALOG, ScratchOptions
from models.network import Network, build

PHONE = FORMATS["phone"]
HELD = [name for name, entry in CATALOG.items() if entry.backbone_parameters <= (PHONE.most_parameters or 0)]
ROUNDING = 1e-3  # of a probability, by weights in 16 bits


@pytest.fixture(autouse=True)
def one_seed() -> None:
    torch.manual_seed(7)


def draw_pictures(count: int, size_px: int) -> torch.Tensor:
    """Coloured fields with noise on them."""
    return nn.functional.interpolate(torch.randn(count, 3, 2, 2), size_px) + torch.randn(count, 3, size_px, size_px) / 4


def lively(network: Network, size_px: int) -> Network:
    """The network as after a training: its BatchNorms know such pictures, and its logits differ between them."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.reset_running_stats()
            module.momentum = None  # the mean of all
            nn.init.uniform_(module.weight, 0.8, 1.2)
            nn.init.normal_(module.bias, std=0.1)
    linear = network.head.get_submodule("linear")
    assert isinstance(linear, nn.Linear)
    pictures = draw_pictures(8, size_px)
    with torch.no_grad():
        network.train()(pictures)
        logits = network.eval()(pictures)
        linear.weight /= logits.std(dim=0)[:, None]
        linear.bias.copy_((linear.bias - logits.mean(dim=0)) / logits.std(dim=0))
    return network


def assert_same(network: Network, size_px: int) -> None:
    """The layers answer as the network, also after their weights were packed."""
    pictures = draw_pictures(4, size_px)
    with torch.inference_mode():
        read = network.features(network.frozen_prefix(pictures))
        own = network.probabilities(network.head(read))
    listed = lower_network(network, "It", size_px)
    weights, biases = unpack(pack(listed.layers, listed.weights, listed.biases), listed.layers)
    found, features = Interpreter(replace(listed, weights=weights, biases=biases)).run(pictures)
    assert float(own.std(dim=0).max()) > 10 * ROUNDING  # pictures make a difference
    assert float((found - own).abs().max()) < ROUNDING
    assert float(nn.functional.cosine_similarity(features, read).min()) > 1 - ROUNDING


@pytest.mark.parametrize("name", HELD)
def test_the_layers_of_a_network_answer_as_the_network(name: str) -> None:
    assert_same(lively(build(name, 3), 96), 96)


@pytest.mark.parametrize("head", ["softmax", "sigmoid"])
@pytest.mark.parametrize("batch_norm", [True, False])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_every_option_of_a_scratch_network_has_its_layers(activation: str, batch_norm: bool, head: str) -> None:
    options = ScratchOptions((8, 12, 12), 5, activation, batch_norm, 0.2, 10, 40)
    assert_same(lively(build("scratch_cnn", 2, head=head, options=options), 40), 40)


def test_a_scale_in_front_of_the_head_is_kept() -> None:
    network = lively(build("petnet", 3), 64)
    network.scale_features(0.25)
    assert_same(network, 64)


def test_an_odd_size_keeps_its_edges() -> None:
    for name in ("petnet", "squeezenet1_0", "resnet18"):
        assert_same(lively(build(name, 2), 75), 75)


@pytest.mark.parametrize(
    ("block", "what"),
    [
        (nn.Sequential(nn.Conv2d(3, 4, 3, dilation=2)), "a convolution with gaps or unusual padding"),
        (nn.Sequential(nn.Conv2d(3, 4, 3, padding=1, padding_mode="reflect")), "unusual padding"),
        (nn.Sequential(nn.Conv2d(3, 4, 1), nn.InstanceNorm2d(4)), "InstanceNorm2d"),
        (nn.Sequential(nn.AvgPool2d(3, padding=1), nn.Conv2d(3, 4, 1)), "an average that counts padding"),
        (nn.Sequential(nn.Conv2d(3, 4, 1), nn.GELU("tanh")), "GELU"),
        (nn.Sequential(nn.ZeroPad2d(1), nn.MaxPool2d(2), nn.Conv2d(3, 4, 1)), "padding without a convolution"),
    ],
)
def test_a_step_without_a_counterpart_is_refused_by_name(block: nn.Module, what: str) -> None:
    network = build("scratch_cnn", 2, options=ScratchOptions((4,), image_size=32, batch_norm=False))
    network.blocks["conv1"] = block
    with pytest.raises(ExportError, match=f"It cannot be a phone page, because .*{what}: choose ONNX"):
        lower_network(network, "It", 32)


def test_weights_that_are_not_finite_are_refused() -> None:
    network = build("scratch_cnn", 2, options=ScratchOptions((4,), image_size=32))
    with torch.no_grad():
        network.get_parameter("blocks.conv1.conv.weight")[0] = torch.inf
    with pytest.raises(ExportError, match="some of its weights are not finite"):
        lower_network(network, "It", 32)


def test_networks_that_are_too_large_are_refused_before_anything_is_read() -> None:
    assert set(CATALOG) - set(HELD) == {"resnet50", "vgg16", "convnext_tiny", "vit_b_16"}
    with pytest.raises(
        ExportError, match="Vision Transformer B/16 has 86 million parameters, too many for a phone page"
    ):
        PHONE.check_holds(CATALOG["vit_b_16"])
    PHONE.check_holds(CATALOG["resnet18"])
