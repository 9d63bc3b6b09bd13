"""What a scheduler notes in runs whose worker ended, or never began."""

import time
from contextlib import suppress

from core.errors import TuneMyPetsError
from core.jobs.watchdog import memory_kills
from core.locks import ASKER_SECONDS
from core.runs.failures import MEMORY, memory_sentence
from core.runs.run import Run, RunState
from core.runs.run_files import STARTED
from core.runs.run_lock import hold
from core.storage import read_json, write_json


def kills_since_start(run: Run) -> int:
    """How many processes the system killed for memory since the worker of an interrupted run started; 0 where unknown,
    or where an earlier scheduler looked into its end."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        facts = read_json(run.folder / STARTED)
        if "looked_at" not in facts:
            return memory_kills() - int(facts["memory_kills"])
    return 0


def fail(run: Run, text: str) -> None:
    """Record that a queued run failed, unless someone else has it by now."""
    with suppress(TuneMyPetsError, OSError), hold(run, ASKER_SECONDS):
        if run.state() is RunState.QUEUED:
            run.write_result(RunState.FAILED, text, None)


def fail_for_memory(run: Run) -> None:
    """Record that the system killed a worker because memory ran out: the same again would end the same way."""
    try:
        text = memory_sentence(run.config())
    except TuneMyPetsError:
        text = "This machine ran out of memory: choose a smaller network."
    with suppress(TuneMyPetsError, OSError), hold(run, ASKER_SECONDS):
        if run.result() is None:
            run.write_result(RunState.FAILED, text, None, cause=MEMORY)


def note_end(run: Run) -> None:
    """Note in a run that stays interrupted that its end was looked into: a later scheduler must not blame it for what
    the system kills for memory afterwards."""
    path = run.folder / STARTED
    with suppress(TuneMyPetsError, OSError, ValueError, TypeError), hold(run, ASKER_SECONDS):
        if run.result() is None and path.exists():
            write_json(path, {**read_json(path), "looked_at": time.time()})
