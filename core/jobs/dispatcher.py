"""What the scheduler decides: which run starts, which goes on after a crash, which worker is ended."""

import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from core.actor import LOCAL_OWNER, OPERATOR
from core.errors import RunError, TuneMyPetsError
from core.jobs.capacity import fit_to_machine
from core.jobs.durations import Durations
from core.jobs.launchers import start_module
from core.jobs.preloader import POSSIBLE, ForkedWorker, Preloader
from core.jobs.run_queue import (
    QueueView,
    Turn,
    Waiting,
    expect_starts,
    fair_order,
    read_control,
    read_queue,
    write_queue,
)
from core.jobs.states import PUT_ASIDE, TAKEN
from core.jobs.watchdog import STALLED, Watchdog, memory_kills
from core.locks import ASKER_SECONDS, is_held
from core.quotas import is_disk_full, is_full
from core.runs.attempts import Attempts, last_begun, read_attempts, write_attempts
from core.runs.failures import MEMORY, memory_sentence
from core.runs.run import Run, RunState
from core.runs.run_lock import hold
from core.runs.run_store import RunStore
from core.settings import Settings
from core.storage import read_json, write_json

PRELOADERS = 3  # at most for one scheduler: whatever ends them, a run does not wait for the next one for ever
TELL_SECONDS = 1.0  # between two writings of the queue, unless its order has changed
KILLED = -9
SILENT_SECONDS = 30.0  # a preloader that somebody waits for, and that computes nothing: it is stopped or stuck
MOVED_SECONDS = 0.05  # of a processor
SAME_START_SECONDS = 5.0  # a start that is expected this much earlier or later is no news

log = logging.getLogger("tunemypets.scheduler")


class WorkerProcess(Protocol):
    """What is known of a worker: a `subprocess.Popen`, or one that a preloader forked."""

    @property
    def returncode(self) -> int | None: ...

    def poll(self) -> int | None: ...


@dataclass
class _Child:
    process: WorkerProcess
    memory_kills: int  # of the system when it started
    alone_since: float  # when nobody held the run's lock, since its start or since it was last seen held


class Dispatcher:
    """Starts the next queued run whenever fewer than `settings.workers` are running.

    Args:
        closing: answers whether everything is being shut down: then nothing starts.
    """

    def __init__(self, settings: Settings, closing: Callable[[], bool] = lambda: False) -> None:
        self.settings = fit_to_machine(settings)
        self.store = RunStore(settings)
        self.closing = closing
        self._workers = self.settings.workers or 1
        self._children: dict[str, _Child] = {}
        self._ended: set[str] = set()
        self._looked_at: set[str] = set()  # interrupted runs, of whose worker's end all is known that can be
        self._begun: dict[str, float] = {}  # when a run of an owner last began
        self._durations = Durations(settings)
        self._watchdog = Watchdog()
        self._view = read_queue(settings)
        self._told = -TELL_SECONDS
        self._preloader: Preloader | None = None
        self._preloaders_left = PRELOADERS if POSSIBLE else 0
        self._computed = 0.0  # seconds, by the preloader, when it last moved although somebody waited for it
        self._silent_since = time.monotonic()

    @property
    def warm(self) -> bool:
        """Whether the next worker needs no imports."""
        return self._preloader is not None

    def preload(self) -> None:
        """See to it that there is a preloader, if one is possible."""
        if self._preloader is not None or not self._preloaders_left:
            return
        self._preloaders_left -= 1
        try:
            self._preloader = Preloader(self.settings)
            self._computed, self._silent_since = 0.0, time.monotonic()
        except OSError:
            log.exception("a preloader could not be started")

    def close(self) -> None:
        """End the preloader; workers go on."""
        if self._preloader is not None:
            self._preloader.close()
            self._preloader = None

    def step(self) -> bool:
        """Start what can be started; whether anything is queued or running."""
        self._reap()
        queued: list[Run] = []
        running: list[Run] = []
        for run in reversed(self.store.all()):
            if run.id in self._ended:
                continue
            state = run.state()
            if state is RunState.RUNNING or run.id in self._children:
                running.append(run)
            elif run.stop_requested and state in (RunState.QUEUED, RunState.INTERRUPTED):
                self._stop(run)  # it was asked of a worker that ended, or could not write it down
            elif state is RunState.QUEUED or (state is RunState.INTERRUPTED and self._take_up(run)):
                queued.append(run)
            elif state is not RunState.INTERRUPTED:  # that one may be taken up again
                self._ended.add(run.id)
                with suppress(OSError):  # it was killed when it had said how it ended, and before it could tidy up
                    (run.checkpoints / "last.safetensors").unlink(missing_ok=True)
                self._note_begun(run)
                self._durations.learn(run)
        control = read_control(self.settings)
        full = is_disk_full(self.settings)
        if full:
            self._watchdog.forget()  # who waits for space does not move
        else:
            self._watchdog.look(running)
        for run in running:
            self._note_begun(run)
        held = "closing" if self.closing() else "disk" if full else "paused" if control.paused else ""
        order = fair_order([self._waiting(run) for run in queued], self._begun, control.first)
        by_id = {run.id: run for run in queued}
        free = 0 if held else max(0, self._workers - len(running))
        for item in order[:free]:
            self._start(by_id[item.id])
            self._begun[item.owner] = time.time()
            running.append(by_id[item.id])
        self._tell(order[free:], running, held)
        return bool(queued or running)

    def _stop(self, run: Run) -> None:
        with suppress(TuneMyPetsError, OSError):  # while the disk is full, again and again
            self.store.request_stop(run.id, by=OPERATOR)  # whoever asked was allowed to

    def _take_up(self, run: Run) -> bool:
        """Let an interrupted run go on by itself, if it may; whether it is queued now."""
        if run.id not in self._looked_at and self._memory_ran_out(run):
            return False
        first = run.id not in self._looked_at
        self._looked_at.add(run.id)
        if self.closing() or run.result() is not None:
            return False
        if not read_attempts(run.folder).left:
            if first:
                _note_look(run)
            return False
        with suppress(TuneMyPetsError, OSError):
            self.store.resume(run.id, by=OPERATOR, automatic=True)
            log.info("%s was interrupted and goes on", run.id)
            return run.state() is RunState.QUEUED
        return False

    def _memory_ran_out(self, run: Run) -> bool:
        """Whether the system ended a worker for memory while this run's did, of whose end nobody was told."""
        if run.id in self._watchdog.ended:
            return False
        with suppress(OSError, ValueError, KeyError, TypeError):
            facts = read_json(run.folder / "started.json")
            if "looked_at" not in facts and memory_kills() > int(facts["memory_kills"]):
                return _fail_for_memory(run)
        return False

    def _waiting(self, run: Run) -> Waiting:
        try:
            meta = run.meta()
        except RunError:
            return Waiting(run.id, LOCAL_OWNER, 0.0)
        begun = read_attempts(run.folder).begun
        if begun:
            self._begun[meta.owner] = max(begun, self._begun.get(meta.owner, 0.0))
        return Waiting(run.id, meta.owner, meta.created)

    def _note_begun(self, run: Run) -> None:
        with suppress(RunError):
            owner = run.meta().owner
            self._begun[owner] = max(last_begun(run.folder), self._begun.get(owner, 0.0))

    def _tell(self, order: list[Waiting], running: list[Run], held: str) -> None:
        """Write the queue down, when it has changed and now and then."""
        ids = tuple(item.id for item in order)
        news = ids != tuple(turn.id for turn in self._view.turns) or held != self._view.held
        if not news and time.monotonic() - self._told < TELL_SECONDS:
            return
        self._told = time.monotonic()
        starts: list[float | None] = [None] * len(order)
        if not held:
            remaining = [self._durations.left(run) for run in running]
            folder = self.store.folder
            starts = expect_starts(
                order, remaining, self._workers, lambda name: self._durations.expect(Run(folder / name))
            )
        now = time.time()
        turns = tuple(
            Turn(item.id, len(running) + place, None if start is None else now + start)
            for place, (item, start) in enumerate(zip(order, starts, strict=True))
        )
        if news or any(_moved(old, new) for old, new in zip(self._view.turns, turns, strict=True)):
            with suppress(OSError):  # a full disk
                write_queue(self.settings, QueueView(turns, held))
                self._view = QueueView(turns, held)

    def _reap(self) -> None:
        """Collect ended workers; one that never took its run must not be started again and again."""
        if self._preloader is not None and (not self._preloader.listen() or self._is_stuck()):
            log.warning("the preloader has gone: preloader.log may tell why")
            self.close()
            # nobody will tell how its workers end: their locks tell of those that live, the others start again
            for run_id, child in list(self._children.items()):
                if isinstance(child.process, ForkedWorker) and child.process.returncode is None:
                    del self._children[run_id]
                    self._looked_at.discard(run_id)
        for run_id, child in list(self._children.items()):
            status = child.process.poll()
            if status is None:
                continue
            del self._children[run_id]
            run = Run(self.store.folder / run_id)
            if not run.folder.exists():
                continue
            with suppress(OSError):
                (run.folder / STALLED).unlink(missing_ok=True)
            state = run.state()
            if state is RunState.QUEUED:
                self._began_not(run, child, status)
            elif state is RunState.INTERRUPTED:
                log.error("worker of %s ended with %s", run_id, status)
                self._looked_at.add(run_id)
                if self._for_memory(run, child, status):
                    _fail_for_memory(run)

    def _began_not(self, run: Run, child: _Child, status: int) -> None:
        """See to a queued run whose worker ended."""
        if status in (0, PUT_ASIDE, TAKEN):
            return  # it was put aside, or taken up again while its worker still left
        log.error("worker of %s ended with %s before it began", run.id, status)
        if self._for_memory(run, child, status):
            _fail_for_memory(run)
            return
        attempts = read_attempts(run.folder)
        if status < 0 and attempts.left:  # somebody ended it: a crash like any other
            with suppress(OSError):
                write_attempts(run.folder, Attempts(attempts.automatic + 1, attempts.begun))
        else:
            _fail(run, "The training process ended before it began: worker.log tells why.")

    def _for_memory(self, run: Run, child: _Child, status: int) -> bool:
        mine = run.id in self._watchdog.ended
        return status == KILLED and not mine and memory_kills() > child.memory_kills

    def _is_stuck(self) -> bool:
        """Whether the preloader does nothing, although it should have forked or told of an end long ago."""
        now, silent = time.monotonic(), 0.0
        for run_id, child in self._children.items():
            if not isinstance(child.process, ForkedWorker) or child.process.returncode is not None:
                continue
            if is_held(self.store.folder / run_id / "worker.lock"):
                child.alone_since = now
            silent = max(silent, now - child.alone_since)
        assert self._preloader is not None
        if silent < 1 or (computed := self._preloader.computed()) > self._computed + MOVED_SECONDS:
            self._silent_since = now
            if silent >= 1:
                self._computed = computed  # its imports may take long
        return now - self._silent_since > SILENT_SECONDS

    def _start(self, run: Run) -> None:
        log.info("starting %s", run.id)
        self._looked_at.discard(run.id)
        self._watchdog.ended.discard(run.id)
        kills = memory_kills()
        try:
            self._children[run.id] = _Child(self._worker(run), kills, time.monotonic())
        except OSError as error:
            log.exception("a worker could not be started")
            if not is_full(error):
                _fail(run, f"The training process could not be started ({error.strerror}): queue the run again.")

    def _worker(self, run: Run) -> WorkerProcess:
        """Start the process that does a run.

        Raises:
            OSError: if the system refuses.
        """
        self.preload()
        if self._preloader is not None:
            with suppress(OSError):  # it ended just now
                return self._preloader.start(run.folder)
        return start_module(
            self.settings,
            "core.jobs.worker",
            [str(run.folder)],
            run.folder / "worker.log",
            threads=self.settings.threads,
        )


def _moved(old: Turn, new: Turn) -> bool:
    if old.before != new.before or (old.expected_start is None) != (new.expected_start is None):
        return True
    if old.expected_start is None or new.expected_start is None:
        return False
    return abs(old.expected_start - new.expected_start) > SAME_START_SECONDS


def _fail(run: Run, text: str) -> None:
    """Record that a queued run failed, unless somebody else has it by now."""
    with suppress(TuneMyPetsError, OSError), hold(run, ASKER_SECONDS):
        if run.state() is RunState.QUEUED:
            run.write_result(RunState.FAILED, text, None)


def _note_look(run: Run) -> None:
    """Note with a run that stays interrupted that its end was looked at: what the system ends for memory later, another
    scheduler must not lay to its charge."""
    path = run.folder / "started.json"
    with suppress(TuneMyPetsError, OSError, ValueError, TypeError), hold(run, ASKER_SECONDS):
        if run.result() is None and path.exists():
            write_json(path, {**read_json(path), "looked_at": time.time()})


def _fail_for_memory(run: Run) -> bool:
    """Record that the system ended a worker because memory ran out: the same again would end the same way."""
    try:
        text = memory_sentence(run.config())
    except TuneMyPetsError:
        text = "The memory of this machine ran out: choose a smaller network."
    with suppress(TuneMyPetsError, OSError), hold(run, ASKER_SECONDS):
        if run.result() is None:
            run.write_result(RunState.FAILED, text, None, cause=MEMORY)
            return True
    return False
