"""The training worker: one process, one run.

    python -m core.jobs.worker RUN_DIR            train and test
    python -m core.jobs.worker RUN_DIR --judge    only test the checkpoint of a stopped or interrupted run

It takes the run's lock before anything slow, appends every event to `events.jsonl`, and writes `result.json` last. A
stop request is obeyed within two seconds even in the middle of a long computation: checkpoints on disk are always
whole, so a watcher thread may end the process. SIGTERM (a shutdown) puts the training aside and the run back into the
queue within five. While the disk is full it waits, and then goes on from the last snapshot.
"""

import argparse
import errno
import json
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
from filelock import FileLock, Timeout

from core.datasets.store import DatasetStore
from core.errors import DivergedError, RunError, TuneMyPetsError
from core.jobs.watchdog import STALLED
from core.quotas import is_disk_full
from core.runs.attempts import Attempts, last_begun, read_attempts, write_attempts
from core.runs.remedies import MEMORY, memory_sentence
from core.runs.run import Run, RunState
from core.settings import Settings
from core.storage import write_json
from core.training.events import Event, to_record

POLL_SECONDS = 0.1
PATIENCE_SECONDS = 1.2  # from a stop request until the process ends itself
LEAVE_SECONDS = 4.0  # to put the training aside
LOCK_SECONDS = 10.0
NICENESS = 10
PUT_ASIDE = 75  # exit status: the run is queued again
SPACE_SECONDS = (1.0, 2.0, 4.0, 8.0)  # between two looks whether the disk has space again; then always the last

log = logging.getLogger("tunemypets.worker")


class Worker:
    """Owns one run while it holds the run's lock."""

    def __init__(self, settings: Settings, run: Run) -> None:
        self.settings = settings
        self.run = run
        self.started = time.monotonic()
        self._ended = threading.Lock()
        self._stop = threading.Event()
        self._leave = threading.Event()

    def leave(self) -> None:
        """Put the training aside and the run back into the queue, within five seconds."""
        self._leave.set()

    def work(self, *, judge_only: bool) -> RunState:
        """Train (or only test) the run; returns its final state."""
        earlier = self.run.result()
        if judge_only:
            if earlier is None:
                earlier_state, earlier_text = RunState.INTERRUPTED, "Interrupted, tested afterwards."
            else:
                earlier_state, earlier_text = earlier.state, earlier.text
            (self.run.folder / "stop").unlink(missing_ok=True)
        elif earlier is not None or (self.run.folder / "started.json").exists():
            log.info("nothing to do: this run was taken before")
            return self.run.state()
        else:
            born = psutil.Process().create_time()
            write_json(self.run.folder / "started.json", {"pid": os.getpid(), "born": born, "time": time.time()})
        (self.run.folder / STALLED).unlink(missing_ok=True)
        threading.Thread(target=self._watch, args=(judge_only,), daemon=True).start()
        try:
            self._follow(judge_only)
        except DivergedError as error:
            return self._end(RunState.FAILED, str(error))
        except TuneMyPetsError as error:
            log.exception("the run failed")
            return self._end(RunState.FAILED, str(error))
        except Exception as error:  # a worker must always leave a state behind
            log.exception("the run failed")
            if is_out_of_memory(error):
                return self._end(RunState.FAILED, memory_sentence(self.run.config()), cause=MEMORY)
            return self._end(RunState.FAILED, failure_sentence(error))
        if judge_only:
            return self._end(earlier_state, earlier_text)
        if self._stop.is_set() and not self._judged():
            return self._end(RunState.STOPPED, self._stopped_text())
        if self._leave.is_set() and not self._judged():
            return self._put_aside()
        return self._end(RunState.FINISHED, "Finished.")

    def _follow(self, judge_only: bool) -> None:
        """Write down what the training says; when the disk was full, take it up again from the last snapshot."""
        looks = 0
        while True:
            try:
                for event in self._events(judge_only):
                    self._append(event)
                return
            except OSError as error:
                if not (is_full(error) or is_disk_full(self.settings)):
                    raise
                log.warning("the disk is full: waiting for space")
            while not self._asked_to_end():
                time.sleep(SPACE_SECONDS[min(looks, len(SPACE_SECONDS) - 1)])
                looks += 1
                os.utime(self.run.lock_path)  # a sign of life that needs no space
                if not is_disk_full(self.settings):
                    break
            if self._asked_to_end():
                return

    def _asked_to_end(self) -> bool:
        return self._stop.is_set() or self._leave.is_set()

    def _events(self, judge_only: bool) -> Iterator[Event]:
        config = self.run.config()
        dataset = DatasetStore(self.settings).get(config.dataset)
        if dataset.fingerprint != self.run.meta().dataset_fingerprint:
            raise RunError(
                f"The dataset {dataset.id} is not the one this run was made for: start a new run on the new pictures."
            )
        # torch costs seconds to import, so the lock is taken and the stop watched before it
        from core.training import judging, session

        if self._asked_to_end():
            return
        if judge_only:
            yield from judging.judge(dataset, self.settings, self.run.folder, self._asked_to_end)
        else:
            resume = session.resumable(config, dataset, self.run.folder)
            self._rewind(resume.events_bytes if resume else 0)
            yield from session.train(
                config, dataset, self.settings, self.run.folder, self._stop.is_set, resume, self._leave.is_set
            )

    def _rewind(self, events_bytes: int) -> None:
        """Cut off what the event log tells of a training that is done again; its time counts as this run's."""
        path = self.run.folder / "events.jsonl"
        if not path.exists():
            return
        with path.open("r+b") as file:
            file.truncate(min(events_bytes, path.stat().st_size))
        moments = [record["time"] for record in self.run.records() if "time" in record]
        if moments:
            self.started -= moments[-1] - moments[0]

    def _append(self, event: Event) -> None:
        line = json.dumps({"time": time.time(), **to_record(event)}, ensure_ascii=False, allow_nan=False)
        with (self.run.folder / "events.jsonl").open("ab") as file:
            file.write(line.encode() + b"\n")

    def _watch(self, judge_only: bool) -> None:
        """Set the stop flag when asked; end the process when the training does not react in time."""
        while not self.run.stop_requested and not self._leave.is_set():
            time.sleep(POLL_SECONDS)
        if self.run.stop_requested:
            self._stop.set()
            time.sleep(PATIENCE_SECONDS)
            if self._judged():
                self._end(RunState.FINISHED, "Finished.", leave=True)
            self._end(RunState.STOPPED, self._stopped_text(), leave=True)
        time.sleep(LEAVE_SECONDS)
        if judge_only:
            os._exit(PUT_ASIDE)
        self._put_aside(leave=True)

    def _put_aside(self, *, leave: bool = False) -> RunState:
        """Queue the run again; with `leave`, end the process."""
        if not self._ended.acquire(blocking=False):
            if not leave:
                time.sleep(60)  # the watcher is ending this process
            return RunState.QUEUED
        self._remove_temporary()
        with suppress(OSError):  # a full disk: it counts as a crash then
            attempts = read_attempts(self.run.folder)
            write_attempts(self.run.folder, Attempts(attempts.automatic, last_begun(self.run.folder)))
            (self.run.folder / "started.json").unlink()
        if leave:
            logging.shutdown()
            os._exit(PUT_ASIDE)
        return RunState.QUEUED

    def _remove_temporary(self) -> None:
        for leftover in self.run.folder.rglob(".*.tmp"):
            leftover.unlink(missing_ok=True)

    def _judged(self) -> bool:
        """Whether the test was complete before the stop came."""
        return self.run.history().tested is not None

    def _end(self, state: RunState, text: str, *, leave: bool = False, cause: str | None = None) -> RunState:
        """Write the result exactly once, whichever thread comes first; with `leave`, end the process."""
        if not self._ended.acquire(blocking=False):
            if not leave:
                time.sleep(60)  # the watcher is ending this process
            return state
        self._remove_temporary()
        (self.run.checkpoints / "last.safetensors").unlink(missing_ok=True)
        try:
            self.run.write_result(state, text, time.monotonic() - self.started, cause)
        except OSError:
            log.exception("the result could not be written")
        if leave:
            logging.shutdown()
            os._exit(0)
        return state

    def _stopped_text(self) -> str:
        done = len(self.run.history().epochs)
        if done:
            return f"Stopped after {done} {'epoch' if done == 1 else 'epochs'}; the best weights so far were kept."
        return "Stopped before the first epoch was complete."


def is_full(error: OSError) -> bool:
    """Whether a write failed because there is no space."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT)


def is_out_of_memory(error: Exception) -> bool:
    """Whether memory ran out, on the processor or a GPU."""
    text = str(error).lower()
    return isinstance(error, MemoryError) or "out of memory" in text or "can't allocate memory" in text


def failure_sentence(error: Exception) -> str:
    """One sentence for an error that nobody foresaw; the traceback is in the log."""
    if isinstance(error, OSError) and error.errno == errno.EFBIG:
        return "A file grew larger than this system lets it: raise the limit (`ulimit -f`) and train again."
    return f"Something unforeseen went wrong ({type(error).__name__}): the run's worker.log tells more."


def take(folder: Path, *, judge_only: bool = False) -> int:
    """Do the run of a folder in this process; 0, or PUT_ASIDE, unless the run could not be taken at all."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s", stream=sys.stderr)
    run = Run(folder)
    try:
        with FileLock(run.lock_path).acquire(timeout=LOCK_SECONDS):
            worker = Worker(Settings.from_environment(), run)
            signal.signal(signal.SIGTERM, lambda *_: worker.leave())
            state = worker.work(judge_only=judge_only)
            log.info("ended: %s", state.value)
    except Timeout:
        log.info("another worker has this run")
        return 1
    return PUT_ASIDE if state is RunState.QUEUED else 0


def main(arguments: list[str] | None = None) -> int:
    """Run the worker in a process of its own: to judge, and where nothing can be preloaded."""
    parser = argparse.ArgumentParser(prog="python -m core.jobs.worker", description="Train one run.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--judge", action="store_true")
    options = parser.parse_args(arguments)
    if hasattr(os, "nice"):
        os.nice(NICENESS)
    return take(options.folder, judge_only=options.judge)


if __name__ == "__main__":
    sys.exit(main())
