"""The activation store: the outputs of frozen prefixes, computed once and kept for all runs and sessions.

A frozen prefix is a pure function of the pixels. Its output depends on the images, the weights before the freeze
point, preprocessing, the view and the number format, and on nothing else: a file under `cache/activations` is named by
the hash of exactly these. Views are drawn from numbers of their own, not from a run's seed, so that all runs share
them: view 0 is the plain one that validation uses, the others are random.

Many images are kept in several files, one for each segment of them: what is done of a long pass stays when it ends
early.
"""

import hashlib
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from core.config.events import Progress
from core.settings import Settings
from core.steps import StopSignal
from core.storage import atomic_open, write_json
from core.stores.array_cache import (
    ArrayFile,
    JoinedArrays,
    file_stem,
    find_or_write,
    make_room,
    note_path,
    noted_seconds,
    open_array,
)
from core.stores.augmentation import (
    Augmentation,
    Views,
    apply_views,
    centre_crop,
    draw_views,
    normalise,
    to_channels_first,
)
from core.stores.hardware import Hardware
from core.stores.pixels import Pixels, PixelStore
from models.catalog import Preprocessing
from models.folding import fold_prefix, prefix_hash
from models.network import Network

FORMAT = 2
VIEW_SEED = 20_011
BATCH = 16  # more does not fit the processor's cache
SEGMENT = 6_250 * BATCH  # images of one file
TEXT = "Passing the pictures through the frozen part"

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Activations:
    """Outputs of a frozen prefix for the images of one split.

    Attributes:
        values: (N, …) float32, or float16 where an image has more than one position; on disk;
            four-dimensional ones are channels-last, (N, H, W, C).
        positions: (N,) int64; place in `values` of each image of the split, in the split's order.
        name: of the file, or of all of them.
        seconds: that it took to compute them, whoever did; None where that was not noted.
        reused: whether they were there already.
    """

    values: ArrayFile | JoinedArrays
    positions: Indices
    name: str = ""
    seconds: float | None = None
    reused: bool = False

    def __len__(self) -> int:
        return len(self.positions)

    def take(self, places: Indices) -> Tensor:
        """The outputs for these places of the split: (B, F), (B, C, H, W) or (B, T, F), float32."""
        found = torch.from_numpy(self.values.take(self.positions[places])).float()
        return found.permute(0, 3, 1, 2) if found.ndim == 4 else found


@dataclass(frozen=True)
class Prefix:
    """A frozen prefix as the store knows it: the network, frozen at its point, on the hardware that evaluates it."""

    network: Network
    preprocessing: Preprocessing
    hardware: Hardware

    def describe(self) -> dict[str, Any]:
        """All of it that decides its outputs."""
        return {
            "format": FORMAT,
            "network": self.network.name,
            "freeze_point": self.network.freeze_point,
            "weights": prefix_hash(self.network),
            "preprocessing": asdict(self.preprocessing),
            "precision": self.hardware.prefix_precision,
            "device": self.hardware.device.type,
            "torch": torch.__version__,
        }

    def bytes_a_image(self) -> int:
        """Size of one image's output in the store."""
        side = self.preprocessing.crop_px
        image = torch.zeros(1, 3, side, side, device=self.hardware.device)
        # not `self(...)`: where all is in the store already, nothing has to be folded
        found = self.network.eval().frozen_prefix(image)
        return found.numel() * stored_dtype(found.ndim).itemsize

    @torch.inference_mode()
    def __call__(self, images: Tensor) -> npt.NDArray[Any]:
        """(B, 3, crop, crop) uint8 -> what `Activations.values` holds of these images."""
        with self.hardware.prefix_autocast():
            found = self.module(normalise(images, self.preprocessing, self.hardware.device))
        found = found.float().cpu()
        if found.ndim == 4:
            found = found.permute(0, 2, 3, 1)
        values: npt.NDArray[Any] = found.contiguous().numpy().astype(stored_dtype(found.ndim))
        return values

    @cached_property
    def module(self) -> torch.nn.Module:
        """The prefix in its faster form."""
        return fold_prefix(self.network)


def open_activations(
    settings: Settings,
    prefix: Prefix,
    store: PixelStore,
    indices: Indices,
    augmentation: Augmentation,
    view: int,
    signal: StopSignal,
) -> Generator[Progress, None, Activations]:
    """Find or compute the outputs of a frozen prefix.

    Args:
        indices: (N,) of the dataset: the images of a split, in its order.
        augmentation: what the random views look like.
        view: 0 for the plain view, else the number of a random one.
    """
    order = np.argsort(store.positions[indices], kind="stable")
    positions = np.empty(len(order), dtype=np.int64)
    positions[order] = np.arange(len(order))
    recipe = {
        **prefix.describe(),
        "pictures": store.name,
        "view": view,
        "augmentation": asdict(augmentation) if view else None,
    }
    if store.elsewhere is not None:
        recipe["device"] = store.elsewhere.device
    folder = settings.cache_dir / "activations"
    folder.mkdir(parents=True, exist_ok=True)
    found: list[tuple[ArrayFile, Path, bool]] = []
    for first in range(0, max(1, len(order)), SEGMENT):
        part = _Part(indices[order][first : first + SEGMENT], first, len(order))
        own = recipe | part.describe(store)
        path = folder / f"{file_stem(own)}.npy"
        waiting = Progress("preparing", "Another run is processing the same pictures", first, len(order), None)
        read = partial(_open, path, len(part.ordered))
        write = partial(_compute, settings, path, own, prefix, store, part, augmentation, view, signal)
        values, reused = yield from find_or_write(path, read, write, waiting, signal)
        found.append((values, path, reused))
    parts, paths, reuses = zip(*found, strict=True)
    seconds = [noted_seconds(path) for path in paths]
    return Activations(
        parts[0] if len(parts) == 1 else JoinedArrays(parts),
        positions,
        "-".join(path.stem for path in paths),
        None if None in seconds else sum(each or 0.0 for each in seconds),
        any(reuses),
    )


@dataclass(frozen=True)
class _Part:
    """Images of a split that are in one file.

    Attributes:
        ordered: (N,) of the dataset, in the store's order.
        first: place of the first one among all images of the split.
        whole: how many those are.
    """

    ordered: Indices
    first: int
    whole: int

    def describe(self, store: PixelStore) -> dict[str, Any]:
        """What decides which images these are, and their views."""
        chosen = hashlib.sha256(store.positions[self.ordered].tobytes()).hexdigest()
        place = {} if len(self.ordered) == self.whole else {"first": self.first, "whole": self.whole}
        return {"chosen": chosen, "count": len(self.ordered), **place}


def draw_stored_views(
    store: PixelStore, indices: Indices, augmentation: Augmentation, spec: Preprocessing, count: int
) -> list[Views]:
    """The first `count` views that would be stored, for the images of a split in its order: the plain one, then random
    ones."""
    positions = np.argsort(np.argsort(store.positions[indices], kind="stable"))
    plain = Augmentation(crop=False, flip=False, colour=False, strength=0.0)
    return [
        draw_views(augmentation if view else plain, len(indices), spec, VIEW_SEED, view).take(positions)
        for view in range(count)
    ]


def outputs(
    prefix: Prefix,
    take: Callable[[Indices], Pixels],
    count: int,
    views: Views | None,
    augmentation: Augmentation,
) -> Iterator[npt.NDArray[Any]]:
    """What a frozen prefix gives for images, a batch at a time.

    Args:
        take: the pixels at these places of `count`.
        views: of the images; None for the plain one.
    """
    for first in range(0, count, BATCH):
        places = np.arange(first, min(first + BATCH, count))
        yield prefix(_images(take(places), views, places, augmentation, prefix.preprocessing))


def stored_dtype(dimensions: int) -> np.dtype[Any]:
    """The number format in which outputs are kept: (B, F) in float32, maps and sequences in float16."""
    return np.dtype(np.float32 if dimensions == 2 else np.float16)


def _open(path: Path, count: int) -> ArrayFile | None:
    """The file at `path`, or None where it is missing or damaged."""
    values = open_array(path)
    if values is None:
        return None
    return values if len(values) == count and values.dtype in (np.float32, np.float16) else None


def _compute(
    settings: Settings,
    path: Path,
    recipe: dict[str, Any],
    prefix: Prefix,
    store: PixelStore,
    part: _Part,
    augmentation: Augmentation,
    view: int,
    signal: StopSignal,
) -> Iterator[Progress]:
    ordered, count = part.ordered, len(part.ordered)
    views = None
    if view:
        views = draw_views(augmentation, part.whole, prefix.preprocessing, VIEW_SEED, view)
        views = views.take(np.arange(part.first, part.first + count))
    make_room(settings, prefix.bytes_a_image() * count, keep=path)
    if store.elsewhere is None:
        text = TEXT
        found = outputs(prefix, lambda places: store.take(ordered[places]), count, views, augmentation)
    else:
        text = f"{TEXT}, on the machines of the cluster"
        found = store.elsewhere.outputs(prefix, store, ordered, views, augmentation, signal)
    started = last = time.monotonic()
    done = 0
    with atomic_open(path) as file:
        signal.check()
        for values in found:
            signal.check()
            if done == 0:
                header = {
                    "descr": np.lib.format.dtype_to_descr(values.dtype),
                    "fortran_order": False,
                    "shape": (count, *values.shape[1:]),
                }
                np.lib.format.write_array_header_1_0(file, header)
            file.write(values.tobytes())
            done += len(values)
            now = time.monotonic()
            if now - last > 0.2 or done == count:
                last, passed = now, part.first + done
                yield Progress("preparing", text, passed, part.whole, (now - started) / done * (part.whole - passed))
    # for readers, for `estimate`, and for later runs: they are charged as if they had computed the activations
    write_json(note_path(path), {**recipe, "seconds": round(time.monotonic() - started, 3)})


def _images(
    pixels: npt.NDArray[np.uint8], views: Views | None, places: Indices, augmentation: Augmentation, spec: Preprocessing
) -> Tensor:
    images = to_channels_first(pixels)
    if views is None:
        return centre_crop(images, spec)
    return apply_views(images, views, places, augmentation, spec.crop_px)
