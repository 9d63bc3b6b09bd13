"""Followers on this machine: processes of a run's worker, which share its processor threads.

    python -m core.jobs.workers.local_followers RUN_DIR STORE NAME      only a worker starts it

Each ends with the worker that holds the other end of its standard input, however that ends.
"""

import argparse
import dataclasses
import logging
import os
import subprocess
import sys
import tempfile
import threading
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

from core.config.train_config import TrainConfig
from core.datasets.dataset_store import DatasetStore
from core.jobs.launchers import NICENESS, log_to_stderr, start_module, step_back
from core.runs.run import Run
from core.runs.run_files import LOG
from core.settings import Settings
from core.steps import Stopped, StopSignal

if TYPE_CHECKING:
    from core.parallel.leader import Leader

ADDRESS = "127.0.0.1"
END_SECONDS = 3.0  # that a follower may take to end

log = logging.getLogger("tunemypets.parallel")


def share_threads(settings: Settings, config: TrainConfig) -> Settings:
    """The settings of each of several workers that share this machine's processor."""
    return dataclasses.replace(settings, threads=max(1, settings.threads // config.workers))


class LocalFollowers:
    """A context with the followers of one run, and their leader.

    Args:
        settings: of each worker, from `share_threads`.
    """

    def __init__(self, settings: Settings, run: Run, config: TrainConfig) -> None:
        self._settings, self._run, self._config = settings, run, config
        self._processes: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> "Leader":
        import torch

        from core.parallel.leader import Leader
        from core.parallel.process_group import open_file

        self._place = tempfile.TemporaryDirectory(prefix="tunemypets-")
        path = Path(self._place.name) / "store"
        gpus = torch.cuda.device_count() if self._settings.device in ("auto", "cuda") else 0
        own = gpus >= self._config.workers
        for number in range(1, self._config.workers):
            name = str(number)
            self._processes[name] = start_module(
                self._settings,
                "core.jobs.workers.local_followers",
                [str(self._run.folder), str(path), name],
                self._run.folder / LOG,
                threads=self._settings.threads,
                stdin=subprocess.PIPE,
                environment={"CUDA_VISIBLE_DEVICES": str(number)} if own else {},
            )
        self._leader = Leader(open_file(path), ADDRESS, self._alive, nccl=own)
        return self._leader

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leader.close()
        for process in self._processes.values():
            if process.stdin is not None:
                process.stdin.close()
        for process in self._processes.values():
            try:
                process.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._place.cleanup()

    def _alive(self) -> list[str]:
        return [name for name, process in self._processes.items() if process.poll() is None]


def _end_with_parent() -> None:
    with suppress(OSError):
        while os.read(sys.stdin.fileno(), 1024):
            pass
    os._exit(0)


def main(arguments: list[str] | None = None) -> int:
    """Follow the training of a run until it has no more steps."""
    parser = argparse.ArgumentParser(
        prog="python -m core.jobs.workers.local_followers", description="Follow one training."
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("store", type=Path)
    parser.add_argument("name")
    options = parser.parse_args(arguments)
    log_to_stderr()
    step_back(NICENESS)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    from core.parallel.follower import follow
    from core.parallel.process_group import open_file

    settings, config = Settings.from_environment(), Run(options.folder).config()
    dataset = DatasetStore(settings).get(config.dataset)
    with suppress(Stopped):
        follow(config, dataset, settings, open_file(options.store), options.name, ADDRESS, StopSignal())
    logging.shutdown()
    os._exit(0)  # a group's threads may wait


if __name__ == "__main__":
    sys.exit(main())
