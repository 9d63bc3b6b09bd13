"""One run from its configuration to its test result, as a generator of events.

Prepares pixels and weights, measures the hardware, trains, keeps the best checkpoint, and opens the test split once:
after training has ended, with that checkpoint, in fp32 (the precision in which predictions are made later).
"""

import dataclasses
import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from core.datasets.dataset import Dataset
from core.errors import ConfigError, DivergedError, RunError, WeightsError
from core.evaluation.predictions import PredictionTable, read_predictions, write_predictions
from core.settings import Settings
from core.training import snapshot
from core.training.augmentation import Augmentation
from core.training.checkpoint import Checkpoint, load_network, read_sidecar, save_checkpoint
from core.training.config import TrainConfig
from core.training.data import SplitData, TrainingData
from core.training.events import BatchDone, Described, EpochDone, Event, Message, PhaseStarted, Progress, Tested
from core.training.feeds import Feed, open_feed
from core.training.hardware import Hardware, choose_hardware, prepare_torch
from core.training.inference import Outcome, evaluate, logits_of
from core.training.pixels import PixelStore, open_store
from core.training.plan import Stage, plan_stages
from core.training.snapshot import Facts, SnapshotWriter, load_snapshot, read_facts
from core.training.trainer import Trainer, choose_strip
from models import weights
from models.catalog import NetworkEntry
from models.network import Network, build, build_pretrained

Stop = Callable[[], bool]
CHECKPOINTS = "checkpoints"
BEST = "best"

log = logging.getLogger("tunemypets.session")


def resumable(config: TrainConfig, dataset: Dataset, folder: Path) -> Facts | None:
    """What is known of a training that was put aside in the run's folder; one that cannot be used is removed."""
    try:
        facts = read_facts(folder / CHECKPOINTS)
    except RunError:
        log.exception("the training begins anew")
        facts = None
    if facts is None or (facts.config, facts.fingerprint) != (config, dataset.fingerprint):
        (folder / CHECKPOINTS / snapshot.FILE).unlink(missing_ok=True)
        return None
    return facts


def train(
    config: TrainConfig,
    dataset: Dataset,
    settings: Settings,
    folder: Path,
    stop: Stop,
    resume: Facts | None = None,
) -> Iterator[Event]:
    """Run everything; files (checkpoints, predictions) go into the run's `folder`.

    When `stop` answers True the generator ends soon, with the best checkpoint so far kept.

    Args:
        resume: from `resumable`: the training goes on where it was put aside.

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
    # another number format would give other digits than the training that was put aside
    wanted = config.model_copy(update={"precision": resume.hardware["precision"]}) if resume else config
    for choice in choose_hardware(settings, wanted, network, entry.preprocessing.crop_px, stages[-1].freeze_point):
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
    trainer = Trainer(network, data, config, stages, feeds, hardware.device)
    writer = SnapshotWriter(checkpoints)
    if resume:
        trainer.restore(load_snapshot(checkpoints, resume))
        epoch, saved = resume.position.epoch, (checkpoints / f"{BEST}.json").exists()
        yield Message("info", f"Taken up again after epoch {epoch}, step {resume.position.step} of the next.")
    try:
        for event in trainer.fit(stop):
            if isinstance(event, EpochDone):
                epoch = event.epoch
                if event.best:
                    kept = Checkpoint(config, dataset.classes, event.epoch, event.val_accuracy)
                    save_checkpoint(checkpoints, BEST, network, kept)
                    saved = True
            yield event
            # the event is in the log by now: what is put aside tells how much of the log belongs to it
            if isinstance(event, BatchDone | EpochDone) and writer.due():
                copied = time.monotonic()
                writer.write(trainer.snapshot(), _facts(config, dataset, hardware, folder), time.monotonic() - copied)
    except DivergedError:
        writer.finish(remove=True)
        if not saved and _is_finite(network):
            save_checkpoint(checkpoints, BEST, network, Checkpoint(config, dataset.classes, epoch, None))
        raise
    if stop():
        writer.finish(remove=True)
        if not saved:
            save_checkpoint(checkpoints, BEST, network, Checkpoint(config, dataset.classes, epoch, None))
        return
    del network, trainer
    if resume and (folder / "predictions.csv").exists():
        yield _tested_before(folder)  # it was interrupted after the test, before it could tell
        writer.finish(remove=True)
        return
    yield from judge(dataset, settings, folder, stop, store=store, hardware=hardware)
    writer.finish(remove=True)


def _facts(config: TrainConfig, dataset: Dataset, hardware: Hardware, folder: Path) -> dict[str, Any]:
    """What a snapshot says beside the training's own state."""
    log_file = folder / "events.jsonl"
    return {
        "config": config.model_dump(mode="json"),
        "fingerprint": dataset.fingerprint,
        "events_bytes": log_file.stat().st_size if log_file.exists() else 0,
        "hardware": hardware.to_json(),
    }


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


def _tested_before(folder: Path) -> Tested:
    """The result that stored predictions hold; the test split stays closed."""
    table = read_predictions(folder / "predictions.csv")
    correct = int((table.probabilities.argmax(axis=1) == table.labels).sum())
    own = table.probabilities[np.arange(len(table.labels)), table.labels]
    loss = float(-np.log(np.maximum(own, np.finfo(np.float64).tiny)).mean())
    split: Literal["test", "val"] = "test" if table.split == "test" else "val"
    epoch = read_sidecar(folder / CHECKPOINTS, BEST).epoch
    return Tested(split, correct, len(table.labels), correct / len(table.labels), loss, epoch, 0.0)


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
