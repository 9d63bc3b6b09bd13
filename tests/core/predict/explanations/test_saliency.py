"""Heatmaps light up where the evidence is, on the pixels that the network saw, for every network of the catalog."""

import sys
from functools import lru_cache
from io import BytesIO
from itertools import pairwise

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from core.errors import ExtraMissingError
from core.predict.explanations.heatmap import HEATMAP_COLOURS, MIN_SIDE_PX, describe_heatmap, draw_heatmap, upsample
from core.predict.explanations.saliency import grad_cam, occlusion, split_at_feature_map
from models.catalog import CATALOG, ScratchOptions
from models.network import Network, build
from models.pretrained import Parts

GRIDS = {
    "scratch_cnn": 8, "petnet": 5, "mobilenet_v2": 7, "mobilenet_v3_small": 7, "squeezenet1_0": 13, "resnet18": 7,
    "resnet50": 7, "vgg16": 14, "efficientnet_b0": 7, "convnext_tiny": 7, "vit_b_16": 14,
}  # fmt: skip


class OnePlace(nn.Module):
    """A pooling that reads one place of the map only."""

    def __init__(self, row: int, column: int) -> None:
        super().__init__()
        self.row, self.column = row, column

    def forward(self, x: Tensor) -> Tensor:
        return x[:, :, self.row, self.column]


def colour_network(pool: nn.Module) -> Network:
    """Its map is mean red and mean blue of each 8 x 8 px; class 0 is red, class 1 is blue."""
    cells = nn.Conv2d(3, 2, 8, stride=8, bias=False)
    with torch.no_grad():
        cells.weight.zero_()
        cells.weight[0, 0] = cells.weight[1, 2] = 1 / 64
    parts = Parts({"cells": nn.Sequential(cells, nn.ReLU())}, pool, 0.0)
    network = Network("colours", parts, 2, 2, "softmax")
    with torch.no_grad():
        network.head.linear.weight.copy_(torch.eye(2))
        network.head.linear.bias.zero_()
    return network.eval()


def pooled() -> nn.Module:
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(1))


def image_with(red: tuple[int, int], blue: tuple[int, int]) -> Tensor:
    """56 px, black, with one red and one blue cell of the map."""
    image = torch.zeros(1, 3, 56, 56)
    for band, (row, column) in ((0, red), (2, blue)):
        image[0, band, 8 * row : 8 * row + 8, 8 * column : 8 * column + 8] = 1.0
    return image


@pytest.mark.parametrize(("row", "column"), [(0, 0), (6, 0), (2, 5)])
def test_a_head_that_reads_one_place_lights_up_there_and_nowhere_else(row: int, column: int) -> None:
    network = colour_network(OnePlace(row, column))
    image = torch.zeros(1, 3, 56, 56)
    image[:, 0] = 1.0  # the same everywhere: only the head makes a difference
    hidden = occlusion(lambda x: network.probabilities(network(x)), image, 0, lambda *_: None)
    place = np.unravel_index(hidden.argmax(), hidden.shape)
    assert abs(place[0] - (8 * row + 4)) <= 14
    assert abs(place[1] - (8 * column + 4)) <= 14
    assert hidden[(8 * row + 40) % 56, (8 * column + 40) % 56] == 0


def test_each_class_lights_up_where_its_evidence_is() -> None:
    network = colour_network(pooled())
    red, blue = grad_cam(network, image_with(red=(0, 6), blue=(5, 1)), [0, 1])
    assert red.shape == blue.shape == (7, 7)
    assert np.unravel_index(red.argmax(), red.shape) == (0, 6)
    assert np.unravel_index(blue.argmax(), blue.shape) == (5, 1)
    assert (red > 0).sum() == (blue > 0).sum() == 1


def test_grad_cam_weighs_channels_by_their_mean_gradient() -> None:
    """Against the definition, written out: relu(sum over channels of mean gradient times map)."""
    torch.manual_seed(3)
    network = build("scratch_cnn", 3, options=ScratchOptions((4, 6), image_size=32, dense_neurons=5), seed=1).eval()
    image = torch.randn(1, 3, 32, 32)
    split = split_at_feature_map(network)
    maps = split.forward_features(image)[0].requires_grad_()
    for label, found in zip((2, 0), grad_cam(network, image, [2, 0]), strict=True):
        (gradient,) = torch.autograd.grad(split.classifier(maps)[0, label], maps)
        expected = (gradient.mean(dim=(2, 3), keepdim=True) * maps).sum(dim=1).relu()[0]
        assert np.allclose(found, expected.detach().numpy(), atol=1e-6)
        assert found.max() > 0 or label == 0


@lru_cache(maxsize=1)  # the tests that follow use the last one, which takes seconds to build
def catalog_network(name: str) -> Network:
    return build(name, 3, seed=0).eval()


@pytest.mark.parametrize("name", GRIDS)
def test_every_network_is_split_at_its_last_feature_map_and_answers_as_before(name: str) -> None:
    network = catalog_network(name)
    side = CATALOG[name].preprocessing.crop_px
    image = torch.randn(1, 3, side, side, generator=torch.Generator().manual_seed(1))
    split = split_at_feature_map(network)
    maps, token = split.forward_features(image)
    assert maps.shape[2:] == (GRIDS[name], GRIDS[name])
    with torch.no_grad():
        assert torch.allclose(split.classifier(maps, token), network(image), atol=1e-4)
    (grid,) = grad_cam(network, image, [1])
    assert grid.shape == (GRIDS[name], GRIDS[name])
    assert np.isfinite(grid).all()
    assert (grid >= 0).all()


def test_patches_of_a_transformer_lie_where_they_were_cut_from_the_picture() -> None:
    """A change of one patch of the input changes most that place of the map."""
    network = catalog_network("vit_b_16")
    image = torch.randn(1, 3, 224, 224, generator=torch.Generator().manual_seed(1))
    changed = image.clone()
    changed[:, :, 3 * 16 : 4 * 16, 11 * 16 : 12 * 16] += 3.0
    forward_features = split_at_feature_map(network).forward_features
    difference = (forward_features(changed)[0] - forward_features(image)[0]).norm(dim=1)[0].numpy()
    assert np.unravel_index(difference.argmax(), difference.shape) == (3, 11)


def test_the_two_classes_of_a_single_neuron_speak_against_each_other() -> None:
    torch.manual_seed(0)
    network = build("scratch_cnn", 2, head="sigmoid", options=ScratchOptions((4,), image_size=32), seed=1).eval()
    image = torch.randn(1, 3, 32, 32)
    split = split_at_feature_map(network)
    first, second = split.classifier(split.forward_features(image)[0])[0].tolist()
    assert first == -second != 0
    probabilities = network.probabilities(network(image))[0]
    assert (first > second) == bool(probabilities[0] > probabilities[1])
    for_first, for_second = grad_cam(network, image, [0, 1])
    assert for_first.max() > 0 or for_second.max() > 0
    assert not np.any((for_first > 0) & (for_second > 0))


def test_a_map_lies_on_the_pixels_that_it_came_from() -> None:
    grid = np.zeros((7, 7), np.float32)
    grid[1, 5] = 2.0
    saliency = upsample(grid, 224)
    assert saliency.shape == (224, 224)
    row, column = np.unravel_index(saliency.argmax(), saliency.shape)
    assert 32 <= row < 64
    assert 160 <= column < 192
    assert saliency.max() == 1.0
    weights = saliency / saliency.sum()
    centre = (weights.sum(axis=1) @ np.arange(224), weights.sum(axis=0) @ np.arange(224))
    assert np.allclose(centre, (47.5, 175.5), atol=0.5), "the middle of the cell"
    assert saliency[:16].max() == 0.0


def test_hiding_the_evidence_lowers_the_probability_and_nothing_else_does() -> None:
    network = colour_network(pooled())
    with torch.no_grad():
        network.head.linear.weight.mul_(300)
    found = occlusion(
        lambda x: network.probabilities(network(x)), image_with(red=(0, 0), blue=(6, 6)), 0, lambda *_: None
    )
    assert found[4, 4] > 0.3
    assert found[52, 52] < -0.3, "hiding the other class's evidence helps"
    assert abs(found[4, 52]) < 1e-6


def test_a_drawing_shows_the_picture_and_outlines_the_hot_part() -> None:
    pixels = np.full((64, 64, 3), 100, np.uint8)
    grid = np.zeros((4, 4), np.float32)
    grid[0, 0] = 1.0
    drawn = np.asarray(Image.open(BytesIO(draw_heatmap(pixels, upsample(grid, 64)))))
    assert drawn.shape == (64 * (MIN_SIDE_PX // 64), 192, 3)
    assert (drawn[-1, -1] == 100).all(), "what is cold stays as it was"
    assert drawn[0, 0, 0] > 200 > drawn[0, 0, 2], "the hottest place is the last colour"
    assert (drawn == 255).all(axis=2).any(), "an outline"
    cold = np.asarray(Image.open(BytesIO(draw_heatmap(pixels, upsample(np.zeros((4, 4), np.float32), 64)))))
    assert (cold == 100).all()


def test_colours_grow_lighter_so_that_they_differ_without_hue() -> None:
    light = [0.2126 * r + 0.7152 * g + 0.0722 * b for r, g, b in HEATMAP_COLOURS]
    assert all(after - before > 10 for before, after in pairwise(light))


def test_the_description_names_the_place() -> None:
    grid = np.zeros((3, 3), np.float32)
    grid[0, 2] = 1.0
    assert describe_heatmap(upsample(grid, 90)).split("%")[1].strip().startswith("of the heat is at the top right")
    assert describe_heatmap(np.zeros((9, 9), np.float32)) == "nothing in the picture supports this class"


def test_without_captum_one_sentence_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "captum", None)
    monkeypatch.setitem(sys.modules, "captum.attr", None)
    with pytest.raises(ExtraMissingError, match=r"^Install captum to see heatmaps: pip install -r requirements-exp"):
        grad_cam(colour_network(pooled()), torch.zeros(1, 3, 56, 56), [0])
