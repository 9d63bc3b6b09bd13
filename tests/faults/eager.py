"""A preloader whose workers put their training aside after every event, and wait where a test wants to meet them.

    python -m tests.faults.eager core.eager          only `tests.faults.desk` starts it

The note of a run names the place: a phase, or "step" for one computation that nothing can interrupt. The run waits
there at its first attempt only, until it is asked to end.
"""

import hashlib
import os
import sys
import time

from core.jobs import preloader
from core.jobs.worker import Worker
from core.runs.attempts import FILE
from core.training import snapshot
from core.training.events import BatchDone, Event, PhaseStarted

snapshot.LEAST_SECONDS = 0.0
snapshot.SHARE = 0
LONG_ROUNDS = 400_000_000  # minutes, in one call that answers to no signal

_append = Worker._append


def append(self: Worker, event: Event) -> None:
    _append(self, event)
    place = self.run.config().note
    if not place or (self.run.folder / FILE).exists():
        return
    reached = {
        "hungry": isinstance(event, BatchDone) and event.epoch == 3,
        "preparing": isinstance(event, PhaseStarted) and event.phase == place,
        "training": isinstance(event, BatchDone) and event.epoch == 3,
        "step": isinstance(event, BatchDone) and (self.run.checkpoints / snapshot.FILE).exists(),
        "testing": isinstance(event, PhaseStarted) and event.phase == place,
    }
    if not reached[place]:
        return
    if place == "step":
        hashlib.pbkdf2_hmac("sha256", b"", b"", LONG_ROUNDS)
    eaten = []
    while not self._asked_to_end():
        if (self.run.folder / "eat").exists():
            eaten.append(os.urandom(2**20))
        else:
            time.sleep(0.02)


Worker._append = append  # type: ignore[method-assign]

if __name__ == "__main__":
    sys.exit(preloader.main())
