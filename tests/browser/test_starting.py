"""The ways to start the app, and what it prints."""

import os
import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from core.room.addresses import own_addresses
from core.settings import PROJECT_ROOT, Settings
from tests.support.processes import wait_for
from tests.support.server import free_port

pytestmark = pytest.mark.slow


class Started:
    """A command that starts the app, with what it prints."""

    def __init__(self, command: list[str], home: Path, log: Path, **environment: str) -> None:
        self.log = log
        with log.open("wb") as file:
            self.process = subprocess.Popen(
                [sys.executable, *command],
                cwd=PROJECT_ROOT,
                env={**os.environ, "TUNEMYPETS_HOME": str(home), "COLUMNS": "200", **environment},
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
            )

    def text(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    def end(self) -> None:
        self.process.kill()
        self.process.wait(10)


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as opened:
        yield opened


def answers(address: str, port: int) -> bool:
    """Whether anyone answers there, in whatever words."""
    try:
        with urllib.request.urlopen(f"http://{address}:{port}/_stcore/health", timeout=3) as reply:
            return bool(reply.status == 200)
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


ROOMS = {
    "streamlit run": (["-m", "streamlit", "run", "streamlit_app.py", "--server.port", "{port}", "--", "--room"], {}),
    "python": (["streamlit_app.py", "--room", "--port", "{port}"], {}),
    "environment": (
        ["-m", "streamlit", "run", "streamlit_app.py", "--server.port", "{port}"],
        {"TUNEMYPETS_ROOM": "1"},
    ),
    "address": (
        ["-m", "streamlit", "run", "streamlit_app.py", "--server.port", "{port}", "--server.address", "0.0.0.0"],
        {},
    ),
}


@pytest.mark.parametrize("way", ROOMS)
def test_a_room_listens_to_the_network_and_prints_both_addresses(
    settings: Settings, ended_processes: None, tmp_path: Path, port: int, stack: ExitStack, way: str
) -> None:
    command, environment = ROOMS[way]
    started = Started([part.format(port=port) for part in command], settings.home, tmp_path / "log", **environment)
    stack.callback(started.end)
    wait_for(lambda: answers("127.0.0.1", port))
    wait_for(lambda: "Presenter" in started.text())
    text = started.text()
    assert re.search(rf"The room is open: http://[^ ]+:{port} +passcode \d{{4}} \d{{4}}", text)
    assert re.search(rf"Presenter \(keep it to yourself\): http://[^ ]+:{port}/room\?secret=[\w-]{{20,}}", text)
    assert text.count("█") > 100  # the QR code
    assert "External" not in text
    others = [address for address in own_addresses() if ":" not in address]
    if others:
        assert answers(others[0], port)


def test_without_a_room_only_this_machine_is_heard(
    settings: Settings, ended_processes: None, tmp_path: Path, port: int, stack: ExitStack
) -> None:
    command = ["-m", "streamlit", "run", "streamlit_app.py", "--server.port", str(port)]
    started = Started(command, settings.home, tmp_path / "log")
    stack.callback(started.end)
    wait_for(lambda: answers("127.0.0.1", port))
    assert not any(answers(address, port) for address in own_addresses() if ":" not in address)
    assert started.text().strip() == f"TuneMyPets: http://localhost:{port}"


def test_a_proxy_on_this_machine_can_stand_before_a_room(
    settings: Settings, ended_processes: None, tmp_path: Path, port: int, stack: ExitStack
) -> None:
    command = [
        "-m",
        "streamlit",
        "run",
        "streamlit_app.py",
        "--server.port",
        str(port),
        "--server.address",
        "127.0.0.1",
    ]
    started = Started(command, settings.home, tmp_path / "log", TUNEMYPETS_ROOM="1")
    stack.callback(started.end)
    wait_for(lambda: answers("127.0.0.1", port))
    wait_for(lambda: "The room is open" in started.text())
    assert not any(answers(address, port) for address in own_addresses() if ":" not in address)


def test_a_wrong_setting_ends_the_start_with_a_sentence(
    settings: Settings, ended_processes: None, tmp_path: Path, port: int, stack: ExitStack
) -> None:
    command = ["-m", "streamlit", "run", "streamlit_app.py", "--server.port", str(port)]
    started = Started(command, settings.home, tmp_path / "log", TUNEMYPETS_HOSTS="http://pets")
    stack.callback(started.end)
    assert started.process.wait(30) == 1
    assert "TUNEMYPETS_HOSTS has 'http://pets'" in started.text()
    assert "Traceback" not in started.text()
