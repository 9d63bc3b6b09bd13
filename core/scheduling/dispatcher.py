"""The dispatcher: looks at the runs of a data root, and carries out what the policy decides."""

import logging
import math
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

from core.actor import LOCAL_OWNER, OPERATOR
from core.errors import RunError, TuneMyPetsError
from core.jobs.nodes import node_of, note_node, read_cluster
from core.jobs.watchdog import Watchdog, show_moving, stalled_since
from core.quotas import is_disk_full, is_full
from core.runs.attempts import Attempts, last_begun, read_attempts, threads_of, write_attempts, write_threads
from core.runs.run import Run, RunState
from core.runs.run_files import SNAPSHOT
from core.runs.run_store import RunStore
from core.scheduling.capacity import count_shares, fit_to_machine, free_memory, memory_needed
from core.scheduling.durations import Durations
from core.scheduling.places import STRATEGY_RANKS, Waiting
from core.scheduling.policy import Deed, ReplacePreloader, RunAction, Seen, SeenRun, ShowQueue, decide
from core.scheduling.run_endings import fail, fail_for_memory, kills_since_start, note_end
from core.scheduling.run_queue import QueueWriter, Span, expect_turns, read_control
from core.scheduling.worker_processes import Exit, WorkerProcesses
from core.settings import Settings

YOUNG_SECONDS = 20.0  # that a training takes at most to have its memory

log = logging.getLogger("tunemypets.scheduler")


class Dispatcher:
    """Starts the next queued run whenever fewer than `settings.workers` are running; the arms of a race share a place.

    Args:
        closing: answers whether the app is shutting down: then nothing starts.
    """

    def __init__(self, settings: Settings, closing: Callable[[], bool] = lambda: False) -> None:
        self.settings = settings if settings.cluster else fit_to_machine(settings)
        self.store = RunStore(settings)
        self.closing = closing
        self.workers = WorkerProcesses(self.settings)
        self._shares = 1 if settings.cluster else count_shares(settings)
        self._cluster = read_cluster(settings)
        self._nodes: dict[str, str] = {}  # of running runs
        self._arms: dict[str, _Arm] = {}  # of runs that have not ended
        self._exits: dict[str, Exit] = {}  # about which nothing has been decided yet
        self._ended: set[str] = set()
        self._looked_at: set[str] = set()  # interrupted runs whose worker's end was looked into
        self._begun: dict[str, float] = {}  # when a run of an owner last began
        self._durations = Durations(settings)
        self._watchdog = Watchdog()
        self._queue = QueueWriter(settings)

    def step(self) -> bool:
        """Look, decide, act; whether anything is queued or running."""
        actions = decide(self._look())
        if ReplacePreloader() in actions:
            log.warning("the preloader has ended or is stuck: preloader.log may show why")
            self._looked_at.difference_update(self.workers.drop_preloader())
            return True
        self._looked_at.update(self._exits)
        self._exits.clear()
        refused: set[str] = set()  # runs that could not be resumed just now
        busy = False
        for action in actions:
            match action:
                case RunAction(deed, run_id):
                    if run_id not in refused and not self._do(deed, self._run(run_id)):
                        refused.add(run_id)
                case ShowQueue(waiting, running, held):
                    busy = bool(waiting or running)
                    self._queue.show(waiting, running, held, partial(self._expect_turns, action))
        return busy

    def close(self) -> None:
        """End the preloader; workers continue."""
        self.workers.close()

    def _run(self, run_id: str) -> Run:
        return Run(self.store.folder / run_id)

    def _look(self) -> Seen:
        """All that the next decision depends on."""
        heard = self.workers.hears_preloader()
        silent = self.workers.preloader_silent_seconds()
        for run_id, exit_ in self.workers.collect().items():
            log.info("the worker of %s ended with %s", run_id, exit_.status)
            self._exits[run_id] = exit_
            show_moving(self._run(run_id))
        states = {run: run.state() for run in reversed(self.store.all()) if run.id not in self._ended}
        disk_full = is_disk_full(self.settings)
        stillness = self._stillness(
            [run for run, state in states.items() if state is RunState.RUNNING or run.id in self.workers.alive],
            disk_full,
        )
        runs = tuple(self._look_at(run, state, stillness.get(run.id, 0.0)) for run, state in states.items())
        control = read_control(self.settings)
        if self.settings.cluster:
            self._look_at_cluster(runs)
        return Seen(
            runs,
            self._slots,
            dict(self._begun),
            control.first,
            control.paused,
            disk_full,
            self.closing(),
            not heard,
            silent,
            self._free_bytes(runs),
            bool(self.settings.cluster and self._cluster.obstacle),
        )

    @property
    def _slots(self) -> int:
        """How many runs may run at the same time."""
        if self.settings.cluster:
            return self._cluster.places(self.settings.threads)
        return self.settings.workers or 1

    def _look_at_cluster(self, runs: Sequence[SeenRun]) -> None:
        """Which nodes there are, and what runs where."""
        self.workers.preload()
        self._cluster = read_cluster(self.settings)
        running = {run.id for run in runs if run.state is RunState.RUNNING or run.worker_alive}
        self._nodes = {run_id: node for run_id, node in self._nodes.items() if run_id in running}
        for run_id in running - self._nodes.keys():
            self._nodes[run_id] = (node_of(self._run(run_id).folder) or {"id": ""})["id"]

    def _free_bytes(self, runs: Sequence[SeenRun]) -> float:
        """Memory for another arm: what is free, without what runs that have just begun will take."""
        if self._shares == 1:
            return math.inf
        young = time.time() - YOUNG_SECONDS
        return free_memory() - sum(
            run.needed_bytes for run in runs if run.begun > young and run.state is not RunState.QUEUED
        )

    def _arm(self, run: Run) -> "_Arm":
        """What its turn depends on, which never changes."""
        if run.id not in self._arms:
            with suppress(RunError):
                self._arms[run.id] = _describe_arm(run, self._shares)
        return self._arms.get(run.id, _ALONE)

    def _stillness(self, running: list[Run], disk_full: bool) -> dict[str, float]:
        if disk_full:
            self._watchdog.forget()  # who waits for space does not move
            return {}
        return self._watchdog.look(running)

    def _look_at(self, run: Run, state: RunState, silent_seconds: float) -> SeenRun:
        interrupted = state is RunState.INTERRUPTED
        exit_ = self._exits.get(run.id)
        try:
            meta = run.meta()
            owner, created = meta.owner, meta.created
        except RunError:
            owner, created = LOCAL_OWNER, 0.0
        begun = last_begun(run.folder)
        if not interrupted:
            self._begun[owner] = max(begun, self._begun.get(owner, 0.0))
        arm = self._arm(run)
        looked_at = run.id in self._looked_at
        worker_ended = run.id in self._watchdog.ended
        kills = exit_.memory_kills if exit_ else 0
        if node_of(run.folder) is not None:
            kills = 0  # of this machine, not of its node
        elif interrupted and exit_ is None and not looked_at and not worker_ended:
            kills = kills_since_start(run)
        return SeenRun(
            run.id,
            owner,
            created,
            state,
            begun,
            stop_requested=run.stop_requested,
            evaluated=interrupted and run.result() is not None,
            attempts_left=read_attempts(run.folder).left,
            worker_alive=run.id in self.workers.alive,
            exit_status=exit_.status if exit_ else None,
            worker_ended=worker_ended,
            memory_kills=kills,
            looked_at=looked_at,
            silent_seconds=silent_seconds,
            stalled=silent_seconds > 0 and stalled_since(run.folder) is not None,
            race=arm.race,
            seed=arm.seed,
            rank=arm.rank,
            abreast=arm.abreast,
            needed_bytes=arm.needed_bytes,
        )

    def _do(self, deed: Deed, run: Run) -> bool:
        """Carry something out; False if nothing more can be done about the run in this step."""
        match deed:
            case Deed.START:
                self._start(run)
            case Deed.RESUME:
                return self._resume(run)
            case Deed.STOP:
                with suppress(TuneMyPetsError, OSError):  # while the disk is full, again and again
                    self.store.request_stop(run.id, by=OPERATOR)  # the request was authorised when it was made
            case Deed.FAIL:
                fail(run, "The training process ended before training began: see worker.log.")
            case Deed.FAIL_FOR_MEMORY:
                fail_for_memory(run)
            case Deed.COUNT_CRASH:
                with suppress(OSError):
                    attempts = read_attempts(run.folder)
                    write_attempts(run.folder, Attempts(attempts.automatic + 1, attempts.begun))
            case Deed.NOTE_END:
                self._looked_at.add(run.id)
                note_end(run)
            case Deed.TIDY:
                self._tidy(run)
            case Deed.SHOW_STALLED:
                self._watchdog.show_stalled(run)
            case Deed.END_WORKER:
                self._watchdog.end_worker(run)
        return True

    def _start(self, run: Run) -> None:
        log.info("starting %s", run.id)
        self._looked_at.discard(run.id)
        self._watchdog.ended.discard(run.id)
        with suppress(RunError):
            self._begun[run.meta().owner] = time.time()
        try:
            node = None
            threads = self._threads(run)
            if self.settings.cluster:
                node = self._cluster.choose(self.settings.threads, threads, Counter(self._nodes.values()))
                if node is None:
                    return  # it has just left
                threads = threads_of(run.folder) or node.share(threads)
                self._nodes[run.id] = node.id
            note_node(run.folder, node)
            if threads_of(run.folder) != threads:
                write_threads(run.folder, threads)
            self.workers.start(run, threads, node)
        except OSError as error:
            log.exception("a worker could not be started")
            if not is_full(error):
                fail(run, f"The training process could not be started ({error.strerror}): queue the run again.")

    def _threads(self, run: Run) -> int:
        """Processor threads of a run: those it began with, or its share."""
        return threads_of(run.folder) or max(1, self.settings.threads // self._arm(run).abreast)

    def _resume(self, run: Run) -> bool:
        self._looked_at.add(run.id)
        with suppress(TuneMyPetsError, OSError):
            self.store.resume(run.id, by=OPERATOR, automatic=True)
            log.info("%s was interrupted and resumes", run.id)
            return run.state() is RunState.QUEUED
        return False

    def _tidy(self, run: Run) -> None:
        self._ended.add(run.id)
        self._arms.pop(run.id, None)
        with suppress(OSError):  # its worker was killed after it wrote the result, and before it could tidy up
            (run.checkpoints / SNAPSHOT).unlink(missing_ok=True)
        self._durations.learn(run)

    def _expect_turns(self, queue: ShowQueue) -> Sequence[Span]:
        """Seconds until each waiting run starts and ends."""

        def seconds(run_id: str) -> float | None:
            run = self._run(run_id)
            return self._durations.expect(run, self._threads(run))

        running = [(self._run(run_id), self._arms.get(run_id, _ALONE)) for run_id in queue.running]
        present = [(arm.as_waiting(run), self._durations.left(run, self._threads(run))) for run, arm in running]
        return expect_turns(queue.waiting, present, self._slots, seconds)


@dataclass(frozen=True)
class _Arm:
    """The arm that a run is, as `SeenRun` has it."""

    race: str = ""
    seed: int = 0
    rank: int = 0
    abreast: int = 1
    needed_bytes: float = 0.0

    def as_waiting(self, run: Run) -> Waiting:
        return Waiting(run.id, "", 0.0, self.race, self.seed, self.rank, self.abreast)


_ALONE = _Arm()


def _describe_arm(run: Run, shares: int) -> _Arm:
    """A run as an arm of its race.

    Raises:
        RunError: if its files cannot be read.
    """
    meta, config = run.meta(), run.config()
    if meta.race is None or meta.plan is None:
        return _ALONE
    abreast = max(1, min(len(meta.plan.arms), shares))
    return _Arm(meta.race, config.seed, STRATEGY_RANKS[config.strategy], abreast, memory_needed(config))
