"""The features that a head uses most: which pictures excite them, where, and what happens without them.

Everything is counted on validation pictures: the test split is evaluated once for each run.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from core.predict.explanations.garden_answers import BOUND, MAX_FLIPS, PICTURES, SHOWN, Flip, Garden, HeadFeature
from core.predict.explanations.heatmap import draw_heatmap, upsample
from core.predict.explanations.image_features import Features
from core.stores.augmentation import centre_crop, normalise, to_channels_first
from core.stores.hardware import Hardware
from core.stores.pixels import Pixels
from models.catalog import Preprocessing
from models.network import Network

SIDE_PX = 128  # of a heatmap

Values = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Head:
    """The linear layer of a network, in float64.

    Attributes:
        weights: (C, F); with the sigmoid head its one neuron stands for the second class, and zeros for the first.
        bias: (C,).
    """

    weights: Values
    bias: Values

    @classmethod
    def of(cls, network: Network) -> "Head":
        """The head of a network as checkpoints have it, without a scale of features."""
        linear = network.head.get_submodule("linear")
        weights, bias = (part.detach().cpu().double().numpy() for part in linear.parameters())
        if network.head_kind == "sigmoid":
            weights, bias = np.vstack([np.zeros_like(weights), weights]), np.concatenate([np.zeros_like(bias), bias])
        return cls(weights, bias)

    def scores(self, values: Values) -> Values:
        """(N, F) -> (N, C)."""
        found: Values = values @ self.weights.T + self.bias
        return found


def measure_use(head: Head, values: Values) -> Values:
    """How much the head uses each feature: (F,), the feature's standard deviation times that of its weights.

    A weight that is the same for all classes moves all scores alike, and no answer.
    """
    found: Values = values.std(axis=0) * head.weights.std(axis=0)
    return found


def grow_garden(head: Head, train: Features, val: Features, *, mapped: bool) -> Garden:
    """The most used features, and what the head is without each.

    Args:
        train, val: features of training and validation pictures.
        mapped: whether there are maps of where a feature is excited.
    """
    seen, asked = train.values.astype(np.float64), val.values.astype(np.float64)
    both, rows = np.concatenate([seen, asked]), (*train.rows, *val.rows)
    labels = np.array([row.label for row in val.rows], np.int64)
    use, mean = measure_use(head, both), seen.mean(axis=0)
    order = np.argsort(-use, kind="stable")
    scores = head.scores(asked)
    answers = scores.argmax(axis=1)
    correct = int((answers == labels).sum())
    needed, kept = _count_needed(head, order, mean, asked, labels, correct)
    features = []
    for number in order[:SHOWN].tolist():
        without = silence(head, scores, asked[:, number] - mean[number], number).argmax(axis=1)
        places = np.flatnonzero(without != answers)
        strongest = np.argsort(-both[:, number], kind="stable")[:PICTURES]
        flips = tuple(
            Flip(val.rows[place].index, int(answers[place]), int(without[place])) for place in places[:MAX_FLIPS]
        )
        features.append(
            HeadFeature(
                number,
                float(use[number] / use.sum()) if use.sum() else 0.0,
                int(head.weights[:, number].argmax()),
                tuple(rows[place].index for place in strongest),
                tuple(float(value) for value in both[strongest, number]),
                int((without == labels).sum()),
                flips,
                len(places),
            )
        )
    return Garden(len(order), val.split, len(labels), correct, needed, kept, mapped, tuple(features))


def silence(head: Head, scores: Values, excess: Values, number: int) -> Values:
    """Scores (N, C) with one feature held at its mean.

    Args:
        excess: (N,) the feature minus its mean.
    """
    found: Values = scores - excess[:, None] * head.weights[:, number]
    return found


def _count_needed(
    head: Head, order: npt.NDArray[np.int64], mean: Values, asked: Values, labels: npt.NDArray[np.int64], correct: int
) -> tuple[int, int]:
    """The fewest most used features that keep the accuracy within the bound, and what they get right."""
    least = correct - BOUND * len(labels)
    scores = np.broadcast_to(head.scores(mean[None]), (len(asked), len(head.bias))).copy()
    right = int((scores.argmax(axis=1) == labels).sum())
    for count, number in enumerate(order.tolist()):
        if right >= least:
            return count, right
        scores += (asked[:, number] - mean[number])[:, None] * head.weights[:, number]
        right = int((scores.argmax(axis=1) == labels).sum())
    return len(order), right


@torch.inference_mode()
def last_maps(network: Network, pixels: Pixels, spec: Preprocessing, hardware: Hardware) -> torch.Tensor | None:
    """(B, F, h, w): what the pooling averages into the features; None where it averages no such map.

    Args:
        pixels: (B, S, S, 3) stored pixels.
    """
    x = normalise(centre_crop(to_channels_first(pixels), spec), spec, hardware.device)
    for block in network.blocks.values():
        x = block(x)
    if x.ndim != 4 or x.shape[-1] < 2:
        return None
    means = x.mean(dim=(2, 3))
    pooled = network.pool(x)
    same = pooled.shape == means.shape and torch.allclose(means, pooled, rtol=1e-3, atol=1e-5)
    return x.float().cpu() if same else None


def draw_feature(maps: torch.Tensor, number: int, pixels: Pixels, spec: Preprocessing) -> list[bytes]:
    """Heatmaps of one feature: a PNG for each picture, which shows where the feature is excited."""
    crops = centre_crop(to_channels_first(pixels), spec).permute(0, 2, 3, 1).numpy()
    return [
        draw_heatmap(_small(crop), upsample(grid.numpy(), min(SIDE_PX, len(crop))))
        for crop, grid in zip(crops, maps[:, number], strict=True)
    ]


def _small(crop: Pixels) -> Pixels:
    side = min(SIDE_PX, len(crop))
    return np.asarray(Image.fromarray(np.ascontiguousarray(crop)).resize((side, side), Image.Resampling.BILINEAR))


def chosen_rows(garden: Garden, number: int) -> Sequence[int]:
    """The pictures of one feature."""
    return next((feature.pictures for feature in garden.features if feature.number == number), ())
