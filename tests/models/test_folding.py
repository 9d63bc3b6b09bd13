"""Folded copies answer as the networks do, without a BatchNorm, and leave the networks alone."""

import copy

import pytest
import torch
from torch import nn

from models.catalog import CATALOG
from models.folding import fold_network, fold_prefix
from models.network import Network, build
from tests.support.networks import NETWORKS


def with_statistics(name: str) -> Network:
    """A network whose BatchNorms do something: fresh ones neither scale nor shift."""
    network = build(name, 3, seed=0)
    generator = torch.Generator().manual_seed(1)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for values in (module.weight.data, module.running_var):
                values.copy_(torch.rand(values.shape, generator=generator) + 0.5)
            for values in (module.bias.data, module.running_mean):
                values.copy_(0.2 * torch.randn(values.shape, generator=generator))
    return network


def norms(module: nn.Module) -> int:
    return sum(isinstance(part, nn.BatchNorm2d) for part in module.modules())


@pytest.mark.parametrize("name", NETWORKS)
def test_folded_copies_answer_as_the_network_does(name: str) -> None:
    network = with_statistics(name)
    entry = CATALOG[name]
    side = entry.preprocessing.crop_px if name == "vit_b_16" else 96  # enough for every BatchNorm
    pictures = torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(2))
    before = copy.deepcopy(network.state_dict())
    network.eval()
    for point in (entry.freeze_points[-1], entry.default_freeze):
        network.freeze(point)
        prefix = fold_prefix(network)
        with torch.inference_mode():
            wanted, found = network.frozen_prefix(pictures), prefix(pictures)
        assert found.shape == wanted.shape
        assert float((found - wanted).norm()) <= 1e-4 * float(wanted.norm())
        assert norms(prefix) == 0
    whole = fold_network(network)
    with torch.inference_mode():
        wanted, found = network(pictures), whole(pictures)
    assert float((found - wanted).norm()) <= 1e-4 * float(wanted.norm())
    after = network.state_dict()
    assert all(torch.equal(before[key], after[key]) for key in before)


def test_one_folded_copy_serves_equal_prefixes_and_no_others() -> None:
    first, equal, other = build("petnet", 2, seed=0), build("petnet", 3, seed=0), build("petnet", 2, seed=1)
    for network in (first, equal, other):
        network.freeze("top")
    assert fold_prefix(first) is fold_prefix(equal)  # the heads differ, the prefixes do not
    assert fold_prefix(other) is not fold_prefix(first)
    kept = fold_prefix(first)
    first.freeze("stage3")
    assert fold_prefix(first) is not kept


@pytest.mark.parametrize("name", ["petnet", "squeezenet1_0"])
def test_a_folded_prefix_does_not_learn_with_its_network(name: str) -> None:
    network = build(name, 2, seed=3)
    network.freeze(CATALOG[name].freeze_points[-1])
    prefix = fold_prefix(network)
    pictures = torch.randn(1, 3, 96, 96)
    with torch.no_grad():
        before = prefix(pictures)
        for parameter in network.parameters():
            parameter.add_(1.0)
        assert torch.equal(prefix(pictures), before)


def test_what_cannot_be_traced_is_used_as_it_is() -> None:
    class Wilful(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x if bool(x.sum() > 0) else -x  # a decision that tracing cannot follow

    network = build("petnet", 2, seed=0)
    network.blocks["stem"] = nn.Sequential(network.blocks["stem"], Wilful())
    network.freeze("top")
    prefix = fold_prefix(network)
    pictures = torch.randn(1, 3, 64, 64)
    with torch.inference_mode():
        assert torch.equal(prefix(pictures), network.eval().frozen_prefix(pictures))
