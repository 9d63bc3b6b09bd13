"""Starts processes that outlive the one that starts them, and lowers their priority."""

import ctypes
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from core.settings import PROJECT_ROOT, Settings
from core.storage import read_json

if TYPE_CHECKING:
    import psutil

_CREATE_NEW_PROCESS_GROUP = 0x00000200
_CREATE_NO_WINDOW = 0x08000000

UP_SECONDS = 20.0  # a process that holds no lock by then may be stuck
ENDING_SECONDS = 0.3

WORKER_ENVIRONMENT = {
    # fewer page faults: 1.4 to 1.8 times as fast (glibc only, ignored elsewhere)
    "MALLOC_MMAP_THRESHOLD_": "1073741824",
    "MALLOC_TRIM_THRESHOLD_": "4294967296",
    # both hold for glibc's main arena only, and trainings compute in a second thread: 7 times the faults without this
    "MALLOC_ARENA_MAX": "1",
    # threads that wait for another one spin for about 0.3 ms and then sleep: next to a program that keeps one of two
    # cores busy, the thread that has to wait for its core then gets the free one (decision 0028)
    "GOMP_SPINCOUNT": "30000",
}

_starting: "dict[tuple[Path, str], tuple[subprocess.Popen[bytes], float]]" = {}
_starting_lock = threading.Lock()


def process_facts() -> dict[str, float]:
    """What identifies this process in a file."""
    import psutil

    return {"pid": os.getpid(), "born": psutil.Process().create_time()}


def recorded_process(path: Path) -> "psutil.Process | None":
    """The live process whose facts a file holds; None if it ended."""
    try:
        return live_process(read_json(path))
    except (OSError, ValueError):
        return None


def live_process(facts: Any) -> "psutil.Process | None":
    """The process that these facts describe; None if it ended, also when its id was given to another one."""
    import psutil

    try:
        process = psutil.Process(int(facts["pid"]))
        return process if abs(process.create_time() - float(facts["born"])) < 1.0 else None
    except (ValueError, KeyError, TypeError, psutil.Error):
        return None


def start_module(
    settings: Settings,
    module: str,
    arguments: Sequence[str],
    log: Path,
    *,
    threads: int | None = None,
    stdin: int = subprocess.DEVNULL,
    environment: Mapping[str, str] | None = None,
) -> "subprocess.Popen[bytes]":
    """Start `python -m module arguments…` in a session of its own, its output appended to `log`.

    Args:
        environment: variables besides this process's own.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    variables = {
        **os.environ,
        "TUNEMYPETS_HOME": str(settings.home),
        "PYTHONUNBUFFERED": "1",
        "PYTHONIOENCODING": "utf-8:backslashreplace",  # of the log, whatever this console's is
        **WORKER_ENVIRONMENT,
        **(environment or {}),
    }
    if threads is not None:
        variables["OMP_NUM_THREADS"] = variables["TUNEMYPETS_THREADS"] = str(threads)
    new_group = _CREATE_NEW_PROCESS_GROUP | _CREATE_NO_WINDOW if os.name == "nt" else 0
    with log.open("ab") as output:
        return subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            cwd=PROJECT_ROOT,
            env=variables,
            stdin=stdin,
            stdout=output,
            stderr=subprocess.STDOUT,
            close_fds=True,
            start_new_session=True,
            creationflags=new_group,
        )


def start_detached(
    settings: Settings, module: str, arguments: Sequence[str], log: Path, variables: Mapping[str, str] | None = None
) -> "subprocess.Popen[bytes]":
    """Start a process without waiting for it, and collect its exit status so that it leaves no zombie.

    Args:
        variables: more of its environment.
    """
    process = start_module(settings, module, arguments, log, environment=variables)
    threading.Thread(target=process.wait, daemon=True).start()
    return process


def start_single(settings: Settings, module: str, arguments: Sequence[str], log: Path) -> None:
    """Start a process that a data root has once, unless one that was started here is still on its way.

    It takes its lock as soon as it is up, which takes seconds on a busy machine: until then, further calls must not
    start more of them.
    """
    if not _starting_lock.acquire(blocking=False):
        return  # another thread is starting it
    try:
        key = settings.home, module
        earlier = _starting.get(key)
        if earlier is not None:
            process, began = earlier
            if time.monotonic() - began < UP_SECONDS and _stays(process):
                return
        _starting[key] = start_detached(settings, module, arguments, log), time.monotonic()
    finally:
        _starting_lock.release()


def _stays(process: "subprocess.Popen[bytes]") -> bool:
    """Whether a process lives, and is not about to end: its lock is free a moment before that."""
    try:
        process.wait(ENDING_SECONDS)
    except subprocess.TimeoutExpired:
        return True
    return False


NICENESS = 5  # of trainings: a third of the weight of other programs (docs/decisions/0028-a-shared-machine.md)
AUTOGROUP = Path("/proc/self/autogroup")


def log_to_stderr() -> None:
    """Write this process's log where the file that it was started with gets it."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s", stream=sys.stderr)


def step_back(niceness: int) -> None:
    """Lower this process's priority to at least this niceness (0 to 19), so that other programs come first.

    Linux shares the processors among sessions first (`setsid`; each worker has its own), and applies niceness only
    within them: two nice workers would get two thirds of the machine. So the priority of the session is lowered too.
    """
    if not hasattr(os, "setpriority"):
        return
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, max(niceness, os.getpriority(os.PRIO_PROCESS, 0)))
    with suppress(OSError, ValueError, IndexError):  # no such file where the system has no such groups
        present = int(AUTOGROUP.read_text(encoding="ascii").rsplit("nice", 1)[1])
        if present < niceness:
            AUTOGROUP.write_text(str(niceness), encoding="ascii")


def trim_memory() -> None:
    """Give freed memory back to the system, which `WORKER_ENVIRONMENT` otherwise keeps for the process (glibc only)."""
    with suppress(OSError, AttributeError, TypeError):  # Windows has no library without a name
        ctypes.CDLL(None).malloc_trim(0)


def leave(status: int) -> NoReturn:
    """End this process without unloading its libraries: torch's for CUDA would be loaded for that, 130 MB of them."""
    logging.shutdown()
    os._exit(status)
