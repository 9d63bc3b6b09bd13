"""Short waits beside other programs: when they begin and end, what they change, and what they must not change."""

import os
import subprocess
import sys
import time

import pytest
import torch

from core.jobs.launchers import WORKER_ENVIRONMENT
from core.jobs.workers import short_waits
from core.jobs.workers.short_waits import ShortWaits, SleepingTeam
from tests.support.processes import wait_for

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="wants Linux: torch computes with libgomp there")

SPINS = """
import os, time, torch
from core.jobs.workers.short_waits import SleepingTeam

torch.set_num_threads(2)

def spun() -> float:
    numbers = torch.zeros(1 << 20)
    numbers.add_(1)
    began = time.process_time()
    time.sleep(0.3)
    return time.process_time() - began

alone = spun()
team = SleepingTeam(2, len(os.sched_getaffinity(0)))
beside = spun()
team.end()
print(alone, beside, spun())
"""

TRIES = 8


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What other programs take, in cores."""
    cores = [0.0]

    class Others:
        def cores(self) -> float:
            return cores[0]

    monkeypatch.setattr(short_waits, "OtherPrograms", Others)
    monkeypatch.setattr(short_waits, "WATCH_SECONDS", 0.01)
    return cores


def test_waits_are_short_while_others_compute_and_only_then(taken: list[float]) -> None:
    processors = len(os.sched_getaffinity(0))
    with ShortWaits(processors) as waits:
        time.sleep(0.1)
        assert not waits.crowded
        taken[0] = 1.0
        wait_for(lambda: waits.crowded)
        taken[0] = 0.3  # in between, nothing changes
        time.sleep(0.1)
        assert waits.crowded
        taken[0] = 0.1
        wait_for(lambda: not waits.crowded)
        taken[0] = 0.3
        time.sleep(0.1)
        assert not waits.crowded
        taken[0] = 1.0
        wait_for(lambda: waits.crowded)
    assert not waits.crowded


def test_processors_that_the_training_leaves_free_are_not_crowded(
    taken: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(8))
    taken[0] = 6.2
    with ShortWaits(2) as waits:
        time.sleep(0.1)
        assert not waits.crowded
        taken[0] = 6.5
        wait_for(lambda: waits.crowded)


def test_one_thread_waits_for_nobody(taken: list[float]) -> None:
    taken[0] = 8.0
    with ShortWaits(1) as waits:
        time.sleep(0.1)
        assert not waits.crowded


@pytest.mark.parametrize(("threads", "processors", "masters"), [(2, 2, 1), (2, 8, 7), (8, 8, 1), (4, 8, 2), (16, 2, 1)])
def test_there_are_more_threads_than_processors(
    threads: int, processors: int, masters: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SleepingTeam, "_sleep", lambda _, ready: ready.wait())
    team = SleepingTeam(threads, processors)
    team.end()
    assert len(team._masters) == masters
    assert 1 + (1 + masters) * (threads - 1) > processors


def test_threads_that_wait_sleep_soon_beside_a_team() -> None:
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("wants two processors")
    found = [_measure_spins()]
    while len(found) < TRIES and not _sleeps_soon(*found[-1]):  # other tests may keep a thread from its processor
        found.append(_measure_spins())
    assert _sleeps_soon(*found[-1]), found


def _sleeps_soon(alone: float, beside: float, after: float) -> bool:
    return beside < 0.5 * min(alone, after)  # how long a count of spins takes depends on the processor


def _measure_spins() -> tuple[float, float, float]:
    """Seconds of processor time that a waiting thread takes: alone, beside a team, and after it."""
    answer = subprocess.run(
        [sys.executable, "-c", SPINS],
        env={**os.environ, **WORKER_ENVIRONMENT, "GOMP_SPINCOUNT": "30000000000", "OMP_NUM_THREADS": "2"},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    alone, beside, after = map(float, answer.stdout.split())
    return alone, beside, after


def test_digits_stay_as_they_are() -> None:
    generator = torch.Generator().manual_seed(0)
    left, right = torch.randn(700, 900, generator=generator), torch.randn(900, 500, generator=generator)
    expected = (left @ right).sum()
    team = SleepingTeam(max(2, torch.get_num_threads()), len(os.sched_getaffinity(0)))
    try:
        assert torch.equal((left @ right).sum(), expected)
    finally:
        team.end()
