"""Memory and processor time of the server, and what the harness itself costs."""

import asyncio
import contextlib
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Self

import psutil

SAMPLE_SECONDS = 0.5


@dataclass
class Meter:
    """Samples a process while it is used as an async context manager. Sizes in MB (2**20 bytes)."""

    process: Callable[[], psutil.Process]
    rss: list[float] = field(default_factory=list)
    pss: list[float] = field(default_factory=list)
    server_cores: float = 0.0
    harness_cores: float = 0.0
    machine_busy: float = 0.0  # of all cores, 0 to 1

    async def __aenter__(self) -> Self:
        self._began = time.perf_counter()
        self._server_before = _seconds(self.process())
        self._own_before = sum(os.times()[:4])
        psutil.cpu_percent()
        self._task = asyncio.create_task(self._sample())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        wall = time.perf_counter() - self._began
        with contextlib.suppress(psutil.NoSuchProcess):
            self.server_cores = max(0.0, _seconds(self.process()) - self._server_before) / wall
        self.harness_cores = (sum(os.times()[:4]) - self._own_before) / wall
        self.machine_busy = psutil.cpu_percent() / 100

    async def _sample(self) -> None:
        count = 0
        while True:
            with contextlib.suppress(psutil.Error):
                process = self.process()
                self.rss.append(process.memory_info().rss / 2**20)
                if count % 10 == 0:
                    with contextlib.suppress(psutil.Error, AttributeError):
                        self.pss.append(process.memory_full_info().pss / 2**20)
            count += 1
            await asyncio.sleep(SAMPLE_SECONDS)

    @property
    def peak_rss(self) -> float:
        return max(self.rss, default=0.0)

    @property
    def peak_pss(self) -> float:
        return max(self.pss, default=0.0)


def rss_of(process: psutil.Process) -> float:
    """Resident memory of a process in MB."""
    return process.memory_info().rss / 2**20


def _seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system
