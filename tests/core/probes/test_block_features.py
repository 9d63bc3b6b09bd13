"""One pass gives the pooled output of every block, and a pattern shows in the block that computes it, not before."""

import numpy as np
import pytest
import torch
from torch import nn

from core.probes.block_features import Features, read_block_features
from core.probes.probe_job import probe_blocks
from core.steps import StopSignal, run_step
from core.stores.augmentation import centre_crop, normalise, to_channels_first
from core.stores.hardware import Hardware
from core.stores.pixels import Pixels, PixelStore
from models.catalog import CATALOG, Preprocessing
from models.network import Network, build
from models.pretrained import Parts

HARDWARE = Hardware(torch.device("cpu"), "a processor", 1, "fp32", "a test")


class InMemory:
    """Pixels as a store holds them."""

    def __init__(self, pixels: Pixels) -> None:
        self.pixels = pixels

    def take(self, places: np.ndarray) -> Pixels:
        return self.pixels[places]


def read(network: Network, pixels: Pixels, spec: Preprocessing) -> list[Features]:
    backwards = np.arange(len(pixels))[::-1].copy()  # a store has an order of its own
    store = PixelStore(InMemory(pixels[backwards]), backwards, "drawn")  # type: ignore[arg-type]
    every = np.arange(len(pixels))
    return run_step(read_block_features(network, store, every, spec, HARDWARE, "Passing", StopSignal()))


@pytest.mark.parametrize("name", ["petnet", "mobilenet_v3_small", pytest.param("vit_b_16", marks=pytest.mark.slow)])
def test_the_last_block_is_what_the_head_reads_and_the_others_are_means_over_positions(name: str) -> None:
    network, spec = build(name, 2, seed=0).eval(), CATALOG[name].preprocessing
    pixels = np.random.default_rng(0).integers(0, 256, (3, spec.resize_px, spec.resize_px, 3), np.uint8)
    found = read(network, pixels, spec)
    assert len(found) == len(network.blocks)
    images = normalise(centre_crop(to_channels_first(pixels), spec), spec, HARDWARE.device)
    with torch.inference_mode():
        assert np.allclose(found[-1], network.features(images).numpy(), rtol=1e-3, atol=1e-4)
        first = next(iter(network.blocks.values()))(images)
    positions = (2, 3) if first.ndim == 4 else (1,)
    assert np.allclose(found[0], first.mean(dim=positions).numpy(), rtol=1e-3, atol=1e-4)


class Edges(nn.Module):
    """How much neighbouring columns differ."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (x[..., 1:] - x[..., :-1]).abs()


def test_a_pattern_is_found_after_the_block_that_computes_it_and_not_before() -> None:
    rng, count, side = np.random.default_rng(3), 120, 8
    labels = rng.integers(0, 2, count)
    pixels = np.empty((count, side, side, 3), np.uint8)
    for place, label in enumerate(labels):
        stripes = np.tile([90, 150], side // 2) if label else np.repeat([90, 150], side // 2)  # of the same mean
        pixels[place] = stripes[None, :, None] + rng.integers(-20, 20, (side, side, 3))
    blocks = {"raw": nn.Identity(), "smooth": nn.AvgPool2d(1), "edges": Edges(), "scaled": nn.Softplus()}
    network = Network(
        "planted", Parts(blocks, nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(1)), 0.0), 3, 2, "softmax"
    )
    found = read(network, pixels, Preprocessing(side, side))
    right = run_step(probe_blocks(found, labels[:80], labels[80:], 2, "Planted", StopSignal()))
    shares = [float(item.mean()) for item in right]
    assert max(shares[:2]) < 0.75
    assert min(shares[2:]) > 0.95
