"""The 60-second demo as a phone sees it, with every way out of this machine blocked."""

import re
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from core.runs.run import RunState
from core.runs.run_store import RunStore
from core.settings import Settings
from core.statistics.caveats import FEW_EPOCHS
from core.storage import write_json
from tests.support.phone import PHONE, open_phone
from tests.support.processes import wait_for
from tests.support.server import Server

pytestmark = [pytest.mark.browser, pytest.mark.slow]

PATIENCE = 240_000  # milliseconds
SPENT_SECONDS = 40.0  # of the demo's minute, as where drawing is slow: its arms train for what is left
HERE = ("127.0.0.1", "::1", "localhost")

# what every Python process of the room runs first: only this machine may be reached, each attempt is written down
BLOCKED = f"""
import os, socket
def guarded(real, host_of):
    def connect(*given):
        host = host_of(given)
        if host is not None and host not in {HERE!r}:
            with open(os.environ["BLOCKED_LOG"], "a") as log:
                log.write(f"{{host}}\\n")
            raise OSError(101, "Network is unreachable")
        return real(*given)
    return connect
def peer(given):
    return given[1][0] if isinstance(given[1], tuple) else None
socket.socket.connect = guarded(socket.socket.connect, peer)
socket.socket.connect_ex = guarded(socket.socket.connect_ex, peer)
"""


@pytest.fixture
def offline(settings: Settings, tmp_path: Path, ended_processes: None) -> Iterator[Server]:
    """The app on an empty data root, without downloaded weights and without a network."""
    (tmp_path / "sitecustomize.py").write_text(BLOCKED, encoding="utf-8")
    running = Server(
        settings,
        environment={
            "PYTHONPATH": str(tmp_path),
            "BLOCKED_LOG": str(tmp_path / "attempts"),
            "TORCH_HOME": str(tmp_path / "no-weights"),
        },
    )
    running.start()
    yield running
    running.kill()


@pytest.fixture
def phone(chromium: Browser, tmp_path: Path) -> Iterator[Page]:
    """A small screen that can reach nothing but this machine."""

    def only_here(route: Route) -> None:
        host = urlsplit(route.request.url).hostname
        if host in HERE:
            route.continue_()
        else:
            with (tmp_path / "attempts").open("a", encoding="utf-8") as log:
                log.write(f"{host}\n")
            route.abort()

    with open_phone(chromium) as opened:
        opened.context.route("**/*", only_here)
        yield opened


def test_one_click_leads_to_a_verdict_without_a_network(
    offline: Server, phone: Page, settings: Settings, tmp_path: Path
) -> None:
    phone.goto(offline.address)
    phone.get_by_role("button", name="See it in 60 seconds").click()
    beginning = settings.home / "demo.json"
    wait_for(beginning.exists)
    write_json(beginning, {"began": time.time() - SPENT_SECONDS})
    expect(phone).to_have_url(re.compile(r"/compare\?race=race-"), timeout=PATIENCE)
    expect(phone.get_by_text("Transfer").first).to_be_visible(timeout=PATIENCE)
    phone.reload()  # in the middle
    expect(phone.locator(".st-key-verdict [data-testid=stAlert]")).to_be_visible(timeout=PATIENCE)
    expect(phone.get_by_text(re.compile("Accuracy on [0-9]+ test pictures")).first).to_be_visible()
    assert phone.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]

    runs = RunStore(settings).all()
    assert [run.state() for run in runs] == [RunState.FINISHED, RunState.FINISHED]
    scratch, transfer = sorted(runs, key=lambda run: run.config().strategy == "head")
    results = [run.result() for run in (scratch, transfer)]
    correct = [result.tested.correct for result in results if result and result.tested]
    # a busy machine may leave transfer no time to learn anything
    assert correct[1] > correct[0] or len(transfer.history().epochs) < FEW_EPOCHS
    assert not (tmp_path / "attempts").exists(), (tmp_path / "attempts").read_text(encoding="utf-8")

    # the drawn pictures are there now: the second time the race starts at once
    phone.goto(offline.address)
    phone.get_by_role("button", name="See it in 60 seconds").click()
    expect(phone).to_have_url(re.compile(r"/compare\?race=race-"))
    for run in RunStore(settings).all()[:2]:
        RunStore(settings).request_stop(run.id)
