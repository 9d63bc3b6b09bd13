"""Waiting, ending the processes of a data root, and working next to a running event loop."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import psutil

from tests.support.fork_server import command_name

T = TypeVar("T")
FORK_SERVER = "tests.support.fork_server"


def processes_of(home: Path, module: str | None = None) -> list[psutil.Process]:
    """The live processes of a data root that run a module, or anything of the app."""
    found = []
    for process in psutil.process_iter(["cmdline", "environ", "status", "name"]):
        command, environment = process.info["cmdline"] or [], process.info["environ"] or {}
        if FORK_SERVER in command:
            alike = module is None or process.info["name"] == command_name(module)
            own = alike and _output_of(process).is_relative_to(home)
        else:
            alike = any(part.startswith(module or "core.") for part in command)
            own = alike and environment.get("TUNEMYPETS_HOME") == str(home)
        if own and process.info["status"] != psutil.STATUS_ZOMBIE:
            found.append(process)
    return found


def _output_of(process: psutil.Process) -> Path:
    """The file that holds what a process prints, which identifies one that was forked."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{process.pid}/fd/1").readlink()
    return Path()


def end_processes(home: Path) -> None:
    """End every process of a data root, by its id."""
    kill(*processes_of(home))


def kill(*processes: psutil.Process) -> None:
    """End processes as `kill -9` does, and wait until they have.

    Not until init has collected them, as psutil would: some take two seconds for each.
    """
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    wait_for(lambda: not any(_lives(process) for process in processes), 10)


def _lives(process: psutil.Process) -> bool:
    """Whether it may still hold a file or a lock: other threads end after the first one, which is a zombie by then."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.status() != psutil.STATUS_ZOMBIE or process.num_threads() > 1
    return False


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
