"""A web server for each test, and no waits between two tries."""

from collections.abc import Iterator

import pytest

from core.datasets.downloads import remote_file
from tests.support.web_server import WebServer, serve


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[WebServer]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(remote_file, "PAUSE_SECONDS", 0.0)
    with serve() as server:
        yield server
