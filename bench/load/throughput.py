"""What watchers cost the trainings: pictures per second with and without them, in turns."""

import asyncio
import statistics
import time

from bench.load.meter import Meter
from bench.load.report import Report
from bench.load.watching import OPENING_SECONDS, open_all, views_of
from tests.support.load.ledger import Ledger
from tests.support.load.room import Room, pictures_trained

SETTLE_SECONDS = 5.0


async def compare_throughput(room: Room, sessions: int, rounds: int, seconds: float, limit: float = 0.8) -> Report:
    """Let two trainings run on, and open and close the watchers between windows of equal length."""
    race, runs = room.long_race()
    await asyncio.to_thread(room.wait_until_training, runs)
    await asyncio.sleep(2 * SETTLE_SECONDS)
    ledger = Ledger()
    views = views_of(runs, race)
    alone: list[float] = []
    watched: list[float] = []
    harness, server = [], []
    for _ in range(rounds):
        began = time.time()
        await asyncio.sleep(seconds)
        alone.append(sum(pictures_trained(run, began, time.time()) for run in runs))
        people = [room.session(f"session {place + 1}", ledger) for place in range(sessions)]
        for person in people:
            await person.__aenter__()
        await open_all(people, views, OPENING_SECONDS)
        await asyncio.sleep(SETTLE_SECONDS)
        began = time.time()
        async with Meter(room.server_process) as meter:
            await asyncio.sleep(seconds)
        watched.append(sum(pictures_trained(run, began, time.time()) for run in runs))
        harness.append(meter.harness_cores)
        server.append(meter.server_cores)
        for person in people:
            await person.__aexit__()
        await asyncio.sleep(SETTLE_SECONDS)
    ratios = [with_them / without for with_them, without in zip(watched, alone, strict=True)]
    report = Report(f"2 trainings with {sessions} watchers against none, {rounds} rounds of {seconds:.0f} s each")
    report.errors = ledger.errors + [f"server log: {line}" for line in room.trouble()]
    report.add("throughput with watchers / without, median", statistics.median(ratios), "times", at_least=limit)
    report.add("smallest of the rounds", min(ratios), "times")
    report.add("without", statistics.median(alone), "pictures/s")
    report.add("with", statistics.median(watched), "pictures/s")
    report.add("refresh p95", ledger.quantile("refresh", 0.95), "s")
    report.add("server", statistics.median(server), "cores")
    report.add("harness, on the same cores", statistics.median(harness), "cores")
    return report
