"""Waiting, ending the processes of a data root, and working next to a running event loop."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import psutil

T = TypeVar("T")


def end_processes(home: Path) -> None:
    """End every process of a data root, by its id."""
    for process in psutil.process_iter(["pid", "environ", "cmdline"]):
        environment = process.info["environ"] or {}
        command = process.info["cmdline"] or []
        if environment.get("TUNEMYPETS_HOME") == str(home) and any(part.startswith("core.") for part in command):
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
                process.wait(5)


def run_apart(work: Coroutine[Any, Any, T]) -> T:
    """Run something asynchronous in a thread of its own: Chromium's driver keeps a loop running in the main one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


def wait_for(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait until something is so; fails after a while."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)
