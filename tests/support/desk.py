"""A scheduler inside the test, whose workers are real: forked, trained to the end, and met at any moment."""

import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from subprocess import Popen
from typing import Any

import psutil
import pytest

from core.actor import OPERATOR, Actor
from core.config.train_config import TrainConfig
from core.jobs import launchers
from core.jobs.watchdog import worker_process
from core.runs.run import Run, RunState
from core.runs.run_store import RunStore
from core.scheduling.dispatcher import Dispatcher
from core.settings import Settings

STEP_SECONDS = 0.03
TRAINING = {"epochs": 6}


class Desk:
    """Decides about the runs of a data root, one look after the other, as the scheduler's process does."""

    def __init__(self, settings: Settings, config: TrainConfig) -> None:
        self.settings = settings
        self.config = TrainConfig.model_validate({**config.model_dump(), **TRAINING})
        self.store = RunStore(settings)
        self.dispatcher = Dispatcher(settings)
        self.random = random.Random(20_031)

    def queue(self, by: Actor = OPERATOR, **changes: Any) -> Run:
        return self.store.create(TrainConfig.model_validate({**self.config.model_dump(), **changes}), by=by)

    def until(self, condition: Callable[[], bool], seconds: float = 60.0) -> float:
        """Look at the runs until something is so; returns after how many seconds."""
        started = time.monotonic()
        while not condition():
            assert time.monotonic() - started < seconds, "waited in vain"
            self.dispatcher.step()
            time.sleep(STEP_SECONDS)
        return time.monotonic() - started

    def finish(self, run: Run) -> Run:
        self.until(lambda: run.state() is RunState.FINISHED)
        return run

    def begin(self, run: Run, than: psutil.Process | None = None) -> psutil.Process:
        """The process that does a run; another one `than` this."""
        found: list[psutil.Process] = []

        def begun() -> bool:
            process = worker_process(run)
            found[:] = [process] if process is not None and process != than else []
            return bool(found)

        self.until(begun)
        return found[0]


def start_eagerly(settings: Settings, module: str, arguments: list[str], log: Path, **more: Any) -> "Popen[bytes]":
    assert module == "core.jobs.workers.preloader"
    return launchers.start_module(settings, "tests.support.eager_preloader", ["core.eager"], log, **more)


@pytest.fixture
def desk(
    settings: Settings, drawn: object, small_config: TrainConfig, ended_processes: None, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Desk]:
    monkeypatch.setattr("core.jobs.workers.preloader.start_module", start_eagerly)
    monkeypatch.setenv("TUNEMYPETS_THREADS", "1")  # a small network on a busy machine: several times as fast
    found = Desk(Settings.from_environment(), small_config)
    yield found
    found.dispatcher.close()


def figures(run: Run) -> list[Any]:
    """All that a training found out, to the last digit: what happened to it on the way must not show."""
    history = run.history()
    assert history.tested is not None
    found: list[Any] = [
        (e.epoch, e.train_loss, e.train_accuracy, e.val_loss, e.val_accuracy, e.learning_rate, e.images_seen, e.best)
        for e in history.epochs
    ]
    found.append((history.tested.correct, history.tested.loss, history.tested.epoch))
    result = run.result()
    assert result is not None
    found.append((result.state, result.text, result.epochs_done, result.best_val_accuracy))
    found.append((run.checkpoints / "best.safetensors").read_bytes())
    found.append((run.folder / "predictions.csv").read_bytes())
    return found


def files(run: Run) -> list[str]:
    """What lies in a run's folder."""
    return sorted(path.relative_to(run.folder).as_posix() for path in run.folder.rglob("*") if path.is_file())
