"""The test of a run: its best checkpoint on the untouched split, once, in fp32 as predictions are made later."""

import dataclasses
import logging
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from core.datasets.dataset import Dataset
from core.errors import RunError
from core.evaluation.predictions import PredictionTable, write_predictions
from core.settings import Settings
from core.training.activations import Activations, Prefix, open_activations
from core.training.augmentation import Augmentation
from core.training.checkpoint import BEST, CHECKPOINTS, load_network
from core.training.config import TrainConfig
from core.training.data import SplitData
from core.training.events import Event, PhaseStarted, Progress, Tested
from core.training.hardware import Hardware, choose_device, device_name
from core.training.inference import EVALUATION_BATCH, Outcome, evaluate, logits_of
from core.training.pixels import PixelStore, open_store
from models.catalog import Preprocessing
from models.folding import fold_network
from models.network import Network

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
) -> Iterator[Event]:
    """Evaluate the best checkpoint on the test split, once, and store every prediction.

    A dataset without a test split is judged on its validation split, and the event says so.

    Args:
        store, hardware: of the training that has just ended, if one has.
    Raises:
        RunError: if there are predictions already, or no checkpoint.
    """
    split: Literal["test", "val"] = "test" if dataset.rows_of("test") else "val"
    path = folder / "predictions.csv"
    if path.exists():
        raise RunError("The test split of this run was opened already: its predictions stand.")
    yield PhaseStarted("testing", "Testing the best checkpoint")
    started = time.perf_counter()
    network, checkpoint = load_network(folder / CHECKPOINTS, BEST)
    config = checkpoint.config
    spec = config.entry().preprocessing
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
    data = SplitData.of(dataset, split)
    answers: Answers | None = None
    batch = EVALUATION_BATCH
    for found in open_answers(config, network, store, data, exact, settings, stop):
        if isinstance(found, Progress):
            yield found
        else:
            answers, batch = found
    if answers is None:
        return
    for result in evaluate(network, data, config, answers, stop, batch):
        if not isinstance(result, Outcome):
            eta = (time.perf_counter() - started) / result * (len(data) - result)
            yield Progress("testing", "Testing", result, len(data), eta)
            continue
        rows = dataset.rows_of(split)
        write_predictions(
            path,
            PredictionTable(
                split=split,
                classes=dataset.classes,
                picture_ids=tuple(row.pixel_hash for row in rows),
                indices=data.indices,
                labels=data.labels,
                probabilities=result.probabilities,
            ),
        )
        correct = int((result.probabilities.argmax(axis=1) == data.labels).sum())
        seconds = time.perf_counter() - started
        yield Tested(split, correct, len(data), correct / len(data), result.loss, checkpoint.epoch, seconds)


def open_answers(
    config: TrainConfig,
    network: Network,
    store: PixelStore,
    data: SplitData,
    exact: Hardware,
    settings: Settings,
    stop: Stop,
) -> Iterator[Progress | tuple[Answers, int]]:
    """Raw outputs for pictures that are judged; the last thing yielded is them, and how many to ask for at once.

    Args:
        network: for a head over stored activations, whatever its head holds when they are asked for; else as it is.
        exact: fp32.
    """
    if config.strategy == "head" and config.views:
        try:
            yield from _stored_answers(settings, network, config.entry().preprocessing, exact, store, data, stop)
            return  # also where it was asked to stop
        except OSError:
            log.exception("activations could not be kept")
    spec = config.entry().preprocessing
    yield partial(_answers, fold_network(network.eval()), store, data, spec, exact), EVALUATION_BATCH


def exact_hardware(settings: Settings, hardware: Hardware | None) -> Hardware:
    """In fp32, as everything is judged and predicted."""
    if hardware is None:
        device = choose_device(settings)
        hardware = Hardware(device, device_name(device), settings.threads, "fp32", "")
    return dataclasses.replace(hardware, precision="fp32", prefix_precision="fp32")


def _answers(
    folded: torch.nn.Module, store: PixelStore, data: SplitData, spec: Preprocessing, hardware: Hardware, chosen: slice
) -> Tensor:
    return logits_of(folded, store.take(data.indices[chosen]), spec, hardware)


def _stored_answers(
    settings: Settings,
    network: Network,
    spec: Preprocessing,
    hardware: Hardware,
    store: PixelStore,
    data: SplitData,
    stop: Stop,
) -> Iterator[Progress | tuple[Answers, int]]:
    """Raw outputs of a head over a backbone that never changed: what leaves it is kept for other heads."""
    network.freeze(list(network.blocks)[-1])
    prefix = Prefix(network, spec, hardware)
    plain = Augmentation(crop=False, flip=False, colour=False, strength=0.0)
    for item in open_activations(settings, prefix, store, data.indices, plain, 0, stop):
        if isinstance(item, Progress):
            yield dataclasses.replace(item, phase="testing")
        else:
            yield partial(_head_answers, network, item, hardware), STORED_BATCH


@torch.inference_mode()
def _head_answers(network: Network, found: Activations, hardware: Hardware, chosen: slice) -> Tensor:
    places = np.arange(len(found.positions))[chosen]
    return network.head(found.take(places).to(hardware.device))  # type: ignore[no-any-return]  # modules give Any
