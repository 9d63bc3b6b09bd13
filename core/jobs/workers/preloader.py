"""A process that has torch imported already, and forks a training worker whenever the scheduler asks for one (Linux).

    python -m core.jobs.workers.preloader          only the scheduler starts it, at the other end of its standard input

Standard input is a socket. The scheduler sends the folder of a run and its threads as one line of JSON, and receives
another line with its exit status when the worker ends. The preloader ends when the scheduler has ended; workers outlive
both. A fork copies one thread and shares what is open: so nothing computes here, and no lock is ever taken.
"""

import gc
import json
import logging
import os
import select
import selectors
import socket
import sys
import threading
import traceback
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import psutil

from core.jobs.launchers import NICENESS, start_module, step_back
from core.jobs.states import PAUSED
from core.quotas import is_full
from core.runs.run_files import LOG
from core.settings import PROJECT_ROOT, Settings

# macOS has fork, but its frameworks do not survive it; Windows does not have it
POSSIBLE = sys.platform == "linux"
CHUNK_BYTES = 2**16
SCHEDULER = 0  # the descriptor of standard input


@dataclass
class ForkedWorker:
    """A worker that a preloader was asked for; looks like a `subprocess.Popen` to the scheduler."""

    returncode: int | None = None

    def poll(self) -> int | None:
        return self.returncode


class Preloader:
    """The scheduler's end: starts the process, asks it for workers, receives their exit statuses.

    Args:
        module: of the process; that of a cluster speaks the same language.

    Raises:
        OSError: the process cannot be started.
    """

    def __init__(self, settings: Settings, module: str = "core.jobs.workers.preloader") -> None:
        self._socket, other = socket.socketpair()
        self._unread = b""
        self._workers: dict[str, ForkedWorker] = {}
        with other:
            try:
                self._process = start_module(
                    settings,
                    module,
                    [],
                    settings.logs_dir / f"{module.rpartition('.')[2]}.log",
                    threads=settings.threads,
                    stdin=other.fileno(),
                )
            except OSError:
                self._socket.close()
                raise
        self._socket.setblocking(False)

    def start(self, folder: Path, threads: int, node: str = "") -> ForkedWorker:
        """Ask for a worker of a run, with so many processor threads; the request waits until the imports are done.

        Args:
            node: of a cluster, by its id.

        Raises:
            OSError: if the preloader has ended.
        """
        self._socket.sendall(json.dumps({"folder": str(folder), "threads": threads, "node": node}).encode() + b"\n")
        worker = ForkedWorker()
        self._workers[str(folder)] = worker
        return worker

    def listen(self) -> bool:
        """Receive exit statuses; whether the preloader still lives. Never waits."""
        with suppress(ConnectionError):
            try:
                while received := self._socket.recv(CHUNK_BYTES):
                    *lines, self._unread = (self._unread + received).split(b"\n")
                    for answer in map(json.loads, lines):
                        self._workers.pop(answer["folder"]).returncode = answer["status"]
            except BlockingIOError:
                return True
        return False

    def computed(self) -> float:
        """Processor seconds that the process has used; its workers' do not count."""
        with suppress(psutil.Error):
            times = psutil.Process(self._process.pid).cpu_times()
            return times.user + times.system
        return 0.0

    def leave(self) -> None:
        """Let the process end by itself, with its last worker if they are threads of it."""
        self._socket.close()

    def close(self) -> None:
        """End the process, whatever it does; its workers continue where they are processes of their own."""
        self._socket.close()
        self._process.kill()
        self._process.wait()


def preload() -> None:
    """Import what a worker needs, and make sure that forking is safe.

    Raises:
        RuntimeError: if an import left a thread behind.
    """
    gc.disable()  # the imports take a sixth less time
    import torchvision  # noqa: F401 - most networks and all random views need it

    import core.training.session  # noqa: F401 - torch, and all that trains

    gc.freeze()  # else a worker's first full collection copies 88 MB that all could share
    gc.enable()
    # numpy's OpenBLAS ends its idle threads before a fork, and starts them again when they are needed
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.close(os.pidfd_open(child))
    os.waitpid(child, 0)
    threads = len(list(Path("/proc/self/task").iterdir()))
    if threads > 1 or threading.active_count() > 1:
        raise RuntimeError(f"{threads} threads live after the imports: forking is not safe")


def serve() -> None:
    """Fork workers and report how they ended, until the scheduler has ended or the program's files have changed."""
    code = newest_code()
    unread = b""
    children: dict[int, tuple[int, str]] = {}  # process id and folder, by the descriptor that signals the end
    with selectors.DefaultSelector() as selector:
        selector.register(SCHEDULER, selectors.EVENT_READ)
        while True:
            for descriptor in [key.fd for key, _ in selector.select()]:
                if descriptor in children:
                    selector.unregister(descriptor)
                    os.close(descriptor)
                    child, folder = children.pop(descriptor)
                    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
                    os.write(SCHEDULER, json.dumps({"folder": folder, "status": status}).encode() + b"\n")
                    continue
                received = os.read(SCHEDULER, CHUNK_BYTES)
                # the next scheduler starts what this one asked for; the next preloader loads the new files
                if not received or _has_scheduler_ended() or newest_code() != code:
                    return
                *lines, unread = (unread + received).split(b"\n")
                for request in map(json.loads, lines):
                    child = os.fork()
                    if child == 0:
                        os.environ["OMP_NUM_THREADS"] = os.environ["TUNEMYPETS_THREADS"] = str(request["threads"])
                        become_worker(Path(request["folder"]), [*children, selector.fileno()])
                    descriptor = os.pidfd_open(child)
                    selector.register(descriptor, selectors.EVENT_READ)
                    children[descriptor] = (child, request["folder"])


def _has_scheduler_ended() -> bool:
    """Whether the scheduler's end is closed, although something is left to read."""
    asked = select.poll()
    asked.register(SCHEDULER, select.POLLRDHUP)
    return bool(asked.poll(0))


def become_worker(folder: Path, descriptors: Iterable[int]) -> NoReturn:
    """Turn a forked child into what `start_module` would start, do the run, and end the process."""
    import numpy as np

    from core.jobs.workers.worker import take

    status = 1
    try:
        os.setsid()
        step_back(NICENESS)
        Path("/proc/self/comm").write_text("jobs.worker", encoding="utf-8")  # what `top` shows
        for descriptor in descriptors:
            os.close(descriptor)
        nothing = os.open(os.devnull, os.O_RDONLY)
        log = os.open(folder / LOG, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        for source, target in ((nothing, 0), (log, 1), (log, 2)):
            os.dup2(source, target)
        os.close(nothing)
        os.close(log)
        np.random.seed()  # Python does this for `random`; torch begins with the same seed in every process
        status = take(folder)
    except BaseException as error:  # whatever it is, a child must never continue as a second preloader
        traceback.print_exc()
        if isinstance(error, OSError) and is_full(error):
            status = PAUSED
    finally:
        logging.shutdown()
        os._exit(status)


def newest_code() -> float:
    """When the newest of the program's files was changed, in seconds since 1970."""
    folders = (PROJECT_ROOT / "core", PROJECT_ROOT / "models")
    return max(path.stat().st_mtime for folder in folders for path in folder.rglob("*.py"))


def main() -> int:
    """Preload, then serve the scheduler."""
    step_back(NICENESS)
    preload()
    with suppress(ConnectionError):
        serve()
    return 0


if __name__ == "__main__":
    sys.exit(main())
