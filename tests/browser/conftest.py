"""A real server and a real Chromium."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from core.settings import PROJECT_ROOT, Settings
from tests.support.environment import skip_or_fail
from tests.support.phone import PATIENCE_MS, TOUCH, open_phone
from tests.support.server import Server, find_chromium


@pytest.fixture
def server(settings: Settings, ended_processes: None) -> Iterator[Server]:
    """The app, running on this test's data root."""
    running = Server(settings)
    running.start()
    yield running
    running.kill()


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """A headless Chromium of this machine."""
    found = find_chromium()
    if found is None:
        skip_or_fail("This test wants Chromium: install it, or set TUNEMYPETS_CHROMIUM to its path.")
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(**found)
        yield browser
        browser.close()


@pytest.fixture
def page(chromium: Browser, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Page]:
    """A fresh browser page; a failing test leaves a screenshot in tests/browser/artifacts."""
    context = chromium.new_context(viewport={"width": 1280, "height": 1000})
    opened = context.new_page()
    opened.set_default_timeout(PATIENCE_MS)
    yield opened
    folder = PROJECT_ROOT / "tests" / "browser" / "artifacts"
    if request.session.testsfailed:
        folder.mkdir(exist_ok=True)
        opened.screenshot(path=folder / f"{request.node.name}.png", full_page=True)
    context.close()


@pytest.fixture
def phone(chromium: Browser) -> Iterator[Page]:
    """A phone, to be tapped."""
    with open_phone(chromium, **TOUCH) as opened:
        yield opened


@pytest.fixture
def dark_phone(chromium: Browser) -> Iterator[Page]:
    """A small window in the dark, for the keyboard and the mouse."""
    with open_phone(chromium, color_scheme="dark") as opened:
        yield opened
