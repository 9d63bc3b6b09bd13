"""One run from its configuration to its test result, as a generator of events, in four steps.

Prepare pixels, weights and hardware; search for the learning rate if asked; train and keep the best checkpoint;
evaluate that checkpoint once on the test split, in fp32 (the precision of later predictions).
"""

import logging
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from core.checkpoints.checkpoint import Checkpoint, build_network, save_checkpoint
from core.checkpoints.preprocessing import describe_preprocessing
from core.checkpoints.snapshot import Facts, SnapshotWriter, load_snapshot, read_facts, write_snapshot
from core.config.events import BatchDone, EpochDone, Event, Message
from core.config.train_config import TrainConfig
from core.datasets.dataset import Dataset
from core.errors import DivergedError, RunError
from core.estimates.costs import FROZEN, SEARCHING, TRAINING, VALIDATION, Costs, count_multiply_adds
from core.formatting import format_number
from core.runs.run_files import BEST, CHECKPOINTS, EVENTS, NOVELTY, PREDICTIONS, SNAPSHOT, VALIDATION_PREDICTIONS
from core.settings import Settings
from core.steps import Request, Stopped, StopSignal
from core.stores.hardware import Hardware
from core.stores.pixels import Elsewhere
from core.stores.training_data import TrainingData
from core.training.evaluation import evaluate
from core.training.gradients import Compute, Gradients
from core.training.preparation import Prepared, prepare
from core.training.rate_finder import find_rate
from core.training.trainer import Trainer
from core.training.training_state import is_finite
from models.catalog import NetworkEntry
from models.network import Network

LEAST_SECONDS = 1.0  # of training before a deadline
EVALUATION_SECONDS = 3.0  # before a deadline; where evaluation takes longer, the training notices it

log = logging.getLogger("tunemypets.session")


class Sharing(Protocol):
    """Other processes that compute parts of each step."""

    def begin(self, facts: dict[str, Any], gradients: Gradients) -> Compute:
        """What computes the steps; `facts` say how the others have to prepare."""

    def messages(self) -> list[str]:
        """What has happened since the last call, in sentences."""


def resumable(config: TrainConfig, dataset: Dataset, folder: Path) -> Facts | None:
    """The facts of a training that was paused in the run's folder; a snapshot that cannot be used is removed."""
    try:
        facts = read_facts(folder / CHECKPOINTS)
    except RunError:
        log.exception("the training starts again from its beginning")
        facts = None
    if facts is None or (facts.config, facts.fingerprint) != (config, dataset.fingerprint):
        (folder / CHECKPOINTS / SNAPSHOT).unlink(missing_ok=True)
        return None
    return facts


def train(
    config: TrainConfig,
    dataset: Dataset,
    settings: Settings,
    folder: Path,
    signal: StopSignal,
    resume: Facts | None = None,
    deadline: float | None = None,
    *,
    test: bool = True,
    elsewhere: Elsewhere | None = None,
    sharing: Sharing | None = None,
) -> Iterator[Event]:
    """Run everything; files (checkpoints, predictions) go into the run's `folder`.

    Args:
        resume: from `resumable`: the training continues there.
        deadline: when the test result shall be there, in seconds since 1970: a training with a budget of seconds then
            gets less of it where its preparation took long. One that has passed already counts for nothing.
        test: evaluate on the test split at the end; a sweep chooses among its trials by validation alone.
        elsewhere: what evaluates frozen parts, if not this process.
        sharing: lets other processes compute parts of each step.

    Raises:
        Stopped: `signal` was set. After a stop the best checkpoint so far is kept; after a pause a snapshot as well.
        ConfigError, WeightsError, DatasetError, DivergedError, RunError: each with a sentence for people.
    """
    earlier: tuple[Any, Any, Any] = (None, None, None)
    if resume:
        earlier = resume.hardware, resume.preprocessing, resume.feature_scale
    prepared = yield from prepare(config, dataset, settings, signal, *earlier, elsewhere)
    if deadline is not None and deadline <= time.time():  # it waited for other trainings
        deadline = None
    run = _Run(
        settings, config, dataset, folder, signal, resume, deadline, prepared.costs, prepared.hardware, prepared.data,
        sharing,
    )  # fmt: skip
    rate = yield from run.search_rate(prepared)
    multiply_adds = yield from run.fit(prepared, rate)
    del prepared  # or its network would be held until the test has ended
    if test:
        yield from run.evaluate()
    yield run.measure(multiply_adds)


@dataclass
class _Run:
    """The steps that follow the preparation.

    Attributes:
        costs: of the run so far.
    """

    settings: Settings
    config: TrainConfig
    dataset: Dataset
    folder: Path
    signal: StopSignal
    resume: Facts | None
    deadline: float | None
    costs: Costs
    hardware: Hardware
    data: TrainingData
    sharing: Sharing | None = None

    def search_rate(self, prepared: Prepared) -> Generator[Event, None, float | None]:
        """The learning rate, if one has to be found or was found before the training was paused."""
        if self.resume:
            self.costs.restore(self.resume.costs)
            if self.resume.learning_rate is not None:
                return self.resume.learning_rate
        if not self.config.find_rate:
            return None
        started = time.perf_counter()
        prepared.network.freeze(prepared.stages[0].freeze_point)
        found = yield from find_rate(
            prepared.network, prepared.feeds[0], self.data, self.config, self.hardware, self.signal
        )
        yield found
        text = f"Training with the learning rate {format_number(found.chosen, 2)}"
        yield Message("info", f"{text}, at which the loss has fallen most of its way.")
        self.signal.check()
        self.costs.seconds[SEARCHING] = time.perf_counter() - started
        self.costs.charges[0] += self.costs.seconds[SEARCHING]
        return found.chosen

    def fit(self, prepared: Prepared, rate: float | None) -> Generator[Event, None, tuple[int, int]]:
        """Train, saving the best weights and a snapshot now and then; returns the multiply-adds of the network."""
        network, checkpoints = prepared.network, self.folder / CHECKPOINTS
        trainer = Trainer(
            network, self.data, self._fit_budget(), prepared.stages, prepared.feeds, self.hardware, rate,
            charges=self.costs.charges, evaluated=self._count_evaluated(),
            seconds_left=None if self.deadline is None else partial(_seconds_until, self.deadline),
            share=partial(self._share, network),
        )  # fmt: skip
        writer = SnapshotWriter(checkpoints)
        epoch, saved = 0, False
        if self.resume:
            trainer.restore(load_snapshot(checkpoints, self.resume))
            epoch, saved = self.resume.position.epoch, (checkpoints / f"{BEST}.json").exists()
            yield Message("info", f"Resumed after epoch {epoch}, step {self.resume.position.step} of the next.")
        try:
            for event in trainer.fit(self.signal):
                if isinstance(event, EpochDone):
                    epoch = event.epoch
                    if event.best:
                        self._save(network, epoch, event.val_accuracy)
                        saved = True
                yield event
                for text in self.sharing.messages() if self.sharing is not None else ():
                    yield Message("info", text)
                # the event is in the log by now: a snapshot notes how much of the log belongs to it
                if isinstance(event, BatchDone | EpochDone) and writer.due():
                    copied = time.monotonic()
                    facts = self._facts(network, rate)
                    writer.write(trainer.snapshot(), facts, time.monotonic() - copied)
            self.signal.check()
        except Stopped:
            pausing = self.signal.request is Request.PAUSE
            writer.finish(remove=not pausing)
            if pausing and trainer.begun:
                write_snapshot(checkpoints, trainer.snapshot(), self._facts(network, rate))
            elif not pausing and not saved:
                self._save(network, epoch)
            raise
        except DivergedError:
            writer.finish(remove=True)
            if not saved:
                if not is_finite(network.state_dict()):
                    # a single step can be too large: the last finite weights are those it began with
                    scale = network.feature_scale
                    network, epoch = build_network(self.settings, self.config, len(self.dataset.classes)), 0
                    network.scale_features(scale)
                self._save(network, epoch)
            raise
        except BaseException:
            writer.finish(remove=False)  # or it might overtake the next attempt
            raise
        writer.finish(remove=False)  # the snapshot stays until the run's result is written
        self.costs.seconds[TRAINING] = trainer.passed - trainer.position.validating
        self.costs.seconds[VALIDATION] = trainer.position.validating
        return _count(network, prepared.entry)

    def _share(self, network: Network, gradients: Gradients) -> Compute:
        """What computes the steps: this process, or several."""
        if self.sharing is None:
            return gradients.compute
        facts = {
            "hardware": self.hardware.to_json(),
            "preprocessing": describe_preprocessing(self.data.preprocessing),
            "feature_scale": network.feature_scale,
        }
        return self.sharing.begin(facts, gradients)

    def evaluate(self) -> Iterator[Event]:
        """Evaluate the best weights on the test split."""
        # an attempt that ended between its test and its event may have left predictions, of earlier weights
        for name in (PREDICTIONS, VALIDATION_PREDICTIONS, NOVELTY):
            (self.folder / name).unlink(missing_ok=True)
        yield from evaluate(
            self.dataset, self.settings, self.folder, self.signal,
            store=self.data.store, hardware=self.hardware, costs=self.costs,
        )  # fmt: skip

    def measure(self, multiply_adds: tuple[int, int]) -> Event:
        """What the run has cost."""
        return self.costs.measured(multiply_adds, self.folder / CHECKPOINTS / f"{BEST}.safetensors")

    def _fit_budget(self) -> TrainConfig:
        """The configuration, whose seconds end before the deadline."""
        if self.deadline is None or self.config.max_seconds is None:
            return self.config
        left = max(LEAST_SECONDS, _seconds_until(self.deadline) - EVALUATION_SECONDS)
        begun = self.resume.position.seconds if self.resume else 0.0
        seconds = round(sum(self.costs.charges) + begun + left, 1)
        return self.config.variant(max_seconds=min(self.config.max_seconds, seconds))

    def _count_evaluated(self) -> int:
        """Images that are predicted after the training, apart from those whose activations are stored."""
        test, val = (len(self.dataset.rows_of(split)) for split in ("test", "val"))
        if self.config.strategy == "head" and self.config.views:
            return 0 if FROZEN in self.costs.reused else test
        return test + val

    def _save(self, network: Network, epoch: int, val_accuracy: float | None = None) -> None:
        checkpoint = Checkpoint(self.config, self.dataset.classes, epoch, val_accuracy, self.data.preprocessing)
        save_checkpoint(self.folder / CHECKPOINTS, BEST, network, checkpoint)

    def _facts(self, network: Network, rate: float | None) -> dict[str, Any]:
        """What a snapshot notes besides the training's own state."""
        log_file = self.folder / EVENTS
        return {
            "config": self.config.model_dump(mode="json"),
            "fingerprint": self.dataset.fingerprint,
            "events_bytes": log_file.stat().st_size if log_file.exists() else 0,
            "hardware": self.hardware.to_json(),
            "learning_rate": rate,
            "feature_scale": network.feature_scale,
            "costs": self.costs.to_json(),
            "preprocessing": describe_preprocessing(self.data.preprocessing),
        }


def _seconds_until(moment: float) -> float:
    return moment - time.time()


def _count(network: Network, entry: NetworkEntry) -> tuple[int, int]:
    try:
        return count_multiply_adds(network, entry.preprocessing.crop_px)
    except Exception:  # no run may fail for a figure
        log.exception("the multiply-adds could not be counted")
        return 0, 0
