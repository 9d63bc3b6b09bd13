"""A run is a folder: configuration, events, checkpoints, result. Its state is derived, never stored twice."""

import dataclasses
import enum
import time
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import ConfigDict, PlainValidator, TypeAdapter

from core.config.events import Tested
from core.config.race_plan import RacePlan, parse_plan
from core.config.train_config import TrainConfig, load_config
from core.errors import ConfigError, RunError
from core.locks import is_held
from core.runs.history import EventLogReader, Record, RunHistory, read_records
from core.runs.run_files import (
    CHECKPOINTS,
    CONFIG,
    EVENTS,
    LOCK,
    META,
    PREDICTIONS,
    RESULT,
    STARTED,
    STOP,
    VALIDATION_PREDICTIONS,
)
from core.statistics.predictions import PredictionTable, read_predictions
from core.storage import Stamp, stamp_of, write_json


class RunState(enum.StrEnum):
    """A run is always in exactly one of these."""

    QUEUED = "queued"
    RUNNING = "running"
    FINISHED = "finished"
    STOPPED = "stopped"
    FAILED = "failed"
    INTERRUPTED = "interrupted"

    @property
    def active(self) -> bool:
        """Whether it waits for a worker or has one."""
        return self in (RunState.QUEUED, RunState.RUNNING)


@dataclass(frozen=True)
class RunMeta:
    """What is known of a run when it is created."""

    __pydantic_config__ = ConfigDict(extra="forbid", strict=True)

    created: float  # seconds since 1970
    owner: str
    race: str | None
    arm: str | None
    dataset_title: str
    dataset_fingerprint: str
    classes: tuple[str, ...]
    title: str | None = None  # given later, replaces the note
    deadline: float | None = None  # when its result shall be there, in seconds since 1970: the demo's countdown
    sweep: str | None = None  # that it is a trial of: then it is not evaluated on the test split
    trial: int | None = None  # which one
    # of the race or learning curve that it is part of
    plan: Annotated[RacePlan | None, PlainValidator(parse_plan)] = None


@dataclass(frozen=True)
class RunResult:
    """How a run ended."""

    state: RunState
    text: str  # one sentence for people
    ended: float  # seconds since 1970
    seconds: float | None  # from the worker's start to its end
    epochs_done: int = 0
    best_val_accuracy: float | None = None
    tested: Tested | None = None
    cause: str | None = None  # of a failure with a known remedy
    points_done: int = 0  # of a learning curve


_META = TypeAdapter(RunMeta)
_RESULT = TypeAdapter(RunResult)


@dataclass(frozen=True)
class Run:
    """A run's folder, read on demand: disk is the only truth."""

    folder: Path

    @property
    def id(self) -> str:
        return self.folder.name

    @property
    def lock_path(self) -> Path:
        return self.folder / LOCK

    @property
    def checkpoints(self) -> Path:
        return self.folder / CHECKPOINTS

    @property
    def stop_reason(self) -> str:
        """Why it was asked to stop, as a sentence; empty where nobody said why."""
        try:
            return (self.folder / STOP).read_text(encoding="utf-8")
        except (OSError, ValueError):
            return ""

    @property
    def has_weights(self) -> bool:
        """Whether there is a checkpoint to predict with."""
        return (self.checkpoints / "best.json").exists()

    def config(self) -> TrainConfig:
        """The configuration.

        Raises:
            RunError: if the file is missing or damaged.
        """
        try:
            return load_config((self.folder / CONFIG).read_text(encoding="utf-8"))
        except ConfigError as error:
            raise RunError(
                f"The configuration of run {self.id} was made by another version of TuneMyPets or is damaged "
                f"({', '.join(error.problems)}): open it with that version, or delete the run."
            ) from error
        except (OSError, ValueError) as error:
            reason = (error.strerror if isinstance(error, OSError) else None) or "not a text file"
            raise RunError(f"The configuration of run {self.id} cannot be read ({reason}): delete the run.") from error

    def meta(self) -> RunMeta:
        """What was noted at creation.

        Raises:
            RunError: if the file is missing or damaged.
        """
        try:
            return _META.validate_json((self.folder / META).read_bytes())
        except (OSError, ValueError, TypeError) as error:
            raise RunError(f"The file meta.json of run {self.id} is damaged: delete the run.") from error

    def result(self) -> RunResult | None:
        """How it ended, or None while it has not."""
        try:
            return self.read_result()
        except (OSError, ValueError):
            return RunResult(RunState.FAILED, "The result file of this run is damaged: train it again.", 0.0, None)

    def read_result(self) -> RunResult | None:
        """How it ended, or None while it has not.

        Raises:
            ValueError: the file is damaged.
            OSError: it cannot be read.
        """
        try:
            result = _RESULT.validate_json((self.folder / RESULT).read_bytes(), strict=True)
        except FileNotFoundError:
            return None
        if result.state.active:
            raise ValueError("is of a run that has not ended")
        return result

    def state(self) -> RunState:
        """The state, derived from the result, the start marker and the worker's lock; never from a process id."""
        result = self.result()
        if result is not None:
            return result.state
        if not (self.folder / STARTED).exists():
            return RunState.QUEUED
        if is_held(self.lock_path):
            return RunState.RUNNING
        # the worker may have ended between the two looks
        result = self.result()
        return result.state if result is not None else RunState.INTERRUPTED

    @property
    def stop_requested(self) -> bool:
        return (self.folder / STOP).exists()

    @property
    def event_log(self) -> Path:
        return self.folder / EVENTS

    def records(self) -> list[Record]:
        """The events so far, as they were written."""
        return read_records(self.event_log)

    def history(self) -> RunHistory:
        """The events so far: of a log that was read before only what was appended since. The lists are the caller's."""
        path = self.event_log
        return _open_log(path).read() if path.exists() else RunHistory()  # queued runs displace no log that grows

    def predictions(self) -> PredictionTable:
        """The stored predictions on the test split.

        Raises:
            RunError: if there are none yet, or the table is damaged.
        """
        path = self.folder / PREDICTIONS
        if not path.exists():
            raise RunError(f"Run {self.id} has no test result yet: wait until it has finished, or evaluate it.")
        return _read_once(path, stamp_of(path))

    def validation_predictions(self) -> PredictionTable:
        """The stored predictions on the validation split, of the weights that were evaluated.

        Raises:
            RunError: if there are none, or the table is damaged.
        """
        path = self.folder / VALIDATION_PREDICTIONS
        if path.exists():
            return _read_once(path, stamp_of(path))
        tested = self.predictions()
        if tested.split == "val":  # a dataset without a test split
            return tested
        raise RunError(
            f"Run {self.id} has no predictions on its validation pictures (an earlier version kept none, or the disk "
            "was full): train it again."
        )

    def write_result(self, state: RunState, text: str, seconds: float | None, cause: str | None = None) -> None:
        """Record how the run ended; only the holder of the lock may."""
        history = self.history()
        result = RunResult(
            state,
            text,
            time.time(),
            seconds,
            len(history.epochs),
            history.best.val_accuracy if history.best else None,
            history.tested,
            cause,
            len(history.points),
        )
        write_json(self.folder / RESULT, dataclasses.asdict(result))


@lru_cache(maxsize=64)  # of 2,000 pictures and ten classes each takes half a megabyte
def _read_once(path: Path, _: Stamp | None) -> PredictionTable:
    found = read_predictions(path)
    for values in vars(found).values():
        if isinstance(values, np.ndarray):
            values.setflags(write=False)  # all readers share them
    return found


@lru_cache(maxsize=16)  # thousands of events take megabytes
def _open_log(path: Path) -> EventLogReader:
    return EventLogReader(path)
