"""Real browsers among the virtual sessions: what a person sees, and whether the browser complains."""

import asyncio
import itertools
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from playwright.async_api import Browser, Page, async_playwright

from tests.support.load.ledger import Ledger
from tests.support.server import find_chromium

# moments at which something that can be read changed: what a person takes for "it moves"
OBSERVE = """
() => {
  window.__changes = [];
  const seen = () => {
    const now = performance.now(), all = window.__changes;
    if (!all.length || now - all[all.length - 1] > 50) all.push(now);
  };
  new MutationObserver(seen).observe(document.body, {subtree: true, childList: true, characterData: true});
}
"""
TAKE = "() => window.__changes.splice(0)"
# the frontend looks for the server's base path by asking for these below the page's own path first
EXPECTED = re.compile(r"_stcore/(health|host-config)")


@dataclass
class Observer:
    """One Chromium page."""

    name: str
    ledger: Ledger
    page: Page
    gaps: list[float] = field(default_factory=list)

    def listen(self) -> None:
        """Count what the browser complains about as errors."""

        def on_console(message: object) -> None:
            kind, text = getattr(message, "type", ""), getattr(message, "text", "")
            where = (getattr(message, "location", None) or {}).get("url", "")
            if kind == "error" and not EXPECTED.search(where):
                self.ledger.fail(self.name, f"console: {text[:200]} {where[-80:]}")

        self.page.on("console", on_console)
        self.page.on("pageerror", lambda error: self.ledger.fail(self.name, f"page error: {str(error)[:200]}"))

    async def watch(self, url: str, seconds: float, pause_seconds: float = 20.0) -> None:
        """Look at a live page, and now and then go home and come back."""
        began = time.perf_counter()
        await self.page.goto(url)
        await self.page.get_by_role("heading", level=1).wait_for()
        self.ledger.add("browser opens", time.perf_counter() - began)
        await self.page.locator("canvas").first.wait_for()
        await self.page.evaluate(OBSERVE)
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            await self.page.evaluate(TAKE)
            await asyncio.sleep(min(pause_seconds, max(1.0, until - time.monotonic())))
            changes = await self.page.evaluate(TAKE)
            self.gaps += [(b - a) / 1000 for a, b in itertools.pairwise(changes)]
            if time.monotonic() >= until:
                return
            began = time.perf_counter()
            await self.page.get_by_role("link", name="Home").first.click()
            await self.page.get_by_role("heading", name="TuneMyPets").wait_for()
            self.ledger.add("browser click", time.perf_counter() - began)
            began = time.perf_counter()
            await self.page.go_back()
            await self.page.locator("canvas").first.wait_for()
            self.ledger.add("browser back", time.perf_counter() - began)


class Browsers:
    """Several Chromium pages of one browser; an async context manager."""

    def __init__(self, count: int, ledger: Ledger, cookies: Callable[[str], dict[str, str]]) -> None:
        self.count, self.ledger, self.cookies = count, ledger, cookies
        self.observers: list[Observer] = []

    async def __aenter__(self) -> list[Observer]:
        if not self.count:
            return []
        self._playwright = await async_playwright().start()
        self._browser: Browser = await self._playwright.chromium.launch(**(find_chromium() or {}))
        for place in range(self.count):
            context = await self._browser.new_context(viewport={"width": 1280, "height": 1000})
            kept = self.cookies(f"browser {place + 1}").items()
            await context.add_cookies(
                [{"name": name, "value": value, "domain": "127.0.0.1", "path": "/"} for name, value in kept]
            )
            page = await context.new_page()
            page.set_default_timeout(60_000)
            observer = Observer(f"browser {place + 1}", self.ledger, page)
            observer.listen()
            self.observers.append(observer)
        return self.observers

    async def __aexit__(self, *_: object) -> None:
        if self.count:
            await self._browser.close()
            await self._playwright.stop()
