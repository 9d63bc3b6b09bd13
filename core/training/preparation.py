"""Preparing a training: weights, pixels, the network, the hardware, and the feeds of its stages."""

import math
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch

from core.checkpoints.checkpoint import build_network
from core.checkpoints.preprocessing import describe_preprocessing
from core.config.events import Described, Event, Message, PhaseStarted, Progress
from core.config.seen_views import sum_up_augmentation
from core.config.stages import Stage, plan_stages
from core.config.train_config import TrainConfig
from core.datasets.dataset import Dataset
from core.errors import ConfigError
from core.estimates.benchmark import choose_hardware
from core.estimates.costs import Costs
from core.formatting import format_count, format_number
from core.settings import Settings
from core.steps import StopSignal
from core.stores.hardware import Hardware, prepare_torch, with_threads_of
from core.stores.pixels import Elsewhere, open_files, open_store, preprocessing_of
from core.stores.training_data import SplitData, TrainingData
from core.training.feature_scale import measure_scale
from core.training.feeds import Feed, open_feed
from core.training.monitor import choose_samples
from models import weights
from models.catalog import NetworkEntry, Preprocessing
from models.network import Network


@dataclass(frozen=True)
class Prepared:
    """All that a training starts from.

    Attributes:
        network: on its device, with the weights of its seed.
        feeds: one for each stage.
        costs: of the preparation.
    """

    entry: NetworkEntry
    network: Network
    stages: list[Stage]
    hardware: Hardware
    data: TrainingData
    feeds: list[Feed]
    costs: Costs


def prepare(
    config: TrainConfig,
    dataset: Dataset,
    settings: Settings,
    signal: StopSignal,
    earlier: dict[str, Any] | None = None,
    spec: Preprocessing | None = None,
    scale: float | None = None,
    elsewhere: Elsewhere | None = None,
) -> Generator[Event, None, Prepared]:
    """Prepare a training.

    Args:
        earlier: the hardware that a resumed training computed with.
        spec: its preprocessing.
        scale: by which it multiplied features; None: it is measured.
        elsewhere: what evaluates frozen parts, if not this process.

    Raises:
        ConfigError, WeightsError, DatasetError: each with a sentence for people.
    """
    problems = config.problems_with(
        len(dataset.classes), {split: len(dataset.rows_of(split)) for split in ("train", "val")}
    )
    if problems:
        raise ConfigError(problems)
    settings = with_threads_of(settings, earlier)
    prepare_torch(settings, config.seed)
    entry = config.entry()
    yield PhaseStarted("preparing", "Preparing")
    yield from _fetch_weights(config, entry, signal)
    spec = spec or preprocessing_of(config, dataset)
    if elsewhere is not None and config.frozen_throughout:
        store = open_files(settings, dataset, spec)
    else:
        store = yield from open_store(settings, dataset, spec, signal)
    store = replace(store, elsewhere=elsewhere)
    signal.check()
    costs = Costs()
    costs.charge_decoding(store.seconds, reused=store.reused)
    yield Progress("preparing", "Building the network", 0, 1, None)
    network = build_network(settings, config, len(dataset.classes))
    stages = plan_stages(config, entry)
    data = TrainingData(store, SplitData.of(dataset, "train"), SplitData.of(dataset, "val"), spec)
    hardware = yield from choose_hardware(settings, config, network, stages, data.sample(), signal, earlier)
    if elsewhere is not None and config.precision == "auto":
        # another processor may have to emulate what is fastest on this one
        hardware = replace(hardware, prefix_precision="fp32", prefix_reason="several machines share the frozen part")
    torch.manual_seed(config.seed)
    hardware.place(network)
    yield _describe(config, dataset, network, stages, hardware, data)
    feeds: list[Feed] = []
    for stage in stages:
        feed = yield from open_feed(settings, stage, network, data, config, hardware, signal)
        feeds.append(feed)
        signal.check()
        unknown = costs.charge_stage(settings, config, hardware.prefix_precision, feed.stored)
        if unknown is not None:
            yield unknown
    if config.pretrained:
        yield from _scale_features(network, stages[0], feeds[0], data, hardware, scale)
    return Prepared(entry, network, stages, hardware, data, feeds, costs)


def _fetch_weights(config: TrainConfig, entry: NetworkEntry, signal: StopSignal) -> Iterator[Event]:
    if not config.pretrained or weights.find(entry) is not None:
        return
    started = time.perf_counter()
    yield Message("info", f"Downloading the pretrained weights of {entry.title}.")
    download = weights.fetch(entry)
    try:
        for done, total in download:
            signal.check()
            yield Progress("preparing", "Downloading weights", done, total, _eta(started, done, total))
    finally:
        download.close()


def _scale_features(
    network: Network, stage: Stage, feed: Feed, data: TrainingData, hardware: Hardware, scale: float | None
) -> Iterator[Message]:
    """Let the head scale down features that are larger than those it starts with weights for."""
    if scale is None:
        network.freeze(stage.freeze_point)
        scale = measure_scale(network, feed, data, hardware)
        if scale != 1.0:
            yield Message(
                "info",
                f"The features of this network are large ({format_number(1 / scale, 2)}, root mean square): the new "
                "output layer gets them scaled to 1, as its first weights and its learning rate expect.",
            )
    network.scale_features(scale)


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
        hardware={**hardware.to_json(), **_describe_workers(config, network)},
        pictures={split: len(dataset.rows_of(split)) for split in ("train", "val", "test")},
        strip=[
            {"index": int(index), "label": rows[int(index)].label} for index in choose_samples(data.val, config.seed)
        ],
        augmentation=sum_up_augmentation(config),
        preprocessing=describe_preprocessing(data.preprocessing),
    )


def _describe_workers(config: TrainConfig, network: Network) -> dict[str, Any]:
    """How many workers there are, and what differs from one; nothing of a single one."""
    if config.workers == 1:
        return {}
    note = "the same numbers as one worker, but for rounding"
    if any(
        module.training for module in network.modules() if isinstance(module, torch.nn.modules.batchnorm._BatchNorm)
    ):
        pictures = format_count(math.ceil(config.batch_size / config.workers), "picture")
        note = (
            f"batch norm normalises each part of a batch on its own, at most {pictures}: not the numbers of one worker"
        )
    elif any(module.training for module in network.modules() if isinstance(module, torch.nn.Dropout)):
        note = "dropout draws for each part of a batch: not the numbers of one worker"
    return {"workers": config.workers, "workers_note": note}


def _eta(started: float, done: int, total: int) -> float | None:
    return (time.perf_counter() - started) / done * (total - done) if done else None
