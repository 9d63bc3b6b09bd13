"""Evaluating a run on the test split: once, with its best checkpoint, in fp32 as later predictions are made.

The validation split is predicted right after it in the same way: temperatures are fitted there. Some of its pictures
are then predicted mirrored: the coach reads there whether random flips would turn one class into another. What the
head read of all of them, and of training pictures, is kept as distances: `core.novelty` knows strange pictures by them.
"""

import dataclasses
import logging
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from core.checkpoints.checkpoint import load_network
from core.config.events import Event, Message, Mirrored, PhaseStarted, Progress, Tested
from core.config.train_config import TrainConfig
from core.datasets.dataset import Dataset
from core.errors import RunError
from core.estimates.costs import TESTING, Costs
from core.novelty.distances import Features, Reference, choose_training
from core.novelty.novelty import Novelty, write_novelty
from core.runs.run_files import BEST, CHECKPOINTS, NOVELTY, PREDICTIONS, VALIDATION_PREDICTIONS
from core.settings import Settings
from core.statistics.predictions import PredictionTable, write_predictions
from core.steps import Stopped, StopSignal, relay
from core.stores.activations import Activations, Prefix, open_activations
from core.stores.augmentation import Augmentation
from core.stores.hardware import Hardware, choose_device, device_name
from core.stores.pixels import PixelStore, open_store
from core.stores.training_data import Indices, SplitData
from core.training.feature_tap import tapped
from core.training.inference import EVALUATION_BATCH, SplitPredictions, logits_of, predict_split
from core.training.mirroring import answer_by_orientation, choose_places, count_mirrored, mirror
from models.catalog import Preprocessing
from models.folding import fold_network
from models.network import Network

STORED_BATCH = 256

Logits = Callable[[slice], Tensor]

log = logging.getLogger("tunemypets.evaluation")


def evaluate(
    dataset: Dataset,
    settings: Settings,
    folder: Path,
    signal: StopSignal,
    *,
    store: PixelStore | None = None,
    hardware: Hardware | None = None,
    costs: Costs | None = None,
) -> Iterator[Event]:
    """Evaluate the best checkpoint on the test split, once, and store every prediction.

    The same checkpoint then predicts the validation split in the same way, and part of it mirrored; no failure there
    takes the test result back.
    A dataset without a test split is evaluated on its validation split, and the event reports it.

    Args:
        store, hardware: of the training that has just ended, if one has.
        costs: the seconds of all this are added to them.
    Raises:
        RunError: if there are predictions already, or no checkpoint.
    """
    split: Literal["test", "val"] = "test" if dataset.rows_of("test") else "val"
    if (folder / PREDICTIONS).exists():
        raise RunError("This run was evaluated on the test split already: its predictions stand.")
    yield PhaseStarted("testing", "Testing the best checkpoint")
    started = time.perf_counter()
    network, checkpoint = load_network(folder / CHECKPOINTS, BEST)
    if store is None:
        store = yield from open_store(settings, dataset, checkpoint.preprocessing, signal)
    exact = exact_hardware(settings, hardware)
    exact.place(network)
    paid = costs.paid if costs is not None else set()
    spec = checkpoint.preprocessing
    predictor = SplitPredictor(dataset, settings, checkpoint.config, spec, network, store, exact, signal, paid)
    predictor.kept_features = {}
    predictor.trained_in = hardware.prefix_precision if hardware is not None else "fp32"
    found = yield from predictor.predict(split, "Testing")
    table = predictor.table(split, found)
    write_predictions(folder / PREDICTIONS, table)
    correct = int(table.correct.sum())
    seconds = time.perf_counter() - started
    yield Tested(split, correct, table.n, correct / table.n, found.loss, checkpoint.epoch, seconds)
    yield from _look_at_validation(predictor, folder, found if split == "val" else None)
    yield from _keep_novelty(predictor, folder, checkpoint.epoch)
    if costs is not None:
        costs.seconds[TESTING] = time.perf_counter() - started + predictor.charged
        if predictor.charged:
            costs.reused.add(TESTING)


def _look_at_validation(predictor: "SplitPredictor", folder: Path, found: SplitPredictions | None) -> Iterator[Event]:
    """Predict the validation split, unless it is the one that was tested, and some of its pictures mirrored."""
    try:
        if found is None:
            found = yield from predictor.predict("val", "Predicting the validation pictures")
            write_predictions(folder / VALIDATION_PREDICTIONS, predictor.table("val", found))
    except Stopped:
        return  # the run has its test result
    except Exception:
        log.exception("the validation images could not be predicted")
        yield Message(
            "warning",
            "The predictions on the validation pictures could not be kept, so probabilities cannot be calibrated; "
            "the test result stands.",
        )
        return
    try:
        yield (yield from predictor.predict_mirrored(found))
    except Stopped:
        return
    except Exception:  # no run may fail for what only the coach reads
        log.exception("the mirrored validation images could not be predicted")


def _keep_novelty(predictor: "SplitPredictor", folder: Path, epoch: int) -> Iterator[Event]:
    """Keep what known pictures look like to the network."""
    try:
        write_novelty(folder / NOVELTY, (yield from predictor.measure_novelty(epoch)))
    except Stopped:
        return
    except Exception:  # no run may fail for what only predictions read, and those compute it again
        log.exception("the features of the training pictures could not be kept")


@dataclass
class SplitPredictor:
    """Predicts whole splits with one network.

    The activations of a backbone that never changed are opened once: a new head can then predict the split again.

    Attributes:
        paid: names of stored activations that the run was charged for already.
        charged: seconds that other activations took to compute, where they were in the store already.
        trained_in: number format of the activations on which the head was trained.
        kept_features: what the head read of each split that is predicted, (N, F); None: not kept.
    """

    dataset: Dataset
    settings: Settings
    config: TrainConfig
    spec: Preprocessing
    network: Network
    store: PixelStore
    hardware: Hardware
    signal: StopSignal
    paid: set[str] = field(default_factory=set)
    charged: float = 0.0
    trained_in: str = "fp32"
    kept_features: dict[str, tuple[Features, SplitPredictions]] | None = None
    _stored: dict[str, Logits] = field(default_factory=dict)  # by split, of a head over stored activations

    def predict(self, split: str, text: str) -> Generator[Progress, None, SplitPredictions]:
        """Predict one split; `text` names it in the progress."""
        started = time.perf_counter()
        data = SplitData.of(self.dataset, split)
        logits, batch, module = yield from self._choose_source(split, data)

        def describe(done: int) -> Progress:
            eta = (time.perf_counter() - started) / done * (len(data) - done)
            return Progress("testing", text, done, len(data), eta)

        step = predict_split(self.network, data, self.config, logits, self.signal, batch)
        with tapped(module) as seen:
            found = yield from relay(step, describe)
        if self.kept_features is not None:
            self.kept_features[split] = seen.features(), found
        return found

    def measure_novelty(self, epoch: int) -> Generator[Progress, None, Novelty]:
        """What known pictures look like: a sample of the training split, and the distances of the other splits.

        Splits whose features were not kept are predicted first.
        """
        kept = self.kept_features = {} if self.kept_features is None else self.kept_features
        for split in ("val", "test"):
            if split not in kept and self.dataset.rows_of(split):
                yield from self.predict(split, "Looking at known pictures")
        train = SplitData.of(self.dataset, "train")
        width = self.network.head.get_parameter("linear.weight").shape[1]
        places = choose_training(train.labels, width)
        features = yield from self._read_training(train, places)
        reference = Reference.of(features, train.indices[places], train.labels[places])
        nothing = np.empty((0, width), np.float32)
        val, test = (SplitData.of(self.dataset, split) for split in ("val", "test"))
        return Novelty(
            epoch,
            self.dataset.classes,
            reference,
            val.labels,
            kept["val"][1].probabilities[np.arange(len(val)), val.labels] if len(val) else np.empty(0),
            reference.scores(kept["val"][0] if len(val) else nothing),
            test.indices,
            reference.scores(kept["test"][0] if len(test) else nothing),
        )

    def _read_training(self, train: SplitData, places: Indices) -> Generator[Progress, None, Features]:
        """What the head reads of training pictures: (M, F); of a head from the activations that it was trained on.

        Args:
            places: of M pictures of the training split.
        """
        if self._stores_activations:
            whole = train if self.paid else train.subset(places)
            hardware = dataclasses.replace(self.hardware, prefix_precision=self.trained_in)
            try:
                found = yield from self._open_activations(whole, hardware)
            except OSError:
                log.exception("activations could not be kept")
            else:
                return np.asarray(found.take(places if self.paid else np.arange(len(places))).numpy(), np.float32)
        chosen = train.subset(places)
        with tapped(self._folded) as seen:
            for first in range(0, len(chosen), EVALUATION_BATCH):
                self.signal.check()
                part = slice(first, first + EVALUATION_BATCH)
                _logits(self._folded, self.store, chosen, self.spec, self.hardware, part)
                done = min(part.stop, len(chosen))
                yield Progress("testing", "Looking at training pictures", done, len(chosen), None)
        return seen.features()

    def _choose_source(
        self, split: str, data: SplitData
    ) -> Generator[Progress, None, tuple[Logits, int, torch.nn.Module]]:
        """Raw outputs of a split, how many at once, and the module that computes them."""
        if self._stores_activations:
            try:
                if split not in self._stored:
                    found = yield from self._open_activations(data, self.hardware)
                    self._stored[split] = partial(_head_logits, self.network, found, self.hardware)
                return self._stored[split], STORED_BATCH, self.network
            except OSError:
                log.exception("activations could not be kept")
        return (
            partial(_logits, self._folded, self.store, data, self.spec, self.hardware), EVALUATION_BATCH, self._folded,
        )  # fmt: skip

    def predict_mirrored(self, plain: SplitPredictions) -> Generator[Progress, None, Mirrored]:
        """Predict some mirrored validation pictures.

        Args:
            plain: the predictions for all validation pictures as they are.
        """
        started = time.perf_counter()
        val = SplitData.of(self.dataset, "val")
        places = choose_places(val.labels, self.config.seed)
        chosen = val.subset(places)

        def logits(part: slice) -> Tensor:
            return logits_of(self._folded, mirror(self.store.take(chosen.indices[part])), self.spec, self.hardware)

        def describe(done: int) -> Progress:
            return Progress("testing", "Predicting mirrored validation pictures", done, len(chosen), None)

        step = predict_split(self.network, chosen, self.config, logits, self.signal)
        found = yield from relay(step, describe)
        oriented = None
        if self.config.flipped:
            train = SplitData.of(self.dataset, "train")
            train = train.subset(choose_places(train.labels, self.config.seed))
            oriented = answer_by_orientation(self.store, train, chosen)
        seconds = time.perf_counter() - started
        return count_mirrored(chosen.labels, plain.probabilities[places], found.probabilities, oriented, seconds)

    def table(self, split: str, found: SplitPredictions) -> PredictionTable:
        """The predictions on a split, one row an image."""
        data = SplitData.of(self.dataset, split)
        return PredictionTable(
            split=split,
            classes=self.dataset.classes,
            image_ids=tuple(row.pixel_hash for row in self.dataset.rows_of(split)),
            indices=data.indices,
            labels=data.labels,
            probabilities=found.probabilities,
        )

    @cached_property
    def _folded(self) -> torch.nn.Module:
        return fold_network(self.network.eval())

    @property
    def _stores_activations(self) -> bool:
        """Whether the backbone never changed, and its activations are kept for other heads."""
        return self.config.strategy == "head" and bool(self.config.views)

    def _open_activations(self, data: SplitData, hardware: Hardware) -> Generator[Progress, None, Activations]:
        """What a head reads over a backbone that never changed."""
        self.network.freeze(list(self.network.blocks)[-1])
        prefix = Prefix(self.network, self.spec, hardware)
        plain = Augmentation(crop=False, flip=False, colour=False, strength=0.0)
        step = open_activations(self.settings, prefix, self.store, data.indices, plain, 0, self.signal)
        found = yield from relay(step, partial(dataclasses.replace, phase="testing"))
        if found.reused and found.name not in self.paid:
            self.charged += found.seconds or 0.0
        return found


def exact_hardware(settings: Settings, hardware: Hardware | None) -> Hardware:
    """The hardware of a training, or of this machine, in fp32: the precision in which predictions are made."""
    if hardware is None:
        device = choose_device(settings)
        hardware = Hardware(device, device_name(device), settings.threads, "fp32", "")
    return dataclasses.replace(hardware, precision="fp32", prefix_precision="fp32")


def _logits(
    folded: torch.nn.Module, store: PixelStore, data: SplitData, spec: Preprocessing, hardware: Hardware, chosen: slice
) -> Tensor:
    return logits_of(folded, store.take(data.indices[chosen]), spec, hardware)


@torch.inference_mode()
def _head_logits(network: Network, found: Activations, hardware: Hardware, chosen: slice) -> Tensor:
    places = np.arange(len(found.positions))[chosen]
    return network.head(found.take(places).to(hardware.device))  # type: ignore[no-any-return]  # modules give Any
