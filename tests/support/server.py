"""The app on a free port of this machine, and how Chromium is started."""

import os
import socket
import subprocess
import sys
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path

from core.settings import PROJECT_ROOT, Settings
from tests.support.processes import wait_for

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")


CHROMIUM_OPTIONS = ["--disable-gpu", "--disable-background-networking", "--no-first-run", "--disable-sync"]


def answers(address: str) -> bool:
    """Whether an app answers there."""
    try:
        with urllib.request.urlopen(f"{address}/_stcore/health", timeout=2) as reply:
            return bool(reply.status == 200)
    except OSError:
        return False


@dataclass
class Server:
    """`streamlit run` on a free port of this machine."""

    settings: Settings
    port: int = 0
    process: "subprocess.Popen[bytes] | None" = field(default=None)
    environment: dict[str, str] = field(default_factory=dict)  # beside this test's own
    module: str = "streamlit"  # what is run; another one calls Streamlit itself

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        if not self.port:
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                self.port = probe.getsockname()[1]
        self.settings.home.mkdir(parents=True, exist_ok=True)
        with (self.settings.home.parent / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", self.module, "run", "streamlit_app.py", "--server.port", str(self.port)],
                cwd=PROJECT_ROOT,
                env={**os.environ, **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        wait_for(lambda: answers(self.address), 60)

    def kill(self) -> None:
        """End the server as `kill -9` does."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(10)
            self.process = None

    def imported_torch(self) -> bool:
        """Whether torch's libraries are mapped into the server's memory (Linux)."""
        assert self.process is not None
        return "libtorch" in Path(f"/proc/{self.process.pid}/maps").read_text(encoding="utf-8")
