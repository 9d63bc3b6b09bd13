"""Processes of the app forked from one that has torch imported already: each starts seconds sooner (Linux).

    python -m tests.support.fork_server          only `start_fork_server` starts it, at the other end of stdin

About a hundred tests start a scheduler, preloader, worker or predictor, and importing torch takes longer than all that
they test. What they run is what `python -m` runs, in a process of its own session, environment and output. Their parent
is this server, and their command line is its own: `tests.support.processes` recognizes them. Tests of how processes
start are marked `real_processes`.
"""

import gc
import importlib
import json
import logging
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import NoReturn

from core.jobs import launchers, watchdog
from core.settings import PROJECT_ROOT

POSSIBLE = sys.platform == "linux"
MODULES = (  # imported before anything is asked for
    "core.batches.batch_job",
    "core.batches.piece_predictor",
    "core.jobs.benchmark_job",
    "core.jobs.import_job",
    "core.jobs.workers.preloader",
    "core.scheduling.scheduler",
    "core.jobs.workers.worker",
    "core.predict.predictor_server",
    "core.training.session",
)
STARTED = (*MODULES, "tests.support.eager_preloader")
REQUEST_BYTES = 2**18
REQUEST_SECONDS = 5.0  # for one request to arrive: others wait meanwhile


class ForkedProcess:
    """What `launchers` uses of `subprocess.Popen`, of a process that the server forked."""

    def __init__(self, connection: socket.socket, arguments: Sequence[str]) -> None:
        """Read the process id, which the server sends first; its exit status follows when it has ended."""
        self._connection, self._arguments, self._lock = connection, arguments, threading.Lock()
        pid = b""
        while (byte := connection.recv(1)) not in (b"", b"\n"):
            pid += byte
        if not pid:
            raise OSError("the fork server has ended, or did not understand the request")
        self.pid = int(pid)
        self.returncode: int | None = None

    def poll(self) -> int | None:
        with suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        if self.returncode is None:
            with suppress(OSError, ValueError):  # another thread has read the status meanwhile, and closed it
                if not select.select([self._connection], [], [], timeout)[0]:
                    raise subprocess.TimeoutExpired(self._arguments, timeout or 0)
            with self._lock:
                if self.returncode is None:
                    self.returncode = int(
                        self._connection.recv(64) or -signal.SIGKILL
                    )  # nothing: the server was killed
                    self._connection.close()
        return self.returncode

    def kill(self) -> None:
        if self.poll() is None:
            with suppress(ProcessLookupError):  # it has ended, and its status is on its way
                os.kill(self.pid, signal.SIGKILL)


@contextmanager
def forked_processes(address: Path) -> Generator[None]:
    """Let `core.jobs.launchers` have its processes forked by the server at this address."""
    real = launchers.subprocess

    def start(
        command: Sequence[str], *, cwd: Path, env: Mapping[str, str], stdin: int, stdout: "object", **more: object
    ) -> "ForkedProcess | subprocess.Popen[bytes]":
        if command[2] not in STARTED:
            return real.Popen(command, cwd=cwd, env=env, stdin=stdin, stdout=stdout, **more)  # type: ignore[call-overload, no-any-return]
        request = json.dumps({"words": [*command[2:]], "environment": dict(env), "folder": str(cwd)}).encode()
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.connect(str(address))
            with open(os.devnull, "rb") as nothing:  # noqa: PTH123 - no path of a user
                given = nothing.fileno() if stdin == subprocess.DEVNULL else stdin
                sent = socket.send_fds(connection, [request], [given, stdout.fileno()])  # type: ignore[attr-defined]
            connection.sendall(request[sent:])
            connection.shutdown(socket.SHUT_WR)
            return ForkedProcess(connection, command)
        except BaseException:
            connection.close()
            raise

    launchers.subprocess = SimpleNamespace(**{**vars(real), "Popen": start})  # type: ignore[assignment]
    try:
        yield
    finally:
        launchers.subprocess = real


@contextmanager
def start_fork_server(folder: Path) -> Generator[Path]:
    """A server for one session of tests; gives its address, and ends it afterwards."""
    address = folder / "fork"
    environment = {**os.environ, **launchers.WORKER_ENVIRONMENT}
    command = [sys.executable, "-u", "-m", "tests.support.fork_server", str(address)]
    with subprocess.Popen(
        command, cwd=PROJECT_ROOT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        try:
            yield address
        finally:
            process.kill()


def serve(listener: socket.socket) -> None:
    """Fork what is asked for and report how it ended, until the tests have ended."""
    connections: dict[int, tuple[int, socket.socket]] = {}  # by the descriptor that signals the end of a process
    while True:
        ready, _, _ = select.select([listener, sys.stdin, *connections], [], [])
        if sys.stdin in ready:
            return
        for descriptor in connections.keys() & set(ready):
            child, connection = connections.pop(descriptor)
            os.close(descriptor)
            status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            with connection, suppress(OSError):
                connection.sendall(str(status).encode())
        if listener in ready:
            connection = listener.accept()[0]
            child = fork_for(connection)
            if child is None:
                connection.close()
            else:
                connections[os.pidfd_open(child)] = child, connection


def fork_for(connection: socket.socket) -> int | None:
    """Fork what one client asks for; None if it ended, or was stopped, before all of its request was here."""
    connection.settimeout(REQUEST_SECONDS)
    content, given = b"", []
    try:
        content, given, _, _ = socket.recv_fds(connection, REQUEST_BYTES, 2)
        while more := connection.recv(REQUEST_BYTES):
            content += more
        request = json.loads(content)
        stdin, stdout = given
        child = os.fork()
        if child == 0:
            become(request, stdin, stdout)
        with suppress(OSError):
            connection.sendall(b"%d\n" % child)
        return child
    except (OSError, ValueError):
        return None
    finally:
        for descriptor in given:
            os.close(descriptor)


def become(request: dict[str, object], stdin: int, stdout: int) -> NoReturn:
    """Turn a forked child into what `python -m` would start, run it, and end the process."""
    status = 1
    try:
        os.setsid()
        for source, target in ((stdin, 0), (stdout, 1), (stdout, 2)):
            os.dup2(source, target)
        for descriptor in [int(path.name) for path in Path("/proc/self/fd").iterdir()]:
            if descriptor > 2:
                with suppress(OSError):  # the list's own
                    os.close(descriptor)
        module, *arguments = request["words"]  # type: ignore[misc]
        Path("/proc/self/comm").write_text(command_name(module), encoding="utf-8")
        os.chdir(str(request["folder"]))
        os.environ.clear()
        os.environ.update(request["environment"])  # type: ignore[call-overload]
        sys.argv = [module, *arguments]
        sys.modules.pop(module, None)
        runpy.run_module(module, run_name="__main__", alter_sys=True)
        status = 0
    except SystemExit as left:
        status = left.code if isinstance(left.code, int) else int(left.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        logging.shutdown()
        os._exit(status)


def command_name(module: str) -> str:
    """What /proc shows of a process that runs a module: its first package and itself, 15 characters at most."""
    _, package, *_, name = module.split(".")
    return f"{package}.{name}"[:15]


def main() -> None:
    address = Path(sys.argv[1])
    for module in MODULES:
        importlib.import_module(module)
    watchdog.COUNTS = Path(os.devnull)  # as tests/conftest.py does
    gc.freeze()
    assert threading.active_count() == 1, "only one thread survives a fork"
    with socket.socket(socket.AF_UNIX) as listener, forked_processes(address):
        listener.bind(str(address))
        listener.listen(64)
        print("ready")
        serve(listener)


if __name__ == "__main__":
    main()
