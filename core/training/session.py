"""One run from its configuration to its test result, as a generator of events.

Prepares pixels and weights, measures the hardware, trains, keeps the best checkpoint, and opens the test split once:
after training has ended, with that checkpoint, in fp32 (the precision in which predictions are made later).
"""

import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from core.config.events import BatchDone, EpochDone, Event, Message, RateFound
from core.config.train_config import TrainConfig
from core.datasets.dataset import Dataset
from core.errors import DivergedError, RunError
from core.formatting import format_number
from core.settings import Settings
from core.stores.hardware import Hardware
from core.training import snapshot
from core.training.build import build_network
from core.training.checkpoint import BEST, CHECKPOINTS, Checkpoint, save_checkpoint
from core.training.costs import SEARCHING, TRAINING, VALIDATION, Costs
from core.training.evaluation import PREDICTIONS, VALIDATION_PREDICTIONS, judge
from core.training.multiply_adds import count_multiply_adds
from core.training.preparation import Prepared, prepare
from core.training.rate_finder import find_rate
from core.training.snapshot import Facts, SnapshotWriter, load_snapshot, read_facts, write_snapshot
from core.training.trainer import Trainer, is_finite
from models.catalog import NetworkEntry
from models.network import Network

Stop = Callable[[], bool]

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
    asked_to_stop: Stop,
    resume: Facts | None = None,
    leave: Stop = lambda: False,
) -> Iterator[Event]:
    """Run everything; files (checkpoints, predictions) go into the run's `folder`.

    When `asked_to_stop` answers True the generator ends soon, with the best checkpoint so far kept; when `leave` does,
    it ends as soon, and the training is put aside to go on later.

    Args:
        resume: from `resumable`: the training goes on where it was put aside.

    Raises:
        ConfigError, WeightsError, DatasetError, DivergedError, RunError: each with a sentence for people.
    """

    def stop() -> bool:
        return asked_to_stop() or leave()

    prepared: Prepared | None = None
    for item in prepare(config, dataset, settings, stop, resume.hardware if resume else None):
        if isinstance(item, Prepared):
            prepared = item
        else:
            yield item
    if prepared is None:
        return
    entry, network, stages, costs = prepared.entry, prepared.network, prepared.stages, prepared.costs
    hardware, data, feeds = prepared.hardware, prepared.data, prepared.feeds
    del prepared, item  # or the network would be held until the test has ended
    checkpoints = folder / CHECKPOINTS
    epoch, saved = 0, False
    rate = resume.learning_rate if resume else None
    if resume:
        costs.restore(resume.costs)
    if config.find_rate and rate is None:
        searching = time.perf_counter()
        network.freeze(stages[0].freeze_point)
        for tried in find_rate(network, feeds[0], data, config, hardware.device, stop):
            yield tried
            if isinstance(tried, RateFound):
                rate = tried.chosen
                told = f"Goes on with the learning rate {format_number(rate, 2)}"
                yield Message("info", f"{told}, which brought the loss most of its way down.")
        if stop():
            return
        costs.seconds[SEARCHING] = time.perf_counter() - searching
        costs.charges[0] += costs.seconds[SEARCHING]
    trainer = Trainer(network, data, config, stages, feeds, hardware.device, rate, charges=costs.charges)
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
                facts = _facts(config, dataset, hardware, folder, rate, costs)
                writer.write(trainer.snapshot(), facts, time.monotonic() - copied)
    except DivergedError:
        writer.finish(remove=True)
        if not saved:
            if not is_finite(network.state_dict()):
                # a single step can be too large: the last finite weights are those it began with
                network, epoch = build_network(config, entry, len(dataset.classes)), 0
            save_checkpoint(checkpoints, BEST, network, Checkpoint(config, dataset.classes, epoch, None))
        raise
    except BaseException:
        writer.finish(remove=False)  # or it might overtake the next attempt
        raise
    if leave():
        writer.finish(remove=False)
        if trainer.begun:
            write_snapshot(checkpoints, trainer.snapshot(), _facts(config, dataset, hardware, folder, rate, costs))
        return
    if stop():
        writer.finish(remove=True)
        if not saved:
            save_checkpoint(checkpoints, BEST, network, Checkpoint(config, dataset.classes, epoch, None))
        return
    costs.seconds[TRAINING] = trainer.passed - trainer.position.validating
    costs.seconds[VALIDATION] = trainer.position.validating
    multiply_adds = _count(network, entry)
    del network, trainer
    writer.finish(remove=False)  # the snapshot stays until the run's result is written
    # it was interrupted after a test, before anybody was told: these predictions may be of earlier weights
    for name in (PREDICTIONS, VALIDATION_PREDICTIONS):
        (folder / name).unlink(missing_ok=True)
    yield from judge(dataset, settings, folder, stop, store=data.store, hardware=hardware, costs=costs)
    if (folder / PREDICTIONS).exists():
        yield costs.measured(multiply_adds, checkpoints / f"{BEST}.safetensors")


def _count(network: Network, entry: NetworkEntry) -> tuple[int, int]:
    try:
        return count_multiply_adds(network, entry.preprocessing.crop_px)
    except Exception:  # a figure, for which no run may fail
        log.exception("the multiply-adds could not be counted")
        return 0, 0


def _facts(
    config: TrainConfig, dataset: Dataset, hardware: Hardware, folder: Path, rate: float | None, costs: Costs
) -> dict[str, Any]:
    """What a snapshot says beside the training's own state."""
    log_file = folder / "events.jsonl"
    return {
        "config": config.model_dump(mode="json"),
        "fingerprint": dataset.fingerprint,
        "events_bytes": log_file.stat().st_size if log_file.exists() else 0,
        "hardware": hardware.to_json(),
        "learning_rate": rate,
        "costs": costs.to_json(),
    }
