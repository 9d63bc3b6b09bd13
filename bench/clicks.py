"""Clicks on pages of the real app in a real Chromium: how long until the result is drawn, and what that cost.

A click is timed in the browser, until its text or element is on the page and a frame has been drawn. Besides, for each
click: processor time of the server and of the page's main thread, and bytes that the server sent. These
three hardly change while other programs share the machine.
"""

import statistics
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psutil
from playwright.sync_api import CDPSession, Page, WebSocket, sync_playwright

from core.settings import Settings
from tests.support.server import Server, find_chromium

LIMIT_SECONDS = 0.5
QUIET_MS = 150  # after a click, before the next one

TIMER = """([region, screen]) => {
    const root = () => document.querySelector(region);
    const look = () => root()?.outerHTML;
    const before = look();
    const app = document.querySelector('[data-testid="stApp"]');
    const ended = () => app.getAttribute("data-test-script-state") === "notRunning";
    const stale = () => [...document.querySelectorAll('[data-stale="true"]')].some(old => {
        const place = old.getBoundingClientRect();
        return place.height > 0 && place.top < window.innerHeight && place.bottom > 0;
    });
    let start = null;
    for (const kind of ["pointerdown", "keydown"])
        window.addEventListener(kind, () => { start ??= performance.now(); }, {capture: true, once: true});
    window.benchDone = new Promise(done => {
        const check = () => {
            const drawn = start !== null && root() && look() !== before && (ended() || screen && !stale())
                && [...root().querySelectorAll("img")].every(image => image.complete);
            if (drawn) requestAnimationFrame(() => done(performance.now() - start));
            else requestAnimationFrame(check);
        };
        check();
    });
}"""


@dataclass(frozen=True)
class Click:
    """What one click took.

    Attributes:
        seconds: until its result was drawn.
        server: processor time of the server, seconds.
        browser: processor time of the page's main thread, seconds; with the bench's own looking.
        received: bytes from the server's websocket.
    """

    seconds: float
    server: float
    browser: float
    received: int


class Clicks:
    """Clicks on a page and what they took, by kind."""

    def __init__(self, page: Page, server: psutil.Process) -> None:
        self.page = page
        self.server = server
        self.found: dict[str, list[Click]] = {}
        self._received = 0
        self._session: CDPSession = page.context.new_cdp_session(page)
        self._session.send("Performance.enable", {"timeDomain": "threadTicks"})
        page.on("websocket", self._count)

    def time(self, kind: str, click: Callable[[], object], region: str, *, screen: bool = False) -> None:
        """Click, and wait until the region has changed, its images are there, the script has ended, and a frame was
        drawn; the click alone must not change the region. The clock starts with the first event in the page:
        Chromium's driver is not measured.

        Args:
            screen: whether it is enough that nothing on the screen is from before the click: what is drawn later, far
                below, makes nobody wait.
        """
        before = self._costs()
        self.page.evaluate(TIMER, [region, screen])
        click()
        took = self.page.evaluate("Promise.race([window.benchDone, new Promise(r => setTimeout(() => r(-1), 15000))])")
        assert took >= 0, f"no answer to {kind}"
        if screen:
            self.page.locator('[data-testid="stApp"][data-test-script-state="notRunning"]').wait_for()
        self.page.wait_for_timeout(QUIET_MS)
        server, browser, received = (after - old for after, old in zip(self._costs(), before, strict=True))
        self.found.setdefault(kind, []).append(Click(took / 1000, server, browser, int(received)))

    def _costs(self) -> tuple[float, float, float]:
        used = self.server.cpu_times()
        metrics = {item["name"]: item["value"] for item in self._session.send("Performance.getMetrics")["metrics"]}
        return used.user + used.system, metrics["ThreadTime"], float(self._received)

    def _count(self, socket: WebSocket) -> None:
        def add(payload: str | bytes) -> None:
            self._received += len(payload)

        socket.on("framereceived", add)


@contextmanager
def open_app(settings: Settings, **options: object) -> Iterator[tuple[Page, Clicks, str]]:
    """The app on this data root, an empty page of a browser, and its clicks; the last is the app's address.

    Args:
        options: of the browser's context, such as `viewport`.
    """
    server = Server(settings)
    server.start()
    try:
        assert server.process is not None
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(**(find_chromium() or {}))
            page = browser.new_page(viewport={"width": 1280, "height": 1000}, **options)  # type: ignore[arg-type]
            yield page, Clicks(page, psutil.Process(server.process.pid)), server.address
            browser.close()
    finally:
        server.kill()


def summarise(found: dict[str, list[Click]]) -> dict[str, object]:
    """Median and 95th percentile of each kind with the medians of what it cost, and the worst against the limit."""
    out: dict[str, object] = {}
    worst = 0.0
    for kind, clicks in found.items():
        high = _p95([click.seconds for click in clicks])
        worst = max(worst, high)
        out[kind] = {
            "p50": round(statistics.median(click.seconds for click in clicks), 3),
            "p95": round(high, 3),
            "clicks": len(clicks),
            "server_seconds": round(statistics.median(click.server for click in clicks), 3),
            "browser_seconds": round(statistics.median(click.browser for click in clicks), 3),
            "kilobytes": round(statistics.median(click.received for click in clicks) / 1000),
        }
    every = [click.seconds for clicks in found.values() for click in clicks]
    out["all"] = {"p50": round(statistics.median(every), 3), "p95": round(_p95(every), 3), "clicks": len(every)}
    out["ratio_of_p95_to_limit"] = round(_p95(every) / LIMIT_SECONDS, 2)
    out["ratio_of_worst_kind_to_limit"] = round(worst / LIMIT_SECONDS, 2)
    return out


def _p95(values: list[float]) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))]
