"""Watchers: sessions that look at live charts, wait in the queue, and click now and then."""

import asyncio
import itertools
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass

from bench.load.meter import Meter
from bench.load.observers import Browsers, Observer
from bench.load.report import Report
from core.runs.run import Run
from tests.support.load.ledger import Ledger, quantile
from tests.support.load.room import Room, step_times
from tests.support.load.session import LostError, Session

OPENING_SECONDS = 0.15  # between two sessions that open
WARM_SECONDS = 10.0
LATE_SECONDS = 10.0  # an answer that takes longer than this is an error


@dataclass(frozen=True)
class View:
    """What a session looks at."""

    page: str
    query: str
    run: str = ""  # whose steps the page shows


@dataclass(frozen=True)
class Plan:
    """A load of watchers."""

    sessions: int = 40
    trainings: int = 2
    queued: int = 100
    waiting: int = 10  # more sessions, each of which looks at a queued run
    seconds: float = 600.0
    browsers: int = 2
    click_seconds: float = 20.0  # between two clicks of one session, on average
    refresh_limit: float = 0.5
    click_limit: float = 1.0
    memory_limit: float = 600.0


def views_of(runs: Sequence[Run], race: str | None) -> list[View]:
    """Half of the sessions look at both trainings, the others at one."""
    single = [View("train", f"run={run.id}", run.id) for run in runs]
    if race is None:
        return single
    return [View("compare", f"race={race}")] * len(single) + single


async def open_all(sessions: Sequence[Session], views: Sequence[View], seconds_between: float) -> None:
    """Open sessions one after another, not waiting for each other."""

    async def later(place: int, session: Session) -> None:
        await asyncio.sleep(place * seconds_between)
        view = views[place % len(views)]
        session.watched_run = view.run
        try:
            await session.open(view.page, view.query)
        except LostError as error:
            session.ledger.fail(session.name, f"cannot open: {error}")

    await asyncio.gather(*(later(place, session) for place, session in enumerate(sessions)))


async def click_around(session: Session, view: View, every_seconds: float, numbers: random.Random) -> None:
    """Go to other pages and come back, and now and then queue a race of one's own and stop it."""
    count = 0
    while True:
        await asyncio.sleep(numbers.uniform(0.5, 1.5) * every_seconds)
        count += 1
        session.away = True
        try:
            if count % 4 == 0:
                await session.follow("Train", "Start the race")
                await asyncio.sleep(numbers.uniform(1, 3))
                await session.click("Start the race", "queued")
                await asyncio.sleep(numbers.uniform(1, 3))
                await session.click("Stop", "stopped")
            else:
                page, text = numbers.choice(
                    [("Home", "See it in 60 seconds"), ("Explore", "Pictures"), ("Compare", ""), ("Predict", "")]
                )
                await session.follow(page, text)
            await asyncio.sleep(numbers.uniform(1, 3))
            await session.ask(
                "click", page_hash=_hash_of(session, view.page.capitalize()), query=view.query
            )  # as the browser's back button
            session.expect("Stop")
            session.away = False
        except LostError as error:
            session.ledger.fail(session.name, f"click: {error}")
            if not session.connected:
                return


def _hash_of(session: Session, label: str) -> str:
    link = next((item for item in session.page.find("page_link", label) if item.label == label), None)
    if link is None:
        raise LostError(f"no link {label!r}")
    return str(link.page_script_hash)


async def watch(room: Room, plan: Plan) -> Report:
    """Run a load of watchers in a room whose server is up."""
    if plan.trainings == 2:
        race, runs = room.long_race()
    else:
        race, runs = None, room.long_runs(plan.trainings)
    await asyncio.to_thread(room.wait_until_training, runs)
    waiting = room.queue(plan.queued)  # now: the scheduler is fair, and would let other people's runs go first
    ledger = Ledger(keep=False)
    views = views_of(runs, race)
    sessions = [room.session(f"session {place + 1}", ledger) for place in range(plan.sessions)]
    queued_views = [View("train", f"run={run.id}") for run in waiting[-plan.waiting :]] if plan.waiting else []
    more = [room.session(f"waiting {place + 1}", ledger) for place in range(len(queued_views))]
    began = time.perf_counter()
    async with Browsers(plan.browsers, ledger, room.cookies) as observers:
        for session in (*sessions, *more):
            await session.__aenter__()
        await open_all(sessions, views, OPENING_SECONDS)
        if more:
            await open_all(more, queued_views, OPENING_SECONDS)
        watching = [
            asyncio.create_task(
                observer.watch(f"{room.server.address}/{view.page}?{view.query}", plan.seconds + WARM_SECONDS)
            )
            for observer, view in zip(observers, itertools.cycle(views), strict=False)
        ]
        await asyncio.sleep(WARM_SECONDS)
        ledger.keep = True
        numbers = random.Random(0)
        clicking = [
            asyncio.create_task(
                click_around(session, views[place % len(views)], plan.click_seconds, random.Random(numbers.random()))
            )
            for place, session in enumerate(sessions)
        ]
        first = time.time()
        async with Meter(room.server_process) as meter:
            await asyncio.sleep(plan.seconds)
        last = time.time()
        for task in clicking:
            task.cancel()
        ledger.keep = False
        late = sum(session.unanswered(LATE_SECONDS) for session in (*sessions, *more))
        if late:
            ledger.fail("all", f"{late} reruns were not answered within {LATE_SECONDS:.0f} s")
        for task in watching:
            try:
                await task
            except Exception as error:
                ledger.fail("browser", f"{type(error).__name__}: {error}"[:300])
        for session in (*sessions, *more):
            if session.connected and not (session.live or session.away or session.unanswered(0)):
                ledger.fail(session.name, f"no longer refreshes itself: {session.page.describe()}")
            await session.__aexit__()
    ledger.errors += [f"server log: {line}" for line in room.trouble()]
    return _report(plan, ledger, meter, observers, runs, (first, last), time.perf_counter() - began)


def _report(
    plan: Plan,
    ledger: Ledger,
    meter: Meter,
    observers: Sequence[Observer],
    runs: Sequence[Run],
    window: tuple[float, float],
    wall: float,
) -> Report:
    report = Report(
        f"{plan.sessions} sessions watching {plan.trainings} trainings, {plan.queued} queued ({plan.waiting} more "
        f"sessions wait), {plan.browsers} Chromium, {plan.seconds:.0f} s"
    )
    report.errors = ledger.errors
    report.add("refresh p95", ledger.quantile("refresh", 0.95), "s", at_most=plan.refresh_limit)
    report.add("refresh p50", ledger.quantile("refresh", 0.5), "s")
    report.add("refresh worst", ledger.quantile("refresh", 1.0), "s")
    report.add("refreshes", len(ledger.seconds["refresh"]))
    report.add("click p95", ledger.quantile("click", 0.95), "s", at_most=plan.click_limit)
    report.add("click p50", ledger.quantile("click", 0.5), "s")
    report.add("clicks", len(ledger.seconds["click"]))
    report.add("server memory, peak RSS", meter.peak_rss, "MB", at_most=plan.memory_limit)
    report.add("server memory, peak PSS", meter.peak_pss, "MB")
    stale = staleness(ledger, runs, window)
    report.add("a step is shown after, p95", quantile(stale, 0.95), "s")
    gaps = [gap for observer in observers for gap in observer.gaps]
    if observers:
        report.add("Chromium: between two changes, p95", quantile(gaps, 0.95), "s")
        report.add("Chromium: click to effect, p95", ledger.quantile("browser click", 0.95), "s")
        report.add("Chromium: back to the charts, p95", ledger.quantile("browser back", 0.95), "s")
    report.add("server", meter.server_cores, "cores")
    report.add("harness", meter.harness_cores, "cores")
    report.add("machine busy", meter.machine_busy)
    report.notes.append(
        f"{ledger.messages_in:,} messages, {ledger.bytes_in / 2**20:.0f} MB received in {wall:.0f} s, warm-up included"
    )
    return report


def staleness(ledger: Ledger, runs: Sequence[Run], window: tuple[float, float]) -> list[float]:
    """Seconds from the moment that a step stood in the run's log until a session had it."""
    found: list[float] = []
    for run in runs:
        times = step_times(run)
        for (run_id, epoch, step), moments in ledger.steps_seen.items():
            written = times.get((epoch, step))
            if run_id == run.id and written is not None:
                found += [moment - written for moment in moments if window[0] <= moment <= window[1]]
    return found
