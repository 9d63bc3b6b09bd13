"""A preloader whose workers put their training aside after every event, and wait where a test wants to meet them.

    python -m tests.support.eager_preloader core.eager          only `tests.support.desk` starts it

The note of a run names the place: a phase, or "step" for one computation that nothing can interrupt. The run waits
there at its first attempt only, until it is asked to end.
"""

import hashlib
import os
import sys
import time
from typing import Any

from core.checkpoints import snapshot
from core.config.events import BatchDone, Event, PhaseStarted
from core.jobs.workers import preloader
from core.jobs.workers.held_run import HeldRun
from core.jobs.workers.worker import Worker
from core.runs.run import RunState
from core.runs.run_files import ATTEMPTS, SNAPSHOT
from core.training import trainer

snapshot.LEAST_SECONDS = 0.0
snapshot.SHARE = 0
trainer.EVENT_SECONDS = 1e-6  # else a fast epoch may pass without a word
LONG_ROUNDS = 400_000_000  # minutes, in one call that answers to no signal

_append, _end = HeldRun.append, Worker._end


def append(self: HeldRun, event: Event) -> None:
    _append(self, event)
    place = self.run.config().note.partition(" ")[0]
    reached = {
        "hungry": isinstance(event, BatchDone) and event.epoch == 3,
        "preparing": isinstance(event, PhaseStarted) and event.phase == place,
        "training": isinstance(event, BatchDone) and event.epoch == 3,
        "step": isinstance(event, BatchDone) and (self.run.checkpoints / SNAPSHOT).exists(),
        "testing": isinstance(event, PhaseStarted) and event.phase == place,
    }
    if not reached.get(place) or (self.run.folder / ATTEMPTS).exists():
        return
    if place == "step":
        hashlib.pbkdf2_hmac("sha256", b"", b"", LONG_ROUNDS)
    wait(self)


def end(self: Worker, state: RunState, text: str, **more: Any) -> RunState:
    if self.run.config().note.startswith("finishing"):
        wait(self.held)
    return _end(self, state, text, **more)


def wait(self: HeldRun) -> None:
    """Until it is asked to end, or the file of the configuration is as old as can be."""
    eaten = []
    while not self.asked() and (self.run.folder / "config.json").stat().st_mtime > 1:
        if (self.run.folder / "eat").exists():
            eaten.append(os.urandom(2**20))
        else:
            time.sleep(0.02)


HeldRun.append = append  # type: ignore[method-assign]
Worker._end = end  # type: ignore[method-assign]

if __name__ == "__main__":
    sys.exit(preloader.main())
