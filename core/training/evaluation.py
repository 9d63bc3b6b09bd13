"""The test of a run: its best checkpoint on the untouched split, once, in fp32 as predictions are made later.

The validation split is predicted right after it in the same way: temperatures are fitted there.
"""

import dataclasses
import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property, partial
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from core.config.events import Event, Message, PhaseStarted, Progress, Tested
from core.config.train_config import TrainConfig
from core.datasets.dataset import Dataset
from core.errors import RunError
from core.settings import Settings
from core.statistics.predictions import PredictionTable, write_predictions
from core.stores.activations import Activations, Prefix, open_activations
from core.stores.augmentation import Augmentation
from core.stores.hardware import Hardware, choose_device, device_name
from core.stores.pixels import PixelStore, open_store
from core.stores.training_data import SplitData
from core.training.checkpoint import BEST, CHECKPOINTS, load_network
from core.training.costs import TESTING, Costs
from core.training.inference import EVALUATION_BATCH, Outcome, evaluate, logits_of
from models.catalog import Preprocessing
from models.folding import fold_network
from models.network import Network

PREDICTIONS = "predictions.csv"
VALIDATION_PREDICTIONS = "validation.csv"
STORED_BATCH = 256

Stop = Callable[[], bool]
Answers = Callable[[slice], Tensor]

log = logging.getLogger("tunemypets.judging")


def judge(
    dataset: Dataset,
    settings: Settings,
    folder: Path,
    stop: Stop,
    *,
    store: PixelStore | None = None,
    hardware: Hardware | None = None,
    costs: Costs | None = None,
) -> Iterator[Event]:
    """Evaluate the best checkpoint on the test split, once, and store every prediction.

    Then the same checkpoint predicts the validation split in the same way, for what is fitted on it afterwards: nothing
    that goes wrong there takes the test back. A dataset without a test split is judged on its validation split, and the
    event says so.

    Args:
        store, hardware: of the training that has just ended, if one has.
        costs: is told the seconds of all this.
    Raises:
        RunError: if there are predictions already, or no checkpoint.
    """
    split: Literal["test", "val"] = "test" if dataset.rows_of("test") else "val"
    if (folder / PREDICTIONS).exists():
        raise RunError("The test split of this run was opened already: its predictions stand.")
    yield PhaseStarted("testing", "Testing the best checkpoint")
    started = time.perf_counter()
    network, checkpoint = load_network(folder / CHECKPOINTS, BEST)
    spec = checkpoint.config.entry().preprocessing
    if store is None:
        for item in open_store(settings, dataset, spec, stop):
            if isinstance(item, PixelStore):
                store = item
            else:
                yield item
    if store is None:
        return
    exact = exact_hardware(settings, hardware)
    exact.place(network)
    paid = costs.paid if costs is not None else set()
    judging = Judging(dataset, settings, checkpoint.config, network, store, exact, stop, paid)
    for result in judging.predict(split, "Testing"):
        if isinstance(result, Progress):
            yield result
            continue
        table = judging.table(split, result)
        write_predictions(folder / PREDICTIONS, table)
        correct = int(table.correct.sum())
        seconds = time.perf_counter() - started
        yield Tested(split, correct, table.n, correct / table.n, result.loss, checkpoint.epoch, seconds)
    if split == "test" and (folder / PREDICTIONS).exists():
        yield from _predict_validation(judging, folder)
    if costs is not None:
        costs.seconds[TESTING] = time.perf_counter() - started + judging.charged
        if judging.charged:
            costs.reused.add(TESTING)


def _predict_validation(judging: "Judging", folder: Path) -> Iterator[Event]:
    try:
        for result in judging.predict("val", "Predicting the validation pictures"):
            if isinstance(result, Progress):
                yield result
            else:
                write_predictions(folder / VALIDATION_PREDICTIONS, judging.table("val", result))
    except Exception:  # the test stands, whatever this is
        log.exception("the validation pictures could not be predicted")
        yield Message(
            "warning",
            "The predictions on the validation pictures could not be kept, so probabilities cannot be calibrated; "
            "the test result stands.",
        )


@dataclass
class Judging:
    """Predicts whole splits with one network.

    What leaves a backbone that never changed is opened once: with the head over it that the network has by then, a
    split can be predicted again.

    Attributes:
        paid: names of stored activations that the run was charged for already.
        charged: seconds that it took to compute what else was found in their store.
    """

    dataset: Dataset
    settings: Settings
    config: TrainConfig
    network: Network
    store: PixelStore
    hardware: Hardware
    stop: Stop
    paid: set[str] = field(default_factory=set)
    charged: float = 0.0
    _answers: dict[str, Answers] = field(default_factory=dict)  # by split, of a head over stored activations

    def predict(self, split: str, text: str) -> Iterator[Progress | Outcome]:
        """The outcome comes last, unless `stop` asked to end."""
        started = time.perf_counter()
        data = SplitData.of(self.dataset, split)
        answers: Answers | None = None
        batch = EVALUATION_BATCH
        if self.config.strategy == "head" and self.config.views:
            try:
                if split not in self._answers:
                    for found in self._stored_answers(data):
                        if isinstance(found, Progress):
                            yield found
                        else:
                            self._answers[split] = found
                answers, batch = self._answers.get(split), STORED_BATCH
            except OSError:
                log.exception("activations could not be kept")
                batch = EVALUATION_BATCH
            if self.stop():
                return
        if answers is None:
            answers = partial(_answers, self._folded, self.store, data, self._spec, self.hardware)
        for result in evaluate(self.network, data, self.config, answers, self.stop, batch):
            if isinstance(result, Outcome):
                yield result
            else:
                eta = (time.perf_counter() - started) / result * (len(data) - result)
                yield Progress("testing", text, result, len(data), eta)

    def table(self, split: str, outcome: Outcome) -> PredictionTable:
        """What was predicted for a split."""
        data = SplitData.of(self.dataset, split)
        return PredictionTable(
            split=split,
            classes=self.dataset.classes,
            image_ids=tuple(row.pixel_hash for row in self.dataset.rows_of(split)),
            indices=data.indices,
            labels=data.labels,
            probabilities=outcome.probabilities,
        )

    @property
    def _spec(self) -> Preprocessing:
        return self.config.entry().preprocessing

    @cached_property
    def _folded(self) -> torch.nn.Module:
        return fold_network(self.network.eval())

    def _stored_answers(self, data: SplitData) -> Iterator[Progress | Answers]:
        """Raw outputs of a head over a backbone that never changed: what leaves it is kept for other heads."""
        self.network.freeze(list(self.network.blocks)[-1])
        prefix = Prefix(self.network, self._spec, self.hardware)
        plain = Augmentation(crop=False, flip=False, colour=False, strength=0.0)
        for item in open_activations(self.settings, prefix, self.store, data.indices, plain, 0, self.stop):
            if isinstance(item, Progress):
                yield dataclasses.replace(item, phase="testing")
            else:
                if item.reused and item.name not in self.paid:
                    self.charged += item.seconds or 0.0
                yield partial(_head_answers, self.network, item, self.hardware)


def exact_hardware(settings: Settings, hardware: Hardware | None) -> Hardware:
    if hardware is None:
        device = choose_device(settings)
        hardware = Hardware(device, device_name(device), settings.threads, "fp32", "")
    return dataclasses.replace(hardware, precision="fp32", prefix_precision="fp32")


def _answers(
    folded: torch.nn.Module, store: PixelStore, data: SplitData, spec: Preprocessing, hardware: Hardware, chosen: slice
) -> Tensor:
    return logits_of(folded, store.take(data.indices[chosen]), spec, hardware)


@torch.inference_mode()
def _head_answers(network: Network, found: Activations, hardware: Hardware, chosen: slice) -> Tensor:
    places = np.arange(len(found.positions))[chosen]
    return network.head(found.take(places).to(hardware.device))  # type: ignore[no-any-return]  # modules give Any
