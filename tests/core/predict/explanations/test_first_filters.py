"""Drawings of the first layer, before and after training."""

from io import BytesIO

import numpy as np
from PIL import Image

from core.checkpoints.checkpoint import Checkpoint, save_checkpoint
from core.config.train_config import TrainConfig
from core.datasets.dataset import Dataset
from core.predict.explanations.first_filters import (
    COMPONENTS,
    GAP_PX,
    components_of,
    draw_filters,
    draw_grid,
    first_weights,
)
from core.runs.run_files import BEST, CHECKPOINTS
from core.runs.run_store import RunStore
from core.settings import Settings
from models.catalog import CATALOG
from models.network import build


def opened(data: bytes) -> np.ndarray:
    return np.asarray(Image.open(BytesIO(data)))


def test_filters_before_and_after_training_are_drawn(raced: Settings) -> None:
    run = RunStore(raced).all()[0]
    found = draw_filters(raced, run)
    assert found.count == found.shown in (4, 8)
    assert (found.side_px, found.components, found.pretrained, found.trouble) == (3, False, False, "")
    assert found.relative is not None
    assert found.relative > 0
    assert found.start is not None
    assert opened(found.start).shape == opened(found.trained).shape
    assert found.start != found.trained


def test_a_filter_is_drawn_in_its_own_colours_and_zero_is_grey() -> None:
    weights = np.zeros((2, 3, 2, 2), np.float32)
    weights[0, 0, 0, 1] = 2.0  # red, upper right
    weights[1, :, 1, 0] = -1.0  # dark, lower left
    sheet = opened(draw_grid(weights, np.array([2.0, 1.0], np.float32)))
    times = sheet.shape[0] // 32
    side = 32 * times
    assert sheet.shape == (side, 2 * side + GAP_PX * times, 4)
    assert tuple(sheet[2, side - 2]) == (255, 128, 128, 255)
    assert tuple(sheet[2, 2]) == (128, 128, 128, 255)
    assert sheet[2, side + 1, 3] == 0, "the gap is transparent"
    assert tuple(sheet[side - 2, side + GAP_PX * times + 2]) == (0, 0, 0, 255)


def test_the_first_layer_of_every_network_reads_three_colours() -> None:
    for name in ("petnet", "squeezenet1_0", "mobilenet_v3_small", "efficientnet_b0"):
        assert first_weights(build(name, 2, seed=0)).shape[1] == 3
    assert "scratch_cnn" in CATALOG


def test_many_filters_are_drawn_as_their_principal_components() -> None:
    rng = np.random.default_rng(0)
    patterns = rng.normal(size=(2, 3, 4, 4))
    weights = np.einsum("fk,kchw->fchw", rng.normal(size=(200, 2)) * (5, 1), patterns).astype(np.float32)
    found = components_of(weights)
    assert found.shape == (COMPONENTS, 3, 4, 4)
    first = found[0].ravel() / np.linalg.norm(found[0])
    assert abs(first @ (patterns[0].ravel() / np.linalg.norm(patterns[0]))) > 0.95


def test_without_the_pretrained_file_only_the_start_is_missing(settings: Settings, drawn: Dataset) -> None:
    config = TrainConfig(dataset="drawn", model="squeezenet1_0", strategy="head", epochs=1)
    run = RunStore(settings).create(config)
    save_checkpoint(
        run.folder / CHECKPOINTS,
        BEST,
        build("squeezenet1_0", 2),
        Checkpoint(config, drawn.classes, 1, None, config.entry().preprocessing),
    )
    found = draw_filters(settings, run)
    assert found.start is None
    assert found.relative is None
    assert "prefetch squeezenet1_0" in found.trouble
    assert (found.count, found.shown, found.side_px) == (96, 64, 7)
