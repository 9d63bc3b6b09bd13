"""The app on a free port of this machine, and the Chromium that looks at it."""

import os
import shutil
import socket
import subprocess
import sys
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from core.settings import PROJECT_ROOT, Settings
from tests.support.processes import wait_for

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
CHROMIUM_OPTIONS = ("--disable-gpu", "--disable-background-networking", "--no-first-run", "--disable-sync")


def find_chromium() -> dict[str, Any] | None:
    """How playwright launches this machine's Chromium, or that of `TUNEMYPETS_CHROMIUM`; None where there is none."""
    path = os.environ.get("TUNEMYPETS_CHROMIUM") or next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)
    if path is None:
        return None
    # Chromium refuses to start as root with its sandbox
    as_root = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
    return {"executable_path": path, "args": [*CHROMIUM_OPTIONS, *as_root]}


def free_port() -> int:
    """A port of this machine that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


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

    @property
    def log_path(self) -> Path:
        return self.settings.home.parent / "server.log"

    def start(self) -> None:
        self.port = self.port or free_port()
        self.settings.home.mkdir(parents=True, exist_ok=True)
        with self.log_path.open("ab") as log:
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
