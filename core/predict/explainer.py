"""Computes explanations: saliency maps, projections, weight changes, features and filters, in short pieces so that
predictions go first."""

import base64
import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from core.config.events import Progress
from core.errors import ImageError, PredictorError
from core.predict.explanations.explanation_answers import (
    METHODS,
    NEIGHBOURS,
    Explanation,
    Filters,
    Method,
    Projection,
    SaliencyMap,
)
from core.predict.explanations.explanation_cache import ExplanationCache, weights_hash
from core.predict.explanations.feature_garden import Head, chosen_rows, draw_feature, grow_garden, last_maps
from core.predict.explanations.first_filters import draw_filters
from core.predict.explanations.garden_answers import Garden
from core.predict.explanations.heatmap import describe_heatmap, draw_heatmap, to_png, upsample
from core.predict.explanations.image_features import OnProgress, dataset_of, read_features, read_pixels
from core.predict.explanations.projection import TSNE_COMPONENTS, count_knn_correct, principal_components, run_tsne
from core.predict.explanations.saliency import grad_cam, occlusion
from core.predict.explanations.weight_change import measure_weight_change
from core.predict.predictor import LoadedRun, Predictor
from core.predict.priority_lock import PriorityLock
from core.runs.run import Run
from core.settings import Settings
from core.steps import StopSignal, run_step
from core.stores.augmentation import centre_crop, normalise, to_channels_first
from core.stores.pixels import Pixels, square_pixels
from models import weights

MAX_CLASSES = 3  # with heatmaps in one request
SHOWN_ANSWERS = 5
MIN_DROP = 0.005  # of a probability: less is reported as no change
DIGITS = 5  # of a point's coordinates

Message = tuple[dict[str, Any], list[bytes]]

log = logging.getLogger("tunemypets.explainer")


class Explainer:
    """Explains with the networks that the predictor has loaded."""

    def __init__(self, settings: Settings, predictor: Predictor, lock: PriorityLock) -> None:
        self.settings, self.predictor, self.lock = settings, predictor, lock
        self.cache = ExplanationCache(settings)
        self._one_at_a_time = threading.Lock()  # for what takes seconds and memory

    def explain(
        self, run: Run, name: str, data: bytes, classes: list[str | None], methods: list[str], on_progress: OnProgress
    ) -> Explanation:
        """The answer for one image, with heatmaps.

        Args:
            classes: that get a heatmap; None stands for the network's answer.
            methods: of `METHODS`; occlusion is done for the last class only.
            on_progress: called while occlusion runs.
        Raises:
            RunError, ImageError, ExtraMissingError, PredictorError: each with a sentence for people.
        """
        if not 1 <= len(classes) <= MAX_CLASSES or not methods or not set(methods) <= set(METHODS):
            raise PredictorError(f"Heatmaps are drawn for 1 to {MAX_CLASSES} classes: choose fewer.")
        started = time.perf_counter()
        with self.lock.urgent():
            loaded = self.predictor.load(run)
            spec = loaded.spec
            hardware = self.predictor.hardware
            square = square_pixels(data, name, self.predictor.limits, spec)
            crop = centre_crop(to_channels_first(square[np.newaxis]), spec)
            image = normalise(crop, spec, hardware.device)
            answers = self._probabilities(loaded, image)[0].cpu().double().numpy()
        if not np.isfinite(answers).all():
            raise ImageError(
                f"The network's output for {name} is not finite: train the run again with a smaller learning rate."
            )
        order = np.argsort(-answers, kind="stable")
        chosen = list(dict.fromkeys(self._index(loaded, label, int(order[0])) for label in classes))
        pixels = np.ascontiguousarray(crop[0].permute(1, 2, 0).numpy())
        maps: list[SaliencyMap] = []
        if "grad_cam" in methods:
            with self.lock.urgent():
                grids = grad_cam(loaded.network, image, chosen)
            maps += [
                self._draw_map("grad_cam", loaded, label, pixels, grid)
                for label, grid in zip(chosen, grids, strict=True)
            ]
        if "occlusion" in methods:

            def probabilities(images: torch.Tensor) -> torch.Tensor:
                with self.lock.background():  # other requests run between two batches
                    return self._probabilities(loaded, images)

            begun = time.monotonic()

            def on_step(done: int, total: int) -> None:
                left = (time.monotonic() - begun) / done * (total - done)
                on_progress(Progress("testing", "Hiding one part after another", done, total, left))

            last = self._index(loaded, classes[-1], int(order[0]))
            grid = occlusion(probabilities, image, last, on_step)
            maps.append(self._draw_map("occlusion", loaded, last, pixels, grid))
        top = tuple((loaded.checkpoint.classes[int(i)], float(answers[int(i)])) for i in order[:SHOWN_ANSWERS])
        return Explanation(top, to_png(pixels), tuple(maps), (time.perf_counter() - started) * 1000)

    @torch.inference_mode()
    def _probabilities(self, loaded: LoadedRun, images: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = loaded.network.probabilities(loaded.folded(images).float())
        return found

    def _index(self, loaded: LoadedRun, label: str | None, answer: int) -> int:
        if label is None:
            return answer
        if label not in loaded.checkpoint.classes:
            raise PredictorError(f"This network has no class {label!r}: choose one of its own.")
        return loaded.checkpoint.classes.index(label)

    def _draw_map(self, method: Method, loaded: LoadedRun, label: int, pixels: Any, grid: Any) -> SaliencyMap:
        strength = max(0.0, float(grid.max()))
        description = ""
        if method == "occlusion" and strength < MIN_DROP:  # scaled to its maximum, noise would look like evidence
            grid, description = np.zeros_like(grid), "hiding any single part makes no real difference"
        saliency = upsample(grid, pixels.shape[0])
        return SaliencyMap(
            method,
            loaded.checkpoint.classes[label],
            (int(grid.shape[0]), int(grid.shape[1])),
            strength,
            description or describe_heatmap(saliency),
            draw_heatmap(pixels, saliency),
        )

    def project(self, run: Run, on_progress: OnProgress, *, tsne: bool) -> Projection:
        """The test images' features in two dimensions, from the cache where they are there.

        Args:
            tsne: by t-SNE too, which takes longer.
        Raises:
            RunError, DatasetError, ExtraMissingError: each with a sentence for people.
        """
        request = {"run": run.id, "weights": weights_hash(run), "dataset": run.meta().dataset_fingerprint}
        keep = not run.state().active
        known = self.cache.get({"what": "map", **request}, lambda: self._project(run, on_progress), keep=keep)
        found = Projection.from_json(known["map"])
        if not tsne:
            return found
        laid_out = self.cache.get(
            {"what": "t-SNE", **request}, lambda: _run_tsne(known["directions"], on_progress), keep=keep
        )
        points = laid_out["places"]
        return replace(found, tsne=None if points is None else tuple((float(x), float(y)) for x, y in points))

    def _project(self, run: Run, on_progress: OnProgress) -> dict[str, Any]:
        started = time.perf_counter()
        with self._one_at_a_time:
            with self.lock.background():
                signal = StopSignal(self.lock.let_urgent_pass)
                features = run_step(read_features(self.settings, run, self.predictor.hardware, signal), on_progress)
            labels = np.array([row.label for row in features.rows], np.int64)
            if not np.isfinite(features.values).all():
                raise PredictorError(
                    "The network's features are not finite: train the run again with a smaller learning rate."
                )
            components, shares = principal_components(features.values, TSNE_COMPONENTS)
            knn_correct = count_knn_correct(features.values, labels)
        found = Projection(
            split=features.split,
            indices=tuple(row.index for row in features.rows),
            labels=tuple(int(label) for label in labels),
            total=features.total,
            width=features.values.shape[1],
            pca=_rounded(components[:, :2]),
            shares=(float(shares[0]), float(shares[1])),
            tsne=None,
            neighbours=min(NEIGHBOURS, max(1, len(labels) - 1)),
            knn_correct=knn_correct,
            largest_class=int(np.bincount(labels).max()),
            seconds=round(time.perf_counter() - started, 2),
        )
        packed = base64.b64encode(components.astype("<f4").tobytes()).decode()  # for t-SNE, should it be requested
        return {"map": found.to_json(), "directions": packed}

    def weight_change(self, run: Run) -> dict[str, Any]:
        """The change of each block, as `WeightChange.to_json` writes it.

        Raises:
            RunError, WeightsError: each with a sentence for people.
        """
        request = {"what": "movement", "run": run.id, "weights": weights_hash(run)}
        return self.cache.get(request, lambda: self._weight_change(run), keep=not run.state().active)

    def _weight_change(self, run: Run) -> dict[str, Any]:
        with self._one_at_a_time:
            return measure_weight_change(self.settings, run).to_json()

    def garden(self, run: Run, on_progress: OnProgress) -> dict[str, Any]:
        """The features that a head uses most, as `Garden.to_json` writes them.

        Raises:
            RunError, DatasetError: each with a sentence for people.
        """
        request = {"what": "garden", "run": run.id, "weights": weights_hash(run)}
        request |= {"dataset": run.meta().dataset_fingerprint}
        return self.cache.get(request, lambda: self._garden(run, on_progress), keep=not run.state().active)

    def _garden(self, run: Run, on_progress: OnProgress) -> dict[str, Any]:
        if run.config().strategy != "head":
            raise PredictorError("Features are shown only for runs that trained the head alone: choose such a run.")
        with self._one_at_a_time, self.lock.background():
            signal, hardware = StopSignal(self.lock.let_urgent_pass), self.predictor.hardware
            read = [
                run_step(read_features(self.settings, run, hardware, signal, (split,)), on_progress)
                for split in ("train", "val")
            ]
            loaded = self.predictor.load(run)
            some = self._pixels(run, [read[0].rows[0].index])
            mapped = last_maps(loaded.network, some, loaded.spec, hardware) is not None
            if not all(np.isfinite(found.values).all() for found in read):
                raise PredictorError("The network's features are not finite: choose another network.")
            return grow_garden(Head.of(loaded.network), *read, mapped=mapped).to_json()

    def garden_pictures(self, run: Run, number: int, on_progress: OnProgress) -> Message:
        """Heatmaps of the pictures that excite one of the most used features, in their order.

        Raises:
            RunError, DatasetError, PredictorError: each with a sentence for people.
        """
        chosen = chosen_rows(Garden.from_json(self.garden(run, on_progress)), number)
        if not chosen:
            raise PredictorError("This feature is not among the most used ones: choose one of the list.")
        request = {"what": "feature", "run": run.id, "weights": weights_hash(run), "feature": number}
        found = self.cache.get(request, lambda: self._garden_pictures(run, number, chosen), keep=not run.state().active)
        return {}, [base64.b64decode(part) for part in found["parts"]]

    def _garden_pictures(self, run: Run, number: int, chosen: Sequence[int]) -> dict[str, Any]:
        with self.lock.background():
            loaded = self.predictor.load(run)
            pixels = self._pixels(run, chosen)
            maps = last_maps(loaded.network, pixels, loaded.spec, self.predictor.hardware)
            parts = [] if maps is None else draw_feature(maps, number, pixels, loaded.spec)
        return {"parts": [base64.b64encode(part).decode() for part in parts]}

    def _pixels(self, run: Run, indices: Sequence[int]) -> Pixels:
        dataset, loaded = dataset_of(self.settings, run), self.predictor.load(run)
        rows = [dataset.rows[index] for index in indices]
        return np.stack([read_pixels(dataset, row, self.predictor.limits, loaded.spec) for row in rows])

    def filters(self, run: Run) -> Message:
        """The filters of the first layer, as `Filters.to_message` writes them.

        Raises:
            RunError: with a sentence for people.
        """
        entry = run.config().entry()
        there = entry.weights is None or weights.find(entry) is not None  # else only the start is missing for now
        request = {"what": "filters", "run": run.id, "weights": weights_hash(run), "start": there}
        found = self.cache.get(request, lambda: self._filters(run), keep=not run.state().active)
        return found["record"], [base64.b64decode(part) for part in found["parts"]]

    def _filters(self, run: Run) -> dict[str, Any]:
        with self._one_at_a_time:
            found: Filters = draw_filters(self.settings, run)
        record, parts = found.to_message()
        return {"record": record, "parts": [base64.b64encode(part).decode() for part in parts]}


def _rounded(points: Any) -> tuple[tuple[float, float], ...]:
    return tuple((round(float(x), DIGITS), round(float(y), DIGITS)) for x, y in points)


def _run_tsne(packed: str, on_progress: OnProgress) -> dict[str, Any]:
    components = np.frombuffer(base64.b64decode(packed), "<f4").reshape(-1, TSNE_COMPONENTS)
    first: tuple[int, float] | None = None  # imports and the neighbour search come before it

    def on_step(done: int, total: int) -> None:
        nonlocal first
        now = time.monotonic()
        left = None if first is None else (now - first[1]) / (done - first[0]) * (total - done)
        first = first or (done, now)
        on_progress(Progress("testing", "Steps", done, total, left))

    points = run_tsne(components, on_step)
    return {"places": None if points is None else _rounded(points)}
