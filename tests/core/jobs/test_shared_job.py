"""Computations that serve everyone, followed to their end."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock

from core.config.events import Progress
from core.errors import DatasetError
from core.jobs.shared_job import JobFiles, JobState, follow, look
from core.storage import write_json

RUNNING: JobState[str] = JobState(active=True, progress=Progress("testing", "Counting", 1, 2, None))


def states(*given: JobState[str]) -> Iterator[JobState[str]]:
    return iter(given)


def test_a_followed_one_gives_its_states_and_then_its_result() -> None:
    coming = states(RUNNING, RUNNING, JobState("found"))
    step = follow(lambda: next(coming), lambda reason: DatasetError(str(reason)))
    assert [next(step), next(step)] == [RUNNING, RUNNING]
    with pytest.raises(StopIteration) as end:
        next(step)
    assert end.value.value == "found"


@pytest.mark.parametrize(("problem", "sentence"), [("The disk is full.", "The disk is full."), (None, "cancelled")])
def test_one_without_a_result_is_an_error_with_the_reason(problem: str | None, sentence: str) -> None:
    coming = states(RUNNING, JobState(problem=problem))
    with pytest.raises(DatasetError, match=sentence):
        list(follow(lambda: next(coming), lambda reason: DatasetError(reason or "It was cancelled.")))


def test_a_cancelled_one_that_has_not_ended_yet_says_so_and_the_estimate_is_of_all_of_it(tmp_path: Path) -> None:
    files = JobFiles(tmp_path / "result.json")

    def state() -> JobState[str]:
        return look(files, lambda: None, lambda: 60.0)

    assert state() == JobState(estimate=60.0)
    write_json(files.progress, {"owner": "alice", "progress": vars(RUNNING.progress)})
    with FileLock(files.lock):
        assert state() == JobState(None, True, RUNNING.progress, None, "alice", False, 60.0)
        files.stop.touch()
        assert state().cancelled
    assert state().problem == "It was interrupted: start it again."
    assert look(files, lambda: "found", lambda: 60.0) == JobState("found")
