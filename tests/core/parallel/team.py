"""Trainings over several processes, as threads of this one: each has its own group, store and network."""

import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

from core.config.train_config import TrainConfig
from core.datasets.dataset import Dataset
from core.parallel.follower import follow
from core.parallel.leader import Leader, ready_key
from core.parallel.process_group import open_file
from core.settings import Settings
from core.steps import Request, Stopped, StopSignal
from tests.support.processes import wait_for

HERE = "127.0.0.1"


class Team:
    """Followers of one training, each in a thread.

    Attributes:
        wanted: names of those that may take part.
        signals: ends a follower between two groups.
    """

    def __init__(self, config: TrainConfig, dataset: Dataset, settings: Settings, place: Path) -> None:
        self._what = config, dataset, settings
        self._place = place
        self.wanted: list[str] = []
        self.signals: dict[str, StopSignal] = {}
        self._threads: list[threading.Thread] = []

    def add(self, name: str) -> None:
        """Let a follower join."""
        self.wanted.append(name)
        signal = self.signals[name] = StopSignal()

        def work() -> None:
            with suppress(Stopped):
                follow(*self._what, open_file(self._place), name, HERE, signal)

        self._threads.append(threading.Thread(target=work, daemon=True))
        self._threads[-1].start()

    def wait_for(self, name: str) -> None:
        """Wait until a follower is ready."""
        store = open_file(self._place)
        wait_for(lambda: bool(store.check([ready_key(name)])))

    def leader(self, **options: Any) -> Leader:
        """What the training is shared by."""
        return Leader(open_file(self._place), HERE, lambda: self.wanted, gather_seconds=60, **options)

    def end(self) -> bool:
        """Wait for all followers; whether they have ended."""
        for signal in self.signals.values():
            signal.ask(Request.STOP)
        for thread in self._threads:
            thread.join(20)
        return not any(thread.is_alive() for thread in self._threads)
