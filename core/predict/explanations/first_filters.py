"""Drawings of the first layer's filters, before and after training."""

import math

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from core.checkpoints.checkpoint import load_network
from core.errors import WeightsError
from core.predict.explanations.explanation_answers import Filters
from core.predict.explanations.heatmap import to_png
from core.predict.explanations.projection import principal_components
from core.predict.explanations.weight_change import build_start, relative_change
from core.runs.run import Run
from core.runs.run_files import BEST
from core.settings import Settings
from models.network import Network

MAX_FILTERS = 64  # drawn
COMPONENTS = 28  # as many as in Dosovitskiy et al., An Image is Worth 16x16 Words (2021), figure 7
SIDE_PX = 32  # of one filter in the drawing, about
GAP_PX = 3

Weights = npt.NDArray[np.float32]


def draw_filters(settings: Settings, run: Run) -> Filters:
    """The filters of a run's first layer, and the same filters before training.

    Raises:
        RunError: if the run has no weights, or they are damaged.
    """
    trained, checkpoint = load_network(run.checkpoints, BEST)
    config = checkpoint.config
    after = first_weights(trained)
    before, trouble, relative = None, "", None
    try:
        before = first_weights(build_start(settings, config, len(checkpoint.classes)))
        relative = relative_change([(torch.from_numpy(before), torch.from_numpy(after))])
    except WeightsError as error:
        trouble = str(error)
    components = len(after) > 2 * MAX_FILTERS
    shown = [components_of(item) if components else item[:MAX_FILTERS] for item in (after, before) if item is not None]
    scales = np.stack([np.abs(item).reshape(len(item), -1).max(axis=1) for item in shown])
    # one scale for a filter before and after, so that growth is visible; components have length 1 anyway
    drawings = [draw_grid(item, scales.max(axis=0)) for item in shown]
    return Filters(
        count=len(after),
        shown=len(shown[0]),
        side_px=after.shape[-1],
        components=components,
        trained=drawings[0],
        start=drawings[1] if before is not None else None,
        relative=relative,
        pretrained=config.pretrained,
        trouble=trouble,
    )


def first_weights(network: Network) -> Weights:
    """The weights (filters, 3, side, side) of the first convolution, which reads red, green and blue."""
    layer = next(module for module in network.modules() if isinstance(module, nn.Conv2d) and module.in_channels == 3)
    return np.ascontiguousarray(layer.weight.detach().cpu().numpy(), np.float32)


def components_of(weights: Weights) -> Weights:
    """The first principal components of the filters: (COMPONENTS, 3, side, side), each of length 1 or 0."""
    flat = weights.reshape(len(weights), -1)
    found, _ = principal_components(np.ascontiguousarray(flat.T), COMPONENTS)  # of the pixels, over the filters
    lengths = np.linalg.norm(found, axis=0)
    unit = np.divide(found, lengths, out=np.zeros_like(found), where=lengths > 0)
    return np.asarray(unit.T.reshape(COMPONENTS, *weights.shape[1:]), np.float32)


def draw_grid(weights: Weights, scales: npt.NDArray[np.float32]) -> bytes:
    """Filters in a grid, as a PNG file: 0 is grey, positive lighter, negative darker; gaps are transparent.

    Args:
        weights: (count, 3, side, side).
        scales: (count,) the largest number of each.
    """
    count, _, side, _ = weights.shape
    times = max(1, SIDE_PX // side)
    cell = side * times
    columns = min(8, max(1, math.ceil(math.sqrt(count))))
    rows = math.ceil(count / columns)
    grid = np.zeros((rows * (cell + GAP_PX) - GAP_PX, columns * (cell + GAP_PX) - GAP_PX, 4), np.uint8)
    safe = np.where(scales > 0, scales, 1)[:, None, None, None]
    pixels = np.clip(np.rint(127.5 + 127.5 * weights / safe), 0, 255).astype(np.uint8).transpose(0, 2, 3, 1)
    for place, tile in enumerate(pixels):
        top, left = (place // columns) * (cell + GAP_PX), (place % columns) * (cell + GAP_PX)
        grid[top : top + cell, left : left + cell, :3] = tile.repeat(times, axis=0).repeat(times, axis=1)
        grid[top : top + cell, left : left + cell, 3] = 255
    return to_png(grid)
