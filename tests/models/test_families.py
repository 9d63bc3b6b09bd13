"""Every network of the catalog, with random weights: shapes, counts, freezing, torchvision's own answers."""

import copy
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.catalog import CATALOG, get_entry, head_parameters
from models.network import Network, build
from models.pretrained import Patches, build_original, classifier_of, take_apart
from models.torchvision_entries import TORCHVISION_ENTRIES
from tests.support.networks import NETWORKS

SIDE_PX = {"scratch_cnn": 64, "vit_b_16": 224}  # smallest that works and leaves BatchNorm something to see
CLASSES = 3
TORCHVISION = {entry.name for entry in TORCHVISION_ENTRIES}


@pytest.fixture(scope="module", params=NETWORKS)
def built(request: pytest.FixtureRequest) -> Network:
    """One network of each family, shared by the tests of this file; each sets the freezing that it needs."""
    return build(request.param, CLASSES, seed=0)


@pytest.fixture
def network(built: Network) -> Iterator[Network]:
    built.freeze(None)
    built.train()
    built.zero_grad(set_to_none=True)
    yield built
    built.zero_grad(set_to_none=True)


def images(name: str) -> Tensor:
    """Random pictures, the same every time: (4, 3, H, W), or a single one for the network that is slow."""
    count = 1 if name == "vit_b_16" else 4
    side_px = SIDE_PX.get(name, 32)
    return torch.randn(count, 3, side_px, side_px, generator=torch.Generator().manual_seed(1))


def snapshot(module: nn.Module) -> dict[str, Tensor]:
    return {key: value.detach().clone() for key, value in module.state_dict(keep_vars=True).items()}


def test_blocks_and_parameters_are_those_of_the_catalog(network: Network) -> None:
    entry = get_entry(network.name)
    counted = [(name, sum(p.numel() for p in block.parameters())) for name, block in network.blocks.items()]
    assert counted == [(block.name, block.parameters) for block in entry.blocks]
    everything = entry.backbone_parameters + head_parameters(entry, CLASSES, "softmax")
    assert network.parameter_counts() == (everything, everything)
    for place, point in enumerate(entry.freeze_points):
        network.freeze(point)
        left = sum(block.parameters for block in entry.blocks[place + 1 :])
        assert network.parameter_counts() == (everything, left + head_parameters(entry, CLASSES, "softmax"))


def test_state_dict_names_begin_with_block_or_head(network: Network) -> None:
    blocks = get_entry(network.name).freeze_points
    for key in network.state_dict():
        assert key.startswith(tuple(f"blocks.{name}." for name in blocks)) or key.startswith("head.linear."), key


def test_forward_is_the_trainable_part_of_the_frozen_prefix(network: Network) -> None:
    network.eval()
    batch = images(network.name)
    entry = get_entry(network.name)
    for point in (None, entry.default_freeze, entry.freeze_points[-1]):
        network.freeze(point)
        with torch.no_grad():
            logits = network(batch)
            prefix = network.frozen_prefix(batch)
            kept = prefix.clone()
            assert logits.shape == (len(batch), CLASSES)
            assert torch.equal(network.trainable_part(prefix), logits)
            assert torch.equal(prefix, kept), "a kept activation must not change when it is used"
            assert torch.allclose(network.probabilities(logits).sum(dim=1), torch.ones(len(batch)))
    assert prefix.shape == (len(batch), entry.feature_width)


def test_using_a_kept_activation_in_training_leaves_it_as_it_is(network: Network) -> None:
    batch = images(network.name)
    for point in (get_entry(network.name).default_freeze, get_entry(network.name).freeze_points[-1]):
        network.freeze(point)
        network.train()
        prefix = network.frozen_prefix(batch)
        assert not prefix.requires_grad
        kept = prefix.clone()
        network.trainable_part(prefix).sum().backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        assert torch.equal(prefix, kept)


@pytest.mark.parametrize("where", ["head only", "default"])
def test_no_frozen_weight_or_statistic_moves_by_one_bit(network: Network, where: str) -> None:
    entry = get_entry(network.name)
    point = entry.freeze_points[-1] if where == "head only" else entry.default_freeze
    batch = images(network.name)
    labels = torch.tensor([0, 1, 2, 0])[: len(batch)]
    if where == "default" and network.name not in ("vgg16", "vit_b_16"):
        # gradients that are left over from before must not move what is frozen now
        F.cross_entropy(network(batch), labels).backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    network.freeze(point)
    assert network.freeze_point == point
    before = snapshot(network)
    # every parameter on purpose, frozen ones too: weight decay must find nothing to pull at
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-2, weight_decay=0.1)
    for _ in range(2):
        network.train()
        F.cross_entropy(network(batch), labels).backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    after = snapshot(network)
    frozen_blocks = entry.freeze_points[: entry.freeze_points.index(point) + 1]
    frozen = tuple(f"blocks.{name}." for name in frozen_blocks)
    assert any(key.startswith(frozen) for key in before)
    for key, value in before.items():
        if key.startswith(frozen):
            assert torch.equal(after[key], value), key
    for part in ("head", *(f"blocks.{name}" for name in entry.freeze_points if name not in frozen_blocks)):
        parameters = [key for key, _ in network.named_parameters() if key.startswith(f"{part}.")]
        moved = [key for key in parameters if not torch.equal(after[key], before[key])]
        assert moved, f"{part} should have learned"
    for key in before:
        if key.endswith("running_mean") and not key.startswith(frozen):
            assert not torch.equal(after[key], before[key]), f"{key} should have followed the pictures"


def test_frozen_blocks_stay_in_eval_mode_and_wake_up_again(network: Network) -> None:
    entry = get_entry(network.name)
    network.freeze(entry.default_freeze)
    network.train()
    last = entry.freeze_points.index(entry.default_freeze)
    for place, block in enumerate(network.blocks.values()):
        assert all(module.training == (place > last) for module in block.modules())
        assert all(p.requires_grad == (place > last) for p in block.parameters())
    network.freeze(None)
    assert all(module.training for module in network.modules())
    assert all(p.requires_grad for p in network.parameters())
    network.eval()
    network.freeze(entry.default_freeze)
    network.freeze(None)
    assert not any(module.training for module in network.modules())


def test_a_frozen_prefix_answers_the_same_in_training_mode(network: Network) -> None:
    entry = get_entry(network.name)
    network.freeze(entry.freeze_points[-1])
    batch = images(network.name)
    network.eval()
    expected = network.frozen_prefix(batch)
    network.train()
    assert torch.equal(network.frozen_prefix(batch), expected)


@pytest.mark.parametrize("name", [case for case in NETWORKS if case.values[0] in TORCHVISION])
def test_with_the_original_classifier_the_logits_are_those_of_torchvision(name: str) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        original = build_original(name, classes=10).eval()
        with torch.no_grad():  # zeros, ones and 1e-6 of fresh networks would hide a wrong order
            for key, parameter in original.named_parameters():
                if parameter.ndim == 1 or "token" in key:
                    parameter.add_(torch.randn_like(parameter), alpha=0.1)
                if "layer_scale" in key:
                    parameter.fill_(0.3)
            if name == "vit_b_16":
                classifier_of(original)[0].normal_(std=0.05)
    weight, bias = classifier_of(original)
    with torch.no_grad():
        batch = images(name)
        if name == "squeezenet1_0":  # its own head differs: compare what reaches the head
            expected = original.get_submodule("features")(batch).mean(dim=(2, 3)) @ weight.T + bias
        else:
            expected = original(batch)
        network = Network(name, take_apart(name, original), CATALOG[name].feature_width, 10, "softmax")
        network.eval()
        linear = network.head.get_submodule("linear")
        linear.load_state_dict({"weight": weight, "bias": bias})
        scale = float(expected.abs().max())
        assert float(expected.std()) > 0
        assert torch.allclose(network(batch) / scale, expected / scale, atol=1e-5, rtol=0)


@pytest.mark.parametrize("name", ["mobilenet_v3_small", "resnet18"])
def test_a_copy_in_channels_last_answers_the_same(name: str) -> None:
    network = build(name, CLASSES, seed=0).eval()
    batch = images(name)
    other = copy.deepcopy(network).to(memory_format=torch.channels_last)
    with torch.no_grad():
        expected = network(batch)
        found = other(batch.to(memory_format=torch.channels_last))
    assert torch.allclose(found, expected, atol=1e-4)


def test_the_entry_of_a_vision_transformer_takes_any_number_of_pictures_also_when_exported() -> None:
    entry = Patches(nn.Conv2d(3, 8, 16, 16), nn.Parameter(torch.zeros(1, 1, 8)), nn.Parameter(torch.zeros(1, 5, 8)))
    shapes = ({0: torch.export.Dim("pictures")},)
    program = torch.export.export(entry.eval(), (torch.rand(2, 3, 32, 32),), dynamic_shapes=shapes)
    assert program.module()(torch.rand(7, 3, 32, 32)).shape == (7, 5, 8)
