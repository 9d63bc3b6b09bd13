"""Computations that anyone may start, once for all: a process of its own, followed by its files. Imports no torch.

Next to the result, a JSON file that is whole or absent, lie while it is made its lock, its progress (a sentence, if it
failed) and, if it was cancelled, `….stop`. The held lock is the only sign that one runs.
"""

import argparse
import logging
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from itertools import cycle
from pathlib import Path
from typing import Any, Generic, TypeVar

from filelock import FileLock, Timeout

from core.actor import LOCAL_OWNER, Actor
from core.config.events import Progress
from core.errors import TuneMyPetsError
from core.jobs.launchers import log_to_stderr, start_detached
from core.jobs.states import is_closing
from core.locks import ASKER_SECONDS, is_held
from core.quotas import FULL, check_space, is_full
from core.settings import Settings
from core.steps import Stopped, StopSignal
from core.storage import read_json, write_json
from core.stores.measurements import Measurements
from core.verification import REMOVE, Count, Kind, Problem, held, ignore, irregular, is_folder, listed, verify_names

UP_SECONDS = 20.0  # that a process may take to have the lock, on a busy machine
POLL_SECONDS = 0.1
NOTE_SECONDS = 0.3
WAIT_SECONDS = 0.2  # for each lock
INTERRUPTED = "It was interrupted: start it again."
ENDINGS = (".progress.json", ".json", ".stop", ".lock")

Result = TypeVar("Result")

log = logging.getLogger("tunemypets.jobs")


@dataclass(frozen=True)
class JobFiles:
    """Where one computation keeps its result, and how far it is."""

    result: Path

    @property
    def lock(self) -> Path:
        """Held while it runs."""
        return self.result.with_suffix(".lock")

    @property
    def progress(self) -> Path:
        """How far it is, or why it failed."""
        return self.result.with_suffix(".progress.json")

    @property
    def stop(self) -> Path:
        """Is there when it was cancelled."""
        return self.result.with_suffix(".stop")


@dataclass(frozen=True)
class JobState(Generic[Result]):
    """How far a computation is: finished with a result, running, failed with a sentence, or not begun.

    Attributes:
        owner: who started the one that runs.
        cancelled: it was asked to end, and has not yet.
        estimate: seconds that all of it will take; None where it was never made on this machine.
    """

    result: Result | None = None
    active: bool = False
    progress: Progress | None = None
    problem: str | None = None
    owner: str = LOCAL_OWNER
    cancelled: bool = False
    estimate: float | None = None


def look(files: JobFiles, read: Callable[[], Result | None], expect: Callable[[], float | None]) -> JobState[Result]:
    """How far it is.

    Args:
        read: the result; None while there is none.
        expect: the seconds that it will take; only asked where there is no result.
    """
    if (found := read()) is not None:
        return JobState(found)
    state: JobState[Result] = _state(files)
    if (found := read()) is not None:  # it has ended between the two looks
        return JobState(found)
    return replace(state, estimate=expect())


def expect_seconds(settings: Settings, measured_by: dict[str, Any], pictures: int) -> float | None:
    """The seconds that a computation over so many pictures will take; None where none was measured here."""
    each = (Measurements(settings).find(measured_by) or {}).get("seconds_a_picture")
    return each * pictures if each else None


def _state(files: JobFiles) -> JobState[Any]:
    active = is_held(files.lock)
    try:
        noted = read_json(files.progress)
        owner, problem = str(noted.get("owner", LOCAL_OWNER)), noted.get("problem")
        progress = None if problem else Progress(**noted["progress"])
    except (OSError, ValueError, TypeError, AttributeError, KeyError):
        return JobState(None, active)
    if not active:
        return JobState(problem=problem or INTERRUPTED, owner=owner)
    return JobState(None, True, progress, None, owner, files.stop.exists())


def start(
    settings: Settings, files: JobFiles, module: str, arguments: Sequence[str], log_name: str, needed_bytes: int = 0
) -> None:
    """Start a process; of two at once, the second ends at the lock.

    Args:
        needed_bytes: what it will write, as far as that is known.
    Raises:
        QuotaError: the disk is too full.
    """
    check_space(settings, needed_bytes)
    files.result.parent.mkdir(parents=True, exist_ok=True)
    for path in (files.progress, files.stop):  # what an earlier one left; not the result: another may just have ended
        path.unlink(missing_ok=True)
    process = start_detached(settings, module, arguments, settings.logs_dir / log_name)
    until = time.monotonic() + UP_SECONDS
    while time.monotonic() < until and process.poll() is None and not is_held(files.lock):
        time.sleep(POLL_SECONDS)


def follow(
    watch: Callable[[], JobState[Result]], refuse: Callable[[str | None], TuneMyPetsError]
) -> Generator[JobState[Result], None, Result]:
    """Wait for the end of a computation that was started; returns its result.

    Args:
        refuse: the error where there is no result, from the reason; that is None if it was cancelled.
    """
    while (state := watch()).active:
        yield state
        time.sleep(POLL_SECONDS)
    if state.result is None:
        raise refuse(state.problem)
    return state.result


def read_arguments(program: str, names: Sequence[str], arguments: Sequence[str] | None) -> list[str]:
    """What such a process was started with, one word for each name; its log goes to stderr."""
    parser = argparse.ArgumentParser(prog=f"python -m {program}")
    for name in names:
        parser.add_argument(name)
    options = parser.parse_args(arguments)
    log_to_stderr()
    return [getattr(options, name) for name in names]


def run_alone(
    settings: Settings,
    files: JobFiles,
    owner: str,
    turn: str,
    work: Callable[[StopSignal, Callable[[Progress], None]], None],
    explain: Callable[[Exception], str],
) -> int:
    """Do the work in this process, unless another one does; what goes wrong is noted as a sentence.

    Args:
        turn: one computation of a data root with this name works at a time: each takes all threads.
        work: writes the result.
        explain: an unexpected error, in a sentence.
    Returns:
        the exit status.
    """
    try:
        with FileLock(files.lock).acquire(timeout=ASKER_SECONDS):
            note, signal = _Note(files.progress, owner), StopSignal(lambda: files.stop.exists() or is_closing(settings))
            try:
                note(Progress("preparing", "Waiting for another computation", 0, 1, None))
                with take_turn([settings.cache_dir / f"{turn}.lock"], signal):
                    work(signal, note)
                files.progress.unlink(missing_ok=True)
            except Stopped:
                files.progress.unlink(missing_ok=True)
            except TuneMyPetsError as error:
                log.info("%s", error)
                note.problem(str(error))
            except Exception as error:  # a sentence is always left behind
                log.exception("a computation failed")
                full = isinstance(error, OSError) and is_full(error)
                note.problem(FULL if full else explain(error))
            finally:
                files.stop.unlink(missing_ok=True)
    except Timeout:
        log.info("another process computes this")
    return 0


@contextmanager
def take_turn(paths: Sequence[Path], signal: StopSignal) -> Iterator[None]:
    """Hold one of the locks of those that compute at a time; a cancelled one does not wait for it.

    Raises:
        Stopped: `signal` was set meanwhile.
    """
    for lock in cycle(map(FileLock, paths)):
        signal.check()
        with suppress(Timeout):
            lock.acquire(timeout=WAIT_SECONDS)
            break
    try:
        yield
    finally:
        lock.release()


class _Note:
    """Writes progress to a file, now and then."""

    def __init__(self, path: Path, owner: str) -> None:
        self._path, self._owner = path, owner
        self._last, self._text = 0.0, ""

    def __call__(self, progress: Progress) -> None:
        now = time.monotonic()
        if now - self._last < NOTE_SECONDS and progress.text == self._text:
            return
        self._last, self._text = now, progress.text
        with suppress(OSError):  # a full disk ends it where it writes its result
            write_json(self._path, {"owner": self._owner, "progress": asdict(progress)})

    def problem(self, text: str) -> None:
        """Leave a sentence for people."""
        with suppress(OSError):
            write_json(self._path, {"owner": self._owner, "problem": text})


def cancel(files: JobFiles, what: str, owner: str, *, by: Actor) -> None:
    """Ask a running one to end without a result.

    Args:
        what: it is, as in *This examination*.
        owner: of what it is made from.
    Raises:
        RightsError: neither the computation nor what it is made from belongs to `by`.
    """
    state = _state(files)
    if state.active:
        if not by.may_change(owner):
            by.check_may_change(state.owner, what)
        files.stop.touch()


def verify_results(
    folder: Path, prefixes: set[str], whole: Callable[[bytes], bool], what: str, count: Count = ignore
) -> Iterator[Problem]:
    """What is wrong with results; all of them can be made again.

    Args:
        prefixes: with which the names of results begin whose dataset is there, up to the first `-`.
        whole: whether this is the text of a result.
        what: they are, such as *These findings*.
    """
    if not is_folder(folder):
        return
    names = {entry.name for entry in listed(folder) if entry.name.endswith(ENDINGS)}
    yield from verify_names(folder, names, count, live=any(held(path) for path in folder.glob("*.lock")))
    for name in sorted(names - irregular(folder, names)):
        path = folder / name
        stem = next(name.removesuffix(ending) for ending in ENDINGS if name.endswith(ending))
        lock = folder / f"{stem}.lock"
        if held(lock) or name.endswith(".lock"):
            continue
        if name.partition("-")[0] not in prefixes:
            yield Problem(Kind.ORPHANED, path, f"{what} are of a dataset that is gone.", REMOVE, lock=lock)
        elif name.endswith(".stop"):
            yield Problem(Kind.LEFT_OVER, path, "What this cancelled has ended.", REMOVE, lock=lock)
        elif not name.endswith(".progress.json"):
            try:
                good = whole(path.read_bytes())
                count(path.stat().st_size)
            except OSError:
                good = False
            if not good:
                yield Problem(Kind.DAMAGED, path, f"{what} are damaged: make them again.", REMOVE, lock=lock)
