"""Computations that serve everyone, in processes of their own: shared, cancelled, killed, and never half there."""

import dataclasses
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from core.actor import OPERATOR, Actor
from core.config.events import Progress
from core.datasets.dataset import Dataset
from core.doctor import examination
from core.errors import DatasetError, RightsError
from core.jobs.shared_job import INTERRUPTED, JobFiles, JobState, follow, look
from core.maintenance.check import check
from core.probes import probing
from core.scheduling.shutdown import shut_down
from core.settings import Settings
from core.storage import write_json
from tests.support.processes import kill, processes_of, wait_for

ALICE, BOB = Actor("p-alice", "Alice"), Actor("p-bob", "Bob")
RUNNING: JobState[str] = JobState(active=True, progress=Progress("testing", "Counting", 1, 2, None))


@dataclasses.dataclass(frozen=True)
class Kind:
    """What is computed with a network on a dataset; each function takes settings, dataset and network."""

    name: str  # of the module and of the lock of the one that computes
    lock: str
    start: Callable[..., None]
    cancel: Callable[..., None]
    look: Callable[..., JobState[Any]]
    files_of: Callable[..., JobFiles]


KINDS = [
    Kind(
        "core.doctor.doctor_job", "doctor", examination.start_examination, examination.cancel_examination,
        examination.look, examination.files_of,
    ),
    Kind(
        "core.probes.probe_job", "probes", probing.start_probes, probing.cancel_probes, probing.look, probing.files_of
    ),
]  # fmt: skip


class Shared:
    """One computation on the drawn pictures, and a lock with which another one holds it back."""

    def __init__(self, kind: Kind, settings: Settings, dataset: Dataset) -> None:
        settings.cache_dir.mkdir(parents=True, exist_ok=True)
        self.kind, self.settings, self.dataset = kind, settings, dataset
        self.lock = FileLock(settings.cache_dir / f"{kind.lock}.lock")
        self.files = kind.files_of(settings, dataset, "petnet")

    def start(self, by: Actor = ALICE) -> None:
        self.kind.start(self.settings, self.dataset, "petnet", by=by)

    def start_waiting(self) -> None:
        """Start one that waits for another one."""
        self.lock.acquire()
        self.start()
        wait_for(lambda: self.state.progress is not None)

    def cancel(self, by: Actor, dataset: Dataset | None = None) -> None:
        self.kind.cancel(self.settings, dataset or self.dataset, "petnet", by=by)

    @property
    def state(self) -> JobState[Any]:
        return self.kind.look(self.settings, self.dataset, "petnet")

    @property
    def processes(self) -> list[Any]:
        return processes_of(self.settings.home, self.kind.name)


@pytest.fixture(params=KINDS, ids=lambda kind: kind.lock)
def shared(request: pytest.FixtureRequest, settings: Settings, drawn: Dataset, ended_processes: None) -> Shared:
    return Shared(request.param, settings, drawn)


def test_two_sessions_start_one_process_and_both_read_what_it_found(shared: Shared) -> None:
    shared.lock.acquire()
    sessions = [threading.Thread(target=shared.start, args=(by,)) for by in (ALICE, BOB)]
    for session in sessions:
        session.start()
    for session in sessions:
        session.join()
    wait_for(lambda: len(shared.processes) == 1)
    wait_for(lambda: shared.state.progress is not None)
    assert shared.state.owner in (ALICE.id, BOB.id)
    shared.start()  # a third one, later
    assert len(shared.processes) == 1
    shared.lock.release()
    wait_for(lambda: not shared.state.active)
    assert shared.state.problem is None
    assert shared.state.result is not None
    wait_for(lambda: not shared.processes)
    assert sorted(path.suffix for path in shared.files.result.parent.iterdir()) == [".json", ".lock"]
    assert list(check(shared.settings)) == []
    shared.start()  # it is there: nothing starts
    assert not shared.processes


def test_a_killed_one_leaves_a_sentence_and_nothing_half(shared: Shared) -> None:
    shared.start_waiting()
    shared.lock.release()
    wait_for(lambda: "Waiting" not in getattr(shared.state.progress, "text", "Waiting"))
    kill(*shared.processes)
    state = shared.state
    assert (state.active, state.result, state.problem) == (False, None, INTERRUPTED)
    assert not shared.files.result.exists()
    assert list(check(shared.settings)) == []
    shared.start_waiting()
    assert shared.state.active


def test_its_starter_the_owner_and_the_presenter_may_cancel_and_others_may_not(shared: Shared) -> None:
    shared.start_waiting()
    with pytest.raises(RightsError, match="belongs to another person"):
        shared.cancel(BOB)
    assert not shared.files.stop.exists()
    shared.cancel(ALICE)
    wait_for(lambda: not shared.state.active)
    assert (shared.state.result, shared.state.problem) == (None, None)
    assert [path.suffix for path in shared.files.result.parent.iterdir()] == [".lock"]
    shared.lock.release()
    shared.cancel(BOB)  # nothing runs: nothing to refuse
    shared.start_waiting()
    summary = dataclasses.replace(shared.dataset.summary, owner=BOB.id)
    shared.cancel(BOB, dataclasses.replace(shared.dataset, summary=summary))
    wait_for(lambda: not shared.state.active)


def test_a_shutdown_of_the_app_ends_it(shared: Shared) -> None:
    shared.start_waiting()
    shut_down(shared.settings, OPERATOR)
    wait_for(lambda: not shared.processes)
    assert (shared.state.active, shared.state.result, shared.state.problem) == (False, None, None)


def test_a_followed_one_gives_its_states_and_then_its_result() -> None:
    coming = iter((RUNNING, RUNNING, JobState("found")))
    step = follow(lambda: next(coming), lambda reason: DatasetError(str(reason)))
    assert [next(step), next(step)] == [RUNNING, RUNNING]
    with pytest.raises(StopIteration) as end:
        next(step)
    assert end.value.value == "found"


@pytest.mark.parametrize(("problem", "sentence"), [("The disk is full.", "The disk is full."), (None, "cancelled")])
def test_one_without_a_result_is_an_error_with_the_reason(problem: str | None, sentence: str) -> None:
    coming = iter((RUNNING, JobState[str](problem=problem)))
    with pytest.raises(DatasetError, match=sentence):
        list(follow(lambda: next(coming), lambda reason: DatasetError(reason or "It was cancelled.")))


def test_the_files_say_who_runs_it_that_it_was_cancelled_and_how_long_all_of_it_takes(tmp_path: Path) -> None:
    files = JobFiles(tmp_path / "result.json")

    def state() -> JobState[str]:
        return look(files, lambda: None, lambda: 60.0)

    assert state() == JobState(estimate=60.0)
    write_json(files.progress, {"owner": "alice", "progress": vars(RUNNING.progress)})
    with FileLock(files.lock):
        assert state() == JobState(None, True, RUNNING.progress, None, "alice", False, 60.0)
        files.stop.touch()
        assert state().cancelled
    assert state().problem == INTERRUPTED
    assert look(files, lambda: "found", lambda: 60.0) == JobState("found")
