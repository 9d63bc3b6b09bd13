"""A sweep whose processes and server are killed at random moments, and what has to hold of it afterwards."""

import asyncio
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass

import aiohttp
import psutil

from core.locks import is_held
from core.runs.run import RunState
from core.runs.run_store import RunStore
from core.settings import Settings
from core.sweeps.sweep import read_sweep
from core.sweeps.sweep_store import SweepFolder, ensure_sweeper
from tests.support.fork_server import command_name
from tests.support.load.ledger import Ledger
from tests.support.load.session import LostError, Session
from tests.support.processes import kill, processes_of
from tests.support.server import Server

MODULES = {
    "scheduler": "core.scheduling.scheduler",
    "sweeper": "core.sweeps.sweeper",
    "preloader": "core.jobs.workers.preloader",
    "worker": "core.jobs.workers.worker",
}
SERVER = "server"
PAUSE_SECONDS = 0.2, 1.2  # before a kill


@dataclass(frozen=True)
class Books:
    """What a sweep says of its trials, against the runs that are there.

    Attributes:
        reported: trials that have a result, and did not get it from an earlier one.
        ended: runs of trials that finished or were pruned.
        failed: trials whose run was killed more often than it resumes by itself.
        doubled: trials with more runs than seeds, and arms that the final race has twice.
        lost: trials without the runs that they have ended with, and ended runs that no trial has counted.
        left: runs that have not ended though the sweep has, or whose lock is held.
        tested: runs of trials that were evaluated on the test split.
    """

    reported: int
    ended: int
    failed: int
    doubled: list[str]
    lost: list[str]
    left: list[str]
    tested: list[str]


def kill_at_random(
    settings: Settings,
    folder: SweepFolder,
    kills: int,
    *,
    within_seconds: float,
    end_seconds: float,
    server: Server | None = None,
    seed: int = 0,
) -> Counter[str]:
    """Kill processes of a sweep until it ends; how many of each kind were killed.

    Kinds that live at that moment are equally likely. A server is started again after a pause.

    Args:
        kills: at most.
        within_seconds: after which nothing more is killed.
        end_seconds: in which the sweep has to end.
        server: that runs; a browser tab watches its sweep, which revives what was killed. None: this process
            does.
    """
    rng, killed, began = random.Random(seed), Counter[str](), time.monotonic()
    with watch(server, folder) if server is not None else nullcontext():
        while folder.result() is None:
            seconds = time.monotonic() - began
            assert seconds < end_seconds, (killed, read_sweep(folder))
            if server is None:
                ensure_sweeper(settings)
            time.sleep(rng.uniform(*PAUSE_SECONDS))
            if killed.total() < kills and seconds < within_seconds:
                killed[_kill_one(settings, server, rng)] += 1
                del killed[""]
    return killed


def _kill_one(settings: Settings, server: Server | None, rng: random.Random) -> str:
    """Kill one process; its kind, or nothing where none lives."""
    living = living_processes(settings)
    kind = rng.choice(sorted([*living, *([SERVER] if server is not None else [])]) or [""])
    if kind in living:
        kill(rng.choice(living[kind]))
    elif server is not None:
        server.kill()
        time.sleep(rng.uniform(*PAUSE_SECONDS))
        server.start()
    return kind


@contextmanager
def watch(server: Server, folder: SweepFolder) -> Iterator[None]:
    """Let a browser tab show a sweep meanwhile, and come back whenever its server does."""
    over = threading.Event()

    async def visit() -> None:
        while not over.is_set():
            with suppress(LostError, aiohttp.ClientError, OSError, TimeoutError):
                async with Session(server.address, "watcher", Ledger()) as tab:
                    await tab.open("train", f"sweep={folder.id}")
                    while tab.connected and not over.is_set():
                        await asyncio.sleep(0.1)
            await asyncio.sleep(0.1)

    thread = threading.Thread(target=lambda: asyncio.run(visit()))
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def living_processes(settings: Settings) -> dict[str, list[psutil.Process]]:
    """The processes of a data root by kind, those that are killed here."""
    kinds = {command_name(module): kind for kind, module in MODULES.items()}
    found: dict[str, list[psutil.Process]] = {}
    for process in processes_of(settings.home):
        try:
            name, command = process.name(), process.cmdline()
        except psutil.NoSuchProcess:
            continue
        kind = kinds.get(name) or next((kind for kind, module in MODULES.items() if module in command), "")
        if kind:
            found.setdefault(kind, []).append(process)
    return found


def check_books(settings: Settings, folder: SweepFolder) -> Books:
    """Compare a sweep that has ended with its runs."""
    sweep, store = read_sweep(folder), RunStore(settings)
    runs: dict[int, list[str]] = {}
    ended, left, tested = set(), [], []
    for run in reversed(store.all()):
        meta, state = run.meta(), run.state()
        if meta.sweep != folder.id or meta.trial is None:
            continue
        runs.setdefault(meta.trial, []).append(run.id)
        if state in (RunState.FINISHED, RunState.STOPPED) and run.history().epochs:
            ended.add(run.id)
        if state.active or is_held(run.lock_path):
            left.append(run.id)
        if run.history().tested is not None:
            tested.append(run.id)
    reported = {item.number for item in sweep.trials if item.outcome in ("finished", "pruned") and item.same_as is None}
    counted = {run for number in reported for run in runs.get(number, [])}
    lost = sorted(ended ^ counted)
    lost += [f"trial {item.number}" for item in sweep.trials if list(item.runs) != runs.get(item.number, [])]
    lost += [f"trial {item.number}" for item in sweep.trials if item.outcome == "waiting"]
    doubled = [f"trial {number}" for number, found in runs.items() if len(found) > sweep.plan.seeds]
    for race in sweep.races:
        arms = Counter((run.meta().arm, run.config().seed) for run in store.race(race.race))
        doubled += [f"{arm} {seed} of {race.race}" for (arm, seed), times in arms.items() if times > 1]
    failed = sum(item.outcome == "failed" for item in sweep.trials)
    return Books(len(reported), len(ended), failed, doubled, lost, left, tested)
