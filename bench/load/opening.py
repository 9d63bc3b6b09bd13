"""Everybody opens the app within a few seconds, with empty browser caches; the presenter has looked at it before."""

import asyncio
import random
import time

from bench.load.meter import Meter
from bench.load.observers import Browsers
from bench.load.report import Report
from tests.support.load.ledger import Ledger
from tests.support.load.room import Room
from tests.support.load.session import LostError, Session

PAGES = (("", "", "TuneMyPets"), ("train", "", "Train"), ("explore", "", "Explore"))
SETTLE_SECONDS = 3.0
WARM_SECONDS = 8.0  # the server imports ahead what later pages need


async def open_together(
    room: Room, sessions: int, within_seconds: float, browsers: int, limit: float = 3.0, *, cold: bool = False
) -> Report:
    """Open sessions at random moments of a few seconds: half on Home, the others on Train and Explore.

    Behind the door of a room they come as by its QR code: strangers with the passcode in the address.

    Args:
        cold: no page of this server has been opened before.
    """
    if not cold:
        async with room.session("presenter", Ledger()) as presenter:  # a room is always opened with a look at it
            for path, query, _ in PAGES:
                await presenter.open(path, query, files=True)
                await presenter.close()
        await asyncio.sleep(WARM_SECONDS)
    ledger = Ledger()
    numbers = random.Random(0)
    opened = [room.session(f"session {place + 1}", ledger, stranger=True) for place in range(sessions)]
    query = f"passcode={room.passcode}" if room.guarded else ""

    async def arrive(place: int, session: Session) -> None:
        path, _, title = PAGES[0] if place % 2 else PAGES[1 + place // 2 % 2]
        await session.__aenter__()
        await asyncio.sleep(numbers.uniform(0, within_seconds))
        began = time.perf_counter()
        try:
            ledger.add("first content", await session.open(path, query, files=True))
            ledger.add("whole page", time.perf_counter() - began)
            session.expect(title)
        except LostError as error:
            ledger.fail(session.name, str(error))

    async with Browsers(browsers, ledger, room.cookies) as observers, Meter(room.server_process) as meter:

        async def look(place: int) -> None:
            page = observers[place].page
            await asyncio.sleep(within_seconds * (place + 1) / (browsers + 1))
            began = time.perf_counter()
            await page.goto(room.server.address)
            await page.get_by_role("heading", name="TuneMyPets", level=1).wait_for()
            ledger.add("browser opens", time.perf_counter() - began)

        arrivals = [arrive(place, session) for place, session in enumerate(opened)]
        for error in await asyncio.gather(*arrivals, *map(look, range(browsers)), return_exceptions=True):
            if isinstance(error, Exception):
                ledger.fail("browser", f"{type(error).__name__}: {error}"[:300])
        await asyncio.sleep(SETTLE_SECONDS)
    for session in opened:
        await session.__aexit__()
    report = Report(f"{sessions} sessions opening within {within_seconds:g} s, {browsers} Chromium among them")
    report.errors = ledger.errors + [f"server log: {line}" for line in room.trouble()]
    report.add("first content p95", ledger.quantile("first content", 0.95), "s", at_most=limit)
    report.add("first content p50", ledger.quantile("first content", 0.5), "s")
    report.add("whole page p95", ledger.quantile("whole page", 0.95), "s")
    if browsers:
        report.add("Chromium: title is there, slowest", ledger.quantile("browser opens", 1.0), "s")
    report.add("server memory, peak RSS", meter.peak_rss, "MB")
    report.add("server", meter.server_cores, "cores")
    report.add("harness", meter.harness_cores, "cores")
    return report
