"""Predicts with a run's checkpoint: its own preprocessing, decoder, crop and class names."""

import logging
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn

from core.checkpoints.checkpoint import Checkpoint, load_network
from core.datasets.pictures.decoder import Limits
from core.errors import ImageError, RunError
from core.novelty.conformal import PROMISES
from core.novelty.novelty import Novelty, read_novelty
from core.predict.predictor_answers import Prediction
from core.runs.run import Run
from core.runs.run_files import BEST, NOVELTY
from core.settings import Settings
from core.storage import Stamp, stamp_of
from core.stores.augmentation import Augmentation, apply_views, centre_crop, draw_views, to_channels_first
from core.stores.hardware import Hardware, choose_device, device_name
from core.stores.pixels import read_square, square_pixels
from core.training.feature_tap import tapped
from core.training.inference import logits_of
from models.catalog import Preprocessing
from models.folding import fold_network
from models.network import Network

MAX_LOADED = 3  # networks in memory

log = logging.getLogger("tunemypets.predictor")


@dataclass(frozen=True)
class LoadedRun:
    """A loaded network; `folded` is its faster copy for predictions."""

    network: Network
    folded: nn.Module
    checkpoint: Checkpoint
    spec: Preprocessing


class Predictor:
    """Predicts, and keeps the last few networks in memory."""

    def __init__(self, settings: Settings) -> None:
        self.limits = Limits.from_settings(settings)
        device = choose_device(settings)
        self.hardware = Hardware(device, device_name(device), settings.threads, "fp32", "predictions are made in fp32")
        torch.set_num_threads(settings.threads)
        self._loaded: OrderedDict[tuple[Path, float], LoadedRun] = OrderedDict()
        self._novelties: OrderedDict[tuple[Path, Stamp | None], Novelty | None] = OrderedDict()

    def load(self, run: Run) -> LoadedRun:
        """The network of a run's best checkpoint.

        Raises:
            RunError: if there is none, or it is damaged.
        """
        sidecar = run.checkpoints / f"{BEST}.json"
        key = (run.folder, sidecar.stat().st_mtime if sidecar.exists() else 0.0)
        loaded = self._loaded.pop(key, None)
        if loaded is None:
            network, checkpoint = load_network(run.checkpoints, BEST)
            self.hardware.place(network)
            loaded = LoadedRun(network, fold_network(network.eval()), checkpoint, checkpoint.preprocessing)
        self._loaded[key] = loaded
        while len(self._loaded) > MAX_LOADED:
            self._loaded.popitem(last=False)
        return loaded

    def novelty(self, run: Run) -> Novelty | None:
        """What known pictures look like to the run's best checkpoint; None where that is not known yet.

        Raises:
            RunError: if there is no checkpoint.
        """
        checkpoint = self.load(run).checkpoint
        path = run.folder / NOVELTY
        key = run.folder, stamp_of(path)
        if key in self._novelties:
            found = self._novelties.pop(key)
        else:
            try:
                found = read_novelty(path, checkpoint.classes)
            except RunError:
                log.exception("a file of known pictures cannot be read")
                found = None
        self._novelties[key] = found
        while len(self._novelties) > MAX_LOADED:
            self._novelties.popitem(last=False)
        return found if found is not None and found.epoch == checkpoint.epoch else None

    def predict(
        self,
        run: Run,
        images: Sequence[tuple[str, bytes | Path]],
        top: int = 5,
        promises: Sequence[float] = PROMISES,
    ) -> list[Prediction]:
        """Classify images, each a name and its bytes or path; an unreadable one gets an error, the others an answer.

        Args:
            promises: for which each answer gets the set of classes that the picture may be.
        Raises:
            RunError: if the run cannot be used.
        """
        loaded, novelty = self.load(run), self.novelty(run)
        return [self._predict_one(loaded, novelty, name, data, top, promises) for name, data in images]

    def _predict_one(
        self,
        loaded: LoadedRun,
        novelty: Novelty | None,
        name: str,
        data: bytes | Path,
        top: int,
        promises: Sequence[float],
    ) -> Prediction:
        started = time.perf_counter()
        spec = loaded.spec
        try:
            pixels, notes = read_square(data, name, self.limits, spec)
        except ImageError as error:
            return Prediction(name, None, None, (), (time.perf_counter() - started) * 1000, str(error))
        with tapped(loaded.folded) as seen:
            logits = logits_of(loaded.folded, pixels[np.newaxis], spec, self.hardware)
        # in float64, as those of the evaluation, with which they are compared
        probabilities = loaded.network.probabilities(logits.cpu().double())[0].numpy()
        if not np.isfinite(probabilities).all():
            # weights of a diverged training may be finite and still too large to compute with
            return Prediction(
                name,
                None,
                None,
                (),
                (time.perf_counter() - started) * 1000,
                f"The network's output for {name} is not finite: train the run again with a smaller learning rate.",
            )
        order = np.argsort(-probabilities, kind="stable")[:top]
        ranked = tuple((loaded.checkpoint.classes[int(i)], float(probabilities[int(i)])) for i in order)
        return Prediction(
            name,
            ranked[0][0],
            ranked[0][1],
            ranked,
            (time.perf_counter() - started) * 1000,
            None,
            notes,
            novelty.judge(seen.features(), probabilities[np.newaxis], promises)[0] if novelty is not None else None,
        )


def augmented_views(
    data: bytes | Path,
    limits: Limits,
    augmentation: Augmentation,
    spec: Preprocessing,
    *,
    count: int,
    seed: int,
) -> list[bytes]:
    """The network's input for one image: first the centre crop, then `count` random views, as PNG files.

    Raises:
        ImageError: if the file cannot be used.
    """
    pixels = to_channels_first(square_pixels(data, "This picture", limits, spec)[np.newaxis])
    chosen = np.arange(count)
    views = draw_views(augmentation, count, spec, seed, 1)
    random_views = apply_views(pixels.expand(count, -1, -1, -1), views, chosen, augmentation, spec.crop_px)
    out = []
    for view in torch.cat([centre_crop(pixels, spec), random_views]):
        buffer = BytesIO()
        Image.fromarray(view.permute(1, 2, 0).contiguous().numpy()).save(buffer, "PNG")
        out.append(buffer.getvalue())
    return out
