"""The fork server of the tests: what it starts is like what Python starts, and nothing that a client does ends it."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from core.jobs import launchers
from core.settings import Settings
from tests.support.fork_server import POSSIBLE, ForkedProcess, forked_processes

pytestmark = pytest.mark.skipif(not POSSIBLE, reason="This system does not fork processes: nothing to test.")


def start(settings: Settings, address: Path) -> int:
    """The exit status of a worker whose run does not exist."""
    with forked_processes(address):
        log = settings.logs_dir / "worker.log"
        process = launchers.start_module(settings, "core.jobs.workers.worker", [str(settings.home / "nothing")], log)
        assert isinstance(process, ForkedProcess)
        return process.wait(60)


def test_a_forked_process_ends_as_a_started_one_does(settings: Settings, fork_server: Path) -> None:
    forked = start(settings, fork_server)
    printed = (settings.logs_dir / "worker.log").read_text()
    command = [sys.executable, "-m", "core.jobs.workers.worker", str(settings.home / "nothing")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert forked == done.returncode
    said = [text.partition("tunemypets.")[2] for text in (printed, done.stdout + done.stderr)]  # without the time
    assert said[0] == said[1] != ""


@pytest.mark.parametrize("sent", ["nothing", "half a request", "no descriptors"])
def test_a_client_that_is_killed_in_the_middle_harms_no_other(settings: Settings, fork_server: Path, sent: str) -> None:
    request = json.dumps({"words": ["core.jobs.workers.worker"], "environment": {}, "folder": "/"}).encode()
    with socket.socket(socket.AF_UNIX) as client, Path(os.devnull).open("rb") as nothing:
        client.connect(str(fork_server))
        if sent == "half a request":
            socket.send_fds(client, [request[:20]], [nothing.fileno(), nothing.fileno()])
        elif sent == "no descriptors":
            client.sendall(request)
    assert isinstance(start(settings, fork_server), int)
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(fork_server))
        client.shutdown(socket.SHUT_WR)
        with pytest.raises(OSError, match="did not understand the request"):
            ForkedProcess(client, ["python"])
