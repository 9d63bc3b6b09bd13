"""Snapshots: everything that a paused or interrupted training needs to resume exactly, in one file of its run.

The file is replaced as a whole, in the background, so rarely that it takes at most a fiftieth of the time.
"""

import dataclasses
import json
import logging
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import Tensor

from core.checkpoints.preprocessing import read_preprocessing
from core.checkpoints.weights_file import check_header
from core.config.train_config import TrainConfig, load_config
from core.errors import ConfigError, RunError
from core.runs.run_files import SNAPSHOT
from core.storage import atomic_open
from models.entry import Preprocessing

FORMAT = 1
LARGEST_LOSS = sys.float_info.max  # before the first epoch; JSON knows no infinity
LEAST_SECONDS = 5.0  # between two snapshots
SHARE = 50  # a snapshot that takes a second waits for this many

log = logging.getLogger("tunemypets.snapshot")


@dataclass
class Position:
    """Where a training stands between two steps: all that is not a tensor.

    Attributes:
        stage: place of the stage, from 0.
        stage_epoch: epochs of the stage that are complete.
        epoch: complete epochs of all stages.
        step: steps done in the epoch that is under way.
        rate: learning rate of the last step.
        loss, correct, images: sums over the steps of this epoch.
        images_seen: since the start of the training.
        seconds: of training, in all processes.
        validating: how many of these seconds went into validation.
        charged: seconds of frozen parts that were charged, of the first `charged_stages` stages.
        stage_began: when the stage began, on the training's clock: charged seconds included.
        done: of the whole work, in images, for the estimate of the time that is left.
        best_accuracy, best_loss: on the validation split.
        waiting: epochs since the accuracy was last exceeded.
    """

    stage: int = 0
    stage_epoch: int = 0
    epoch: int = 0
    step: int = 0
    rate: float = 0.0
    loss: float = 0.0
    correct: int = 0
    images: int = 0
    images_seen: int = 0
    seconds: float = 0.0
    validating: float = 0.0
    charged: float = 0.0
    charged_stages: int = 0
    stage_began: float = 0.0
    done: float = 0.0
    best_accuracy: float = -1.0
    best_loss: float = LARGEST_LOSS
    waiting: int = 0


@dataclass(frozen=True)
class Snapshot:
    """The state of a paused training.

    Attributes:
        position: where it stands.
        tensors: of the trainable part, of the optimizer, and of the random numbers.
        rates: learning rate of each parameter group.
        schedule_step: steps of the learning-rate schedule.
    """

    position: Position
    tensors: dict[str, Tensor]
    rates: tuple[float, ...]
    schedule_step: int


@dataclass(frozen=True)
class Facts:
    """What the file holds besides the tensors.

    Attributes:
        events_bytes: length of the run's event log at that moment; later events are written again.
        hardware: what the training computed with; another number format would give other digits.
        learning_rate: that of the training, if it was looked for.
        costs: of the run so far, from `Costs.to_json`.
        preprocessing: of the training: it continues on the same pixels.
        feature_scale: of the network; runs of earlier versions had none.
    """

    config: TrainConfig
    fingerprint: str
    events_bytes: int
    hardware: dict[str, Any]
    position: Position
    rates: tuple[float, ...]
    schedule_step: int
    learning_rate: float | None
    costs: dict[str, Any]
    preprocessing: Preprocessing
    feature_scale: float = 1.0


def read_facts(folder: Path) -> Facts | None:
    """What is known of the snapshot in a folder of checkpoints; None where there is none.

    Raises:
        RunError: it is damaged.
    """
    path = folder / SNAPSHOT
    try:
        check_header(path)
        with safe_open(path, framework="pt") as file:
            values = json.loads(file.metadata()["facts"])
        config = load_config(values["config"])
        return Facts(
            config,
            str(values["fingerprint"]),
            int(values["events_bytes"]),
            dict(values["hardware"]),
            Position(**values["position"]),
            tuple(float(rate) for rate in values["rates"]),
            int(values["schedule_step"]),
            None if values.get("learning_rate") is None else float(values["learning_rate"]),
            dict(values.get("costs", {})),
            read_preprocessing(config, values.get("preprocessing")),
            float(values.get("feature_scale", 1.0)),
        )
    except FileNotFoundError:
        return None
    except (
        SafetensorError, OSError, KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError,
        ConfigError,
    ) as error:  # fmt: skip
        raise RunError(
            f"The snapshot {SNAPSHOT} of this run is damaged: start the run again from its beginning."
        ) from error


def load_snapshot(folder: Path, facts: Facts) -> Snapshot:
    """The snapshot whose facts `read_facts` gave.

    Raises:
        RunError: it is damaged.
    """
    try:
        tensors = load_file(folder / SNAPSHOT)
    except (SafetensorError, OSError) as error:
        raise RunError(
            f"The snapshot {SNAPSHOT} of this run is damaged: start the run again from its beginning."
        ) from error
    return Snapshot(facts.position, tensors, facts.rates, facts.schedule_step)


def write_snapshot(folder: Path, snapshot: Snapshot, facts: dict[str, Any]) -> None:
    """Replace the snapshot of a run."""
    folder.mkdir(parents=True, exist_ok=True)
    whole = {
        **facts,
        "format": FORMAT,
        "position": dataclasses.asdict(snapshot.position),
        "rates": list(snapshot.rates),
        "schedule_step": snapshot.schedule_step,
    }
    data = save(snapshot.tensors, metadata={"facts": json.dumps(whole, allow_nan=False)})
    with atomic_open(folder / SNAPSHOT) as file:
        file.write(data)


class SnapshotWriter:
    """Writes snapshots in the background, at most one at a time, and at most a fiftieth of the time."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._due = time.monotonic() + LEAST_SECONDS
        self._thread: threading.Thread | None = None

    def due(self) -> bool:
        """Whether it is time for another one."""
        busy = self._thread is not None and self._thread.is_alive()
        return not busy and time.monotonic() >= self._due

    def write(self, snapshot: Snapshot, facts: dict[str, Any], seconds_taken: float) -> None:
        """Start to write.

        Args:
            seconds_taken: by the copy that the training waited for.
        """

        def work() -> None:
            started = time.monotonic()
            try:
                write_snapshot(self.folder, snapshot, facts)
            except OSError:
                log.exception("a snapshot could not be written; the one before stays")
            finally:
                spent = seconds_taken + time.monotonic() - started
                self._due = time.monotonic() + max(LEAST_SECONDS, SHARE * spent)

        self._thread = threading.Thread(target=work, daemon=True)
        self._thread.start()

    def finish(self, *, remove: bool) -> None:
        """Wait for the last one; with `remove`, delete it: the training is complete."""
        if self._thread is not None:
            self._thread.join()
        if remove:
            (self.folder / SNAPSHOT).unlink(missing_ok=True)
