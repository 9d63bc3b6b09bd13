"""An hour in which everything breaks: processes are killed and connections dropped at random moments.

Workers, preloader, scheduler, predictor and the server end as by `kill -9`; phones lose their connection. People keep
queueing runs, stopping some, trying photos. Afterwards every run must have exactly one final state that never changed,
what was in the last snapshot before a kill must still be in the run's log, and the check of the data root must
find nothing damaged.
"""

import asyncio
import contextlib
import random
import time
from collections import Counter
from dataclasses import dataclass, field

import psutil

from bench.load.predicting import photograph
from bench.load.report import Report
from core.checkpoints.snapshot import read_facts
from core.errors import TuneMyPetsError
from core.maintenance.check import check
from core.runs.reader import Stamp, stamp_of
from core.runs.run import Run, RunState
from core.scheduling.scheduler import ensure_scheduler, needs_scheduler
from core.verification import Kind
from tests.support.load.ledger import Ledger
from tests.support.load.room import Room
from tests.support.load.session import LostError, Session

BLOWS = {
    "worker": 6,
    "scheduler": 2,
    "preloader": 1,
    "predictor": 1,
    "server": 1,
    "connection": 4,
}  # how often, relatively
SETTLE_SECONDS = 600.0  # for everything to reach its end when the blows are over
QUEUE = 4  # runs that wait or run at any time
EXPECTED = (
    "closed the connection",
    "websocket",
    "ClientConnect",
    "ServerDisconnected",
    "not connected",
    "no answer to",
)


@dataclass(frozen=True)
class Plan:
    """A load of blows."""

    seconds: float = 3600.0
    seed: int = 0
    sessions: int = 10
    every_seconds: float = 8.0


@dataclass
class Witness:
    """What was seen of the runs while everything broke."""

    promised: dict[str, list[bytes]] = field(default_factory=dict)  # logs up to the snapshots that lay there
    ends: dict[str, tuple[Stamp, RunState]] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def before_blow(self, runs: list[Run]) -> None:
        """Note what must not be lost, whatever is killed next."""
        for run in runs:
            with contextlib.suppress(OSError, TuneMyPetsError):
                facts = read_facts(run.folder / "checkpoints")
                if facts is not None and run.result() is None:
                    log = (run.folder / "events.jsonl").read_bytes()[: facts.events_bytes]
                    if len(log) == facts.events_bytes:  # not rewound in between
                        self.promised.setdefault(run.id, []).append(log)

    def look_at_ends(self, runs: list[Run]) -> None:
        """A run that has ended has ended for good."""
        for run in runs:
            stamp = stamp_of(run.folder / "result.json")
            state = run.state()
            known = self.ends.get(run.id)
            if known is None and stamp is not None:
                self.ends[run.id] = stamp, state
            elif known is not None and (stamp, state) != known:
                self.faults.append(f"run {run.id} was {known[1].value} and is now {state.value}")
                self.ends[run.id] = stamp or known[0], state

    def check_logs(self, runs: list[Run]) -> None:
        """No completed epoch that a snapshot held may be missing."""
        for run in runs:
            log = (run.folder / "events.jsonl").read_bytes() if (run.folder / "events.jsonl").exists() else b""
            for promised in self.promised.get(run.id, []):
                if not log.startswith(promised):
                    self.faults.append(f"run {run.id} lost something that its snapshot held")
                    break
            epochs = [epoch.epoch for epoch in run.history().epochs]
            if epochs != list(range(1, len(epochs) + 1)):
                self.faults.append(f"run {run.id} has epochs {epochs}")
            result = run.result()
            if result is not None and result.state is RunState.FINISHED and len(epochs) != run.config().epochs:
                self.faults.append(f"run {run.id} finished after {len(epochs)} of {run.config().epochs} epochs")


async def endure(room: Room, plan: Plan) -> Report:
    """Strike for a while, then let everything come to its end and look."""
    numbers = random.Random(plan.seed)
    witness, ledger, struck = Witness(), Ledger(), Counter[str]()
    people = [room.session(f"session {place + 1}", ledger) for place in range(plan.sessions)]
    lives = [
        asyncio.create_task(_live(room, person, random.Random(numbers.random())), name=person.name) for person in people
    ]
    feeding = asyncio.create_task(_feed(room, random.Random(numbers.random())))
    until = time.monotonic() + plan.seconds
    while time.monotonic() < until:
        await asyncio.sleep(min(numbers.expovariate(1 / plan.every_seconds), max(0.0, until - time.monotonic())))
        runs = room.store.all()
        witness.look_at_ends(runs)
        witness.before_blow([run for run in runs if run.id not in witness.ends])
        kind = numbers.choices(list(BLOWS), list(BLOWS.values()))[0]
        if await _strike(room, kind, people, numbers):
            struck[kind] += 1
    for task in (feeding, *lives):
        task.cancel()
    for task, error in zip(
        (feeding, *lives), await asyncio.gather(feeding, *lives, return_exceptions=True), strict=True
    ):
        if isinstance(error, Exception):
            witness.faults.append(f"{task.get_name()} ended: {type(error).__name__}: {error}")
    for person in people:
        with contextlib.suppress(Exception):
            await person.__aexit__()
    by_hand = await asyncio.to_thread(_settle, room, witness)
    runs = room.store.all()
    witness.check_logs(runs)
    return _report(room, plan, witness, ledger, struck, by_hand)


async def _feed(room: Room, numbers: random.Random) -> None:
    """Keep the queue filled; now and then stop a run that waits or trains."""
    while True:
        active = [run for run in room.store.all() if run.state() in (RunState.QUEUED, RunState.RUNNING)]
        for _ in range(QUEUE - len(active)):
            room.store.create(room.config(epochs=numbers.randint(20, 80), seed=numbers.randint(0, 10**6)))
        if active and numbers.random() < 0.05:
            with contextlib.suppress(TuneMyPetsError):
                room.store.request_stop(numbers.choice(active).id)
        await asyncio.sleep(2)


async def _live(room: Room, person: Session, numbers: random.Random) -> None:
    """One attendee: looks at runs, goes around, tries a photo; after a loss comes back like a browser."""
    async with person:
        while True:
            try:
                runs = room.store.all()
                await person.open("train", f"run={numbers.choice(runs[:6]).id}" if runs else "")
                await asyncio.sleep(numbers.uniform(2, 10))
                if numbers.random() < 0.3:
                    await person.follow("Predict")
                    uploader = next(person.page.find("file_uploader", "Pictures"), None)
                    if uploader is not None:
                        await person.upload(uploader, "photo.jpg", photograph(numbers.randint(0, 99), 400, 300))
                else:
                    await person.follow(numbers.choice(("Home", "Explore", "Compare")))
                await asyncio.sleep(numbers.uniform(1, 5))
                await person.close()
            except (LostError, OSError) as error:
                person.ledger.add("lost", 1.0)
                if not any(part in f"{type(error).__name__} {error}" for part in EXPECTED):
                    person.ledger.add(f"lost: {error}"[:120], 1.0)
                await person.close()
                await asyncio.sleep(numbers.uniform(0.5, 2))


async def _strike(room: Room, kind: str, people: list[Session], numbers: random.Random) -> bool:
    """Kill or drop something; whether there was something."""
    if kind == "server":
        room.server.kill()
        await asyncio.sleep(numbers.uniform(0, 3))
        await asyncio.to_thread(room.server.start)
        return True
    if kind == "connection":
        open_ones = [person for person in people if person.connected]
        if open_ones:
            await numbers.choice(open_ones).drop()
        return bool(open_ones)
    found = [process for name, process in room.processes() if _kind_of(name, process) == kind]
    if not found:
        return False
    with contextlib.suppress(psutil.NoSuchProcess):
        numbers.choice(found).kill()
    return True


def _kind_of(module: str, process: psutil.Process) -> str:
    """A worker that was forked still has the command line of its preloader, but a name of its own."""
    with contextlib.suppress(psutil.NoSuchProcess):
        if module == "core.jobs.workers.worker" or "jobs.work" in process.name():
            return "worker"
    return {"core.predict.predictor_server": "predictor"}.get(module, module.rsplit(".", 1)[-1])


def _settle(room: Room, witness: Witness) -> int:
    """Let every run reach its end; how many had to be resumed by hand, because they were interrupted too often."""
    by_hand = 0
    deadline = time.monotonic() + SETTLE_SECONDS
    while time.monotonic() < deadline:
        runs = room.store.all()
        witness.look_at_ends(runs)
        open_ones = [run for run in runs if run.id not in witness.ends]
        if not open_ones:
            return by_hand
        for run in open_ones:
            if run.state() is RunState.INTERRUPTED and not needs_scheduler(run):
                with contextlib.suppress(TuneMyPetsError):
                    room.store.resume(run.id)
                    by_hand += 1
        ensure_scheduler(room.settings)
        time.sleep(1)
    witness.faults += [f"run {run.id} is {run.state().value} and never ended" for run in open_ones]
    return by_hand


def _report(room: Room, plan: Plan, witness: Witness, ledger: Ledger, struck: Counter[str], by_hand: int) -> Report:
    room.server.kill()
    room.end_processes()
    findings = list(check(room.settings))
    blows = ", ".join(f"{count} × {kind}" for kind, count in sorted(struck.items()))
    report = Report(f"{plan.seconds:.0f} s of random kills and drops, seed {plan.seed}: {blows}")
    states = Counter(state.value for _, state in witness.ends.values())
    report.errors = witness.faults + [error for error in ledger.errors if not any(part in error for part in EXPECTED)]
    report.errors += [f"server log: {line}" for line in room.trouble()]
    report.errors += [f"check: {item.thing}: {item.text}" for item in findings if item.kind is Kind.DAMAGED]
    report.add("blows", float(sum(struck.values())))
    report.add("runs", float(len(witness.ends)))
    report.add("snapshots that had to be kept", float(sum(map(len, witness.promised.values()))))
    report.add("runs without one final state, or that lost something", float(len(witness.faults)), at_most=0.0)
    damaged = [item for item in findings if item.kind is not Kind.LEFT_OVER]
    report.add("damaged or orphaned things that the check finds", float(len(damaged)), at_most=0.0)
    report.add("left over by who was killed", float(len(findings) - len(damaged)))
    report.add("runs resumed by hand after two automatic attempts", float(by_hand))
    report.add("connections lost", float(len(ledger.seconds["lost"])))
    report.notes.append("ended as " + ", ".join(f"{count} {name}" for name, count in sorted(states.items())))
    report.notes += [
        f"run {run.id} failed: {result.text}"
        for run in room.store.all()
        if (result := run.result()) is not None and result.state is RunState.FAILED
    ]
    report.notes += [f"{count} × {text}" for text, count in _others(ledger)]
    return report


def _others(ledger: Ledger) -> list[tuple[str, int]]:
    return [(name, len(all_)) for name, all_ in ledger.seconds.items() if name.startswith("lost: ")][:10]
