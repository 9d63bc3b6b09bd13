"""One run from its configuration to its test result, as a generator of events.

Prepares pixels and weights, measures the hardware, trains, keeps the best checkpoint, and opens the test split once:
after training has ended, with that checkpoint, in fp32 (the precision in which predictions are made later).
"""

import dataclasses
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import torch

from core.datasets.dataset import Dataset
from core.errors import ConfigError, DivergedError, RunError, WeightsError
from core.evaluation.predictions import PredictionTable, write_predictions
from core.settings import Settings
from core.training.augmentation import Augmentation
from core.training.checkpoint import Checkpoint, load_network, save_checkpoint
from core.training.config import TrainConfig
from core.training.data import SplitData, TrainingData
from core.training.events import Described, EpochDone, Event, Message, PhaseStarted, Progress, Tested
from core.training.feeds import Feed, open_feed
from core.training.hardware import Hardware, choose_hardware, prepare_torch
from core.training.inference import Outcome, evaluate, logits_of
from core.training.pixels import PixelStore, open_store
from core.training.plan import Stage, plan_stages
from core.training.trainer import choose_strip, fit
from models import weights
from models.catalog import NetworkEntry
from models.network import Network, build, build_pretrained

Stop = Callable[[], bool]
CHECKPOINTS = "checkpoints"
BEST = "best"


def train(config: TrainConfig, dataset: Dataset, settings: Settings, folder: Path, stop: Stop) -> Iterator[Event]:
    """Run everything; files (checkpoints, predictions) go into the run's `folder`.

    When `stop` answers True the generator ends soon, with the best checkpoint so far kept.

    Raises:
        ConfigError, WeightsError, DatasetError, DivergedError, RunError: each with a sentence for people.
    """
    problems = config.problems_with(
        len(dataset.classes), {split: len(dataset.rows_of(split)) for split in ("train", "val")}
    )
    if problems:
        raise ConfigError(problems)
    prepare_torch(settings, config.seed)
    entry = config.entry()
    yield PhaseStarted("preparing", "Preparing")
    yield from _fetch_weights(config, entry, stop)
    store: PixelStore | None = None
    for item in open_store(settings, dataset, entry.preprocessing, stop):
        if isinstance(item, PixelStore):
            store = item
        else:
            yield item
    if store is None or stop():
        return
    yield Progress("preparing", "Building the network", 0, 1, None)
    network = build_network(config, entry, len(dataset.classes))
    stages = plan_stages(config, entry)
    hardware: Hardware | None = None
    for choice in choose_hardware(settings, config, network, entry.preprocessing.crop_px, stages[-1].freeze_point):
        if stop():
            return
        if isinstance(choice, Hardware):
            hardware = choice
        else:
            yield choice
    if hardware is None:
        return
    torch.manual_seed(config.seed)
    hardware.place(network)
    data = TrainingData(store, SplitData.of(dataset, "train"), SplitData.of(dataset, "val"), entry.preprocessing)
    yield _describe(config, dataset, network, stages, hardware, data)
    feeds: list[Feed] = []
    for stage in stages:
        for found in open_feed(settings, stage, network, data, config, hardware, stop):
            if isinstance(found, Progress | Message):
                yield found
            else:
                feeds.append(found)
        if stop():
            return
    checkpoints = folder / CHECKPOINTS
    epoch, saved = 0, False
    try:
        for event in fit(network, data, config, stages, feeds, hardware.device, stop):
            if isinstance(event, EpochDone):
                epoch = event.epoch
                if event.best:
                    kept = Checkpoint(config, dataset.classes, event.epoch, event.val_accuracy)
                    save_checkpoint(checkpoints, BEST, network, kept)
                    saved = True
            yield event
    except DivergedError:
        if not saved and _is_finite(network):
            save_checkpoint(checkpoints, BEST, network, Checkpoint(config, dataset.classes, epoch, None))
        raise
    if stop():
        if not saved:
            save_checkpoint(checkpoints, BEST, network, Checkpoint(config, dataset.classes, epoch, None))
        return
    del network
    yield from judge(dataset, settings, folder, stop, store=store, hardware=hardware)


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

    Raises:
        RunError: if there are predictions already, or no checkpoint.
    """
    split = "test" if dataset.rows_of("test") else "val"
    path = folder / "predictions.csv"
    if path.exists():
        raise RunError("The test split of this run was opened already: its predictions stand.")
    yield PhaseStarted("testing", "Testing the best checkpoint")
    started = time.perf_counter()
    network, checkpoint = load_network(folder / CHECKPOINTS, BEST)
    config = checkpoint.config
    entry = config.entry()
    if hardware is None:
        hardware = next(
            item
            for item in choose_hardware(
                settings,
                config.model_copy(update={"precision": "fp32"}),
                network,
                entry.preprocessing.crop_px,
                None,
            )
            if isinstance(item, Hardware)
        )
    if store is None:
        for item in open_store(settings, dataset, entry.preprocessing, stop):
            if isinstance(item, PixelStore):
                store = item
            else:
                yield item
    if store is None:
        return
    exact = dataclasses.replace(hardware, precision="fp32")
    exact.place(network)
    data = SplitData.of(dataset, split)
    taken = store

    def logits_for(chosen: slice) -> torch.Tensor:
        return logits_of(network, taken.take(data.indices[chosen]), entry.preprocessing, exact)

    for result in evaluate(network, data, config, logits_for, stop):
        if not isinstance(result, Outcome):
            yield Progress("testing", "Testing", result, len(data), _eta(started, result, len(data)))
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
        yield Tested(
            "test" if split == "test" else "val",
            correct,
            len(data),
            correct / len(data),
            result.loss,
            checkpoint.epoch,
            time.perf_counter() - started,
        )


def build_network(config: TrainConfig, entry: NetworkEntry, classes: int) -> Network:
    """The network with which a run starts: random weights, or pretrained ones under a fresh head."""
    if not config.pretrained:
        options = config.scratch_options() if config.model == "scratch_cnn" else None
        return build(config.model, classes, head=config.head, options=options, seed=config.seed)
    path = weights.find(entry)
    if path is None:
        raise WeightsError(f"The weights of {entry.title} are missing: run `python -m core prefetch {entry.name}`.")
    return build_pretrained(config.model, classes, head=config.head, seed=config.seed, weights_file=path)


def _fetch_weights(config: TrainConfig, entry: NetworkEntry, stop: Stop) -> Iterator[Event]:
    if not config.pretrained or weights.find(entry) is not None:
        return
    started = time.perf_counter()
    yield Message("info", f"Downloading the pretrained weights of {entry.title}.")
    download = weights.fetch(entry)
    try:
        for done, total in download:
            if stop():
                return
            yield Progress("preparing", "Downloading weights", done, total, _eta(started, done, total))
    finally:
        download.close()


def _describe(
    config: TrainConfig,
    dataset: Dataset,
    network: Network,
    stages: list[Stage],
    hardware: Hardware,
    data: TrainingData,
) -> Described:
    described = []
    trainable = total = 0
    for stage in stages:
        network.freeze(stage.freeze_point)
        total, trainable = network.parameter_counts()
        described.append(
            {
                "name": stage.name,
                "freeze_point": stage.freeze_point,
                "epochs": stage.epochs,
                "trainable": trainable,
            }
        )
    rows = dataset.rows
    return Described(
        parameters=total,
        trainable=trainable,
        stages=described,
        hardware=hardware.to_json(),
        pictures={split: len(dataset.rows_of(split)) for split in ("train", "val", "test")},
        strip=[{"index": int(index), "label": rows[int(index)].label} for index in choose_strip(data.val, config.seed)],
        augmentation=_describe_views(config, stages),
    )


def _describe_views(config: TrainConfig, stages: list[Stage]) -> str:
    augmentation = Augmentation.from_config(config)
    words = augmentation.describe()
    if config.stored_views and augmentation.active and any(stage.freeze_point for stage in stages):
        random = config.stored_views - 1
        words += (
            "; where a part is frozen, from "
            + (f"{config.stored_views} stored views: the plain one and {random} random" if random else "the plain view")
            + " of each picture"
        )
    return words


def _is_finite(network: Network) -> bool:
    return all(bool(torch.isfinite(value).all()) for value in network.parameters())


def _eta(started: float, done: int, total: int) -> float | None:
    return (time.perf_counter() - started) / done * (total - done) if done else None
