"""A run that a process has to itself: what it writes survives a full disk."""

import errno

import pytest

from core.config.train_config import TrainConfig
from core.datasets.dataset import Dataset
from core.errors import RunError
from core.jobs.workers import held_run
from core.jobs.workers.held_run import HeldRun
from core.runs.run_store import RunStore
from core.settings import Settings
from core.steps import Request, Stopped

FULL = OSError(errno.ENOSPC, "No space left on device")


@pytest.fixture
def held(settings: Settings, drawn: Dataset, small_config: TrainConfig, monkeypatch: pytest.MonkeyPatch) -> HeldRun:
    monkeypatch.setattr(held_run, "SPACE_SECONDS", (0.01,))
    monkeypatch.setattr(held_run, "POLL_SECONDS", 0.01)
    run = RunStore(settings).create(small_config)
    run.lock_path.touch()
    return HeldRun(settings, run)


def test_what_was_stopped_by_a_full_disk_is_done_again(held: HeldRun) -> None:
    errors = [FULL, FULL]

    def work() -> None:
        if errors:
            raise errors.pop()

    held.write(work)
    assert not errors


def test_what_never_fits_ends_with_a_sentence(held: HeldRun) -> None:
    def work() -> None:
        raise FULL

    with pytest.raises(RunError, match="needs more space than the disk has"):
        held.write(work)


def test_another_error_is_not_waited_for(held: HeldRun) -> None:
    def work() -> None:
        raise PermissionError("not yours")

    with pytest.raises(PermissionError):
        held.write(work)


def test_a_request_ends_the_waiting(held: HeldRun) -> None:
    def work() -> None:
        held.signal.ask(Request.PAUSE)
        raise FULL

    with pytest.raises(Stopped):
        held.write(work)


def test_a_stop_in_the_folder_reaches_the_signal(held: HeldRun) -> None:
    assert not held.asked()
    RunStore(held.settings).request_stop(held.run.id)
    assert held.asked()
    assert held.signal.request is Request.STOP
