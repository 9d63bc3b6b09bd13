"""The predictor's answers to "why": each made in short pieces of work, between which predictions go first."""

import base64
import logging
import threading
import time
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from core.config.events import Progress
from core.errors import ImageError, PredictorError
from core.predict.explanation_cache import KeptAnswers, weights_hash
from core.predict.explanations import METHODS, NEIGHBOURS, Explanation, Filters, Heat, ImageMap, Method
from core.predict.first_filters import draw_filters
from core.predict.heatmap import describe, draw, spread, to_png
from core.predict.predictor import LoadedRun, Predictor
from core.predict.projection import BEFORE_TSNE, count_told, lay_out, principal_axes
from core.predict.saliency import grad_cam, occlusion
from core.predict.split_features import Tell, read_features
from core.predict.turns import Turns
from core.predict.weight_change import measure_movement
from core.runs.run import Run
from core.settings import Settings
from core.stores.augmentation import centre_crop, normalise, to_channels_first
from core.stores.pixels import square_pixels
from models import weights

MAX_CLASSES = 3  # for which heat maps are drawn in one question
SHOWN_ANSWERS = 5
LEAST_FALL = 0.005  # of a probability: below, hiding a part is told to change nothing
DIGITS = 5  # of a point's place

Message = tuple[dict[str, Any], list[bytes]]

log = logging.getLogger("tunemypets.explainer")


class Explainer:
    """Explains with the networks that the predictor has loaded."""

    def __init__(self, settings: Settings, predictor: Predictor, turns: Turns) -> None:
        self.settings, self.predictor, self.turns = settings, predictor, turns
        self.kept = KeptAnswers(settings)
        self._one_at_a_time = threading.Lock()  # what takes seconds and memory

    def explain(
        self, run: Run, name: str, data: bytes, classes: list[str | None], methods: list[str], tell: Tell
    ) -> Explanation:
        """Heat maps of one picture.

        Args:
            classes: for which maps are drawn; None stands for what the network answers.
            methods: of `METHODS`; occlusion is done for the last class only.
            tell: hears how far occlusion is.
        Raises:
            RunError, ImageError, ExtraMissingError, PredictorError: each with a sentence for people.
        """
        if not 1 <= len(classes) <= MAX_CLASSES or not methods or not set(methods) <= set(METHODS):
            raise PredictorError(f"Heat maps are drawn for 1 to {MAX_CLASSES} classes: choose fewer.")
        started = time.perf_counter()
        with self.turns.urgent():
            loaded = self.predictor.load(run)
            spec = loaded.entry.preprocessing
            hardware = self.predictor.hardware
            square = square_pixels(data, name, self.predictor.limits, spec)
            seen = centre_crop(to_channels_first(square[np.newaxis]), spec.crop_px)
            picture = normalise(seen, spec, hardware.device)
            answers = self._probabilities(loaded, picture)[0].cpu().double().numpy()
        if not np.isfinite(answers).all():
            raise ImageError(
                f"For {name} this network gives no finite number: train the run again with a smaller learning rate."
            )
        order = np.argsort(-answers, kind="stable")
        chosen = list(dict.fromkeys(self._index(loaded, label, int(order[0])) for label in classes))
        pixels = np.ascontiguousarray(seen[0].permute(1, 2, 0).numpy())
        heats: list[Heat] = []
        if "grad_cam" in methods:
            with self.turns.urgent():
                found = grad_cam(loaded.network, picture, chosen)
            heats += [
                self._heat("grad_cam", loaded, label, pixels, grid) for label, grid in zip(chosen, found, strict=True)
            ]
        if "occlusion" in methods:

            def ask(pictures: torch.Tensor) -> torch.Tensor:
                with self.turns.patient():  # between two of these questions others are answered
                    return self._probabilities(loaded, pictures)

            begun = time.monotonic()

            def went_on(done: int, total: int) -> None:
                left = (time.monotonic() - begun) / done * (total - done)
                tell(Progress("testing", "Hiding one part after another", done, total, left))

            last = self._index(loaded, classes[-1], int(order[0]))
            heats.append(self._heat("occlusion", loaded, last, pixels, occlusion(ask, picture, last, went_on)))
        top = tuple((loaded.checkpoint.classes[int(i)], float(answers[int(i)])) for i in order[:SHOWN_ANSWERS])
        return Explanation(top, to_png(pixels), tuple(heats), (time.perf_counter() - started) * 1000)

    @torch.inference_mode()
    def _probabilities(self, loaded: LoadedRun, pictures: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = loaded.network.probabilities(loaded.folded(pictures).float())
        return found

    def _index(self, loaded: LoadedRun, label: str | None, answer: int) -> int:
        if label is None:
            return answer
        if label not in loaded.checkpoint.classes:
            raise PredictorError(f"This network knows no class {label!r}: choose one of its own.")
        return loaded.checkpoint.classes.index(label)

    def _heat(self, method: Method, loaded: LoadedRun, label: int, pixels: Any, grid: Any) -> Heat:
        strength = max(0.0, float(grid.max()))
        words = ""
        if method == "occlusion" and strength < LEAST_FALL:  # scaled to its largest value, nothing would look like much
            grid, words = np.zeros_like(grid), "hiding any one part changes nothing that counts"
        heat = spread(grid, pixels.shape[0])
        return Heat(
            method,
            loaded.checkpoint.classes[label],
            (int(grid.shape[0]), int(grid.shape[1])),
            strength,
            words or describe(heat),
            draw(pixels, heat),
        )

    def map_images(self, run: Run, tell: Tell, *, neighbours: bool) -> ImageMap:
        """The test pictures as this run's network sees them, in two dimensions.

        Args:
            tell: hears how far it is.
            neighbours: laid out by t-SNE too, which takes longer.
        Raises:
            RunError, DatasetError, ExtraMissingError: each with a sentence for people.
        """
        asked = {"run": run.id, "weights": weights_hash(run), "dataset": run.meta().dataset_fingerprint}
        keep = not run.state().active
        known = self.kept.get({"what": "map", **asked}, lambda: self._map(run, tell), keep=keep)
        found = ImageMap.from_json(known["map"])
        if not neighbours:
            return found
        laid_out = self.kept.get({"what": "t-SNE", **asked}, lambda: _lay_out(known["directions"], tell), keep=keep)
        places = laid_out["places"]
        return replace(found, tsne=None if places is None else tuple((float(x), float(y)) for x, y in places))

    def _map(self, run: Run, tell: Tell) -> dict[str, Any]:
        started = time.perf_counter()
        with self._one_at_a_time:
            with self.turns.patient():
                found = read_features(self.settings, run, self.predictor.hardware, self.turns.step_aside, tell)
            labels = np.array([row.label for row in found.rows], np.int64)
            if not np.isfinite(found.values).all():
                raise PredictorError(
                    "This network gives no finite numbers: train the run again with a smaller learning rate."
                )
            directions, shares = principal_axes(found.values, BEFORE_TSNE)
            told = count_told(found.values, labels)
        seen = ImageMap(
            split=found.split,
            indices=tuple(row.index for row in found.rows),
            labels=tuple(int(label) for label in labels),
            total=found.total,
            width=found.values.shape[1],
            pca=_rounded(directions[:, :2]),
            shares=(float(shares[0]), float(shares[1])),
            tsne=None,
            neighbours=min(NEIGHBOURS, max(1, len(labels) - 1)),
            told=told,
            largest_class=int(np.bincount(labels).max()),
            seconds=round(time.perf_counter() - started, 2),
        )
        packed = base64.b64encode(directions.astype("<f4").tobytes()).decode()  # what t-SNE needs, if somebody wants it
        return {"map": seen.to_json(), "directions": packed}

    def measure_movement(self, run: Run) -> dict[str, Any]:
        """How far each block moved, as `Movement.to_json` tells it.

        Raises:
            RunError, WeightsError: each with a sentence for people.
        """
        asked = {"what": "movement", "run": run.id, "weights": weights_hash(run)}
        return self.kept.get(asked, lambda: self._movement(run), keep=not run.state().active)

    def _movement(self, run: Run) -> dict[str, Any]:
        with self._one_at_a_time:
            return measure_movement(run).to_json()

    def draw_filters(self, run: Run) -> Message:
        """The filters of the first layer, as `Filters.to_message` tells them.

        Raises:
            RunError: with a sentence for people.
        """
        entry = run.config().entry()
        there = entry.weights is None or weights.find(entry) is not None  # or only the start is missing, until it comes
        asked = {"what": "filters", "run": run.id, "weights": weights_hash(run), "start": there}
        found = self.kept.get(asked, lambda: self._filters(run), keep=not run.state().active)
        return found["record"], [base64.b64decode(part) for part in found["parts"]]

    def _filters(self, run: Run) -> dict[str, Any]:
        with self._one_at_a_time:
            found: Filters = draw_filters(run)
        record, parts = found.to_message()
        return {"record": record, "parts": [base64.b64encode(part).decode() for part in parts]}


def _rounded(points: Any) -> tuple[tuple[float, float], ...]:
    return tuple((round(float(x), DIGITS), round(float(y), DIGITS)) for x, y in points)


def _lay_out(packed: str, tell: Tell) -> dict[str, Any]:
    directions = np.frombuffer(base64.b64decode(packed), "<f4").reshape(-1, BEFORE_TSNE)
    first: tuple[int, float] | None = None  # before it there are imports and the search for neighbours

    def went_on(done: int, total: int) -> None:
        nonlocal first
        now = time.monotonic()
        left = None if first is None else (now - first[1]) / (done - first[0]) * (total - done)
        first = first or (done, now)
        tell(Progress("testing", "Steps", done, total, left))

    places = lay_out(directions, went_on)
    return {"places": None if places is None else _rounded(places)}
