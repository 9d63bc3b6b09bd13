"""A real server and a real Chromium."""

import os
import shutil
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from core.settings import PROJECT_ROOT, Settings
from tests.conftest import skip_or_fail, wait_for

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
CHROMIUM_OPTIONS = ["--disable-gpu", "--disable-background-networking", "--no-first-run", "--disable-sync"]


@dataclass
class Server:
    """`streamlit run` on a free port of this machine."""

    settings: Settings
    port: int = 0
    process: "subprocess.Popen[bytes] | None" = field(default=None)
    environment: dict[str, str] = field(default_factory=dict)  # beside this test's own

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
                [sys.executable, "-m", "streamlit", "run", "streamlit_app.py", "--server.port", str(self.port)],
                cwd=PROJECT_ROOT,
                env={**os.environ, **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        wait_for(self._answers, 60)

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.address}/_stcore/health", timeout=2) as reply:
                return bool(reply.status == 200)
        except OSError:
            return False

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


@pytest.fixture
def server(settings: Settings, ended_processes: None) -> Iterator[Server]:
    """The app, running on this test's data root."""
    running = Server(settings)
    running.start()
    yield running
    running.kill()


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """A headless Chromium of this machine (`TUNEMYPETS_CHROMIUM` names another one)."""
    path = os.environ.get("TUNEMYPETS_CHROMIUM") or next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)
    if path is None:
        skip_or_fail("This test wants Chromium: install it, or set TUNEMYPETS_CHROMIUM to its path.")
    options = list(CHROMIUM_OPTIONS)
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        options.append("--no-sandbox")  # Chromium refuses to start as root with its sandbox
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=options)
        yield browser
        browser.close()


@pytest.fixture
def page(chromium: Browser, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Page]:
    """A fresh browser page; a failing test leaves a screenshot in tests/browser/artifacts."""
    context = chromium.new_context(viewport={"width": 1280, "height": 1000})
    opened = context.new_page()
    opened.set_default_timeout(30_000)
    yield opened
    folder = PROJECT_ROOT / "tests" / "browser" / "artifacts"
    if request.session.testsfailed:
        folder.mkdir(exist_ok=True)
        opened.screenshot(path=folder / f"{request.node.name}.png", full_page=True)
    context.close()
