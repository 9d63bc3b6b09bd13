"""Processes that are started once, and computing that leaves other programs their share."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest

from core.jobs import launchers
from core.predict.predictor_client import PredictorClient
from core.settings import PROJECT_ROOT, Settings
from tests.support.processes import processes_of, wait_for

SHOW_PRIORITY = (
    "import os, pathlib; from core.jobs.launchers import step_back; step_back(10); step_back(5); "
    "group = pathlib.Path('/proc/self/autogroup'); "
    "print(os.getpriority(os.PRIO_PROCESS, 0), group.read_text() if group.exists() else '')"
)


pytestmark = pytest.mark.real_processes


def predictors(settings: Settings) -> list[psutil.Process]:
    return processes_of(settings.home, "core.predict.predictor_server")


def test_many_requests_at_once_start_one_process(settings: Settings, ended_processes: None) -> None:
    client = PredictorClient(settings)
    with ThreadPoolExecutor(20) as pool:
        for _ in range(20):
            pool.submit(client.warm_up)

    assert len(predictors(settings)) == 1


def test_a_process_that_was_killed_on_its_way_is_started_again(settings: Settings, ended_processes: None) -> None:
    client = PredictorClient(settings)
    client.warm_up()
    process, _ = launchers._starting[settings.home, "core.predict.predictor_server"]
    process.kill()
    wait_for(lambda: process.poll() is not None)
    client.warm_up()

    assert [item.pid for item in predictors(settings)] == [
        launchers._starting[settings.home, "core.predict.predictor_server"][0].pid
    ]
    assert process.pid not in [item.pid for item in predictors(settings)]


@pytest.mark.skipif(not hasattr(os, "setpriority"), reason="this system has no niceness")
def test_a_whole_session_steps_back_and_a_process_never_forward() -> None:
    shown = subprocess.run(
        [sys.executable, "-c", SHOW_PRIORITY],
        cwd=PROJECT_ROOT,
        start_new_session=True,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert int(shown.split()[0]) >= 10
    if launchers.AUTOGROUP.exists():
        assert shown.split()[-2:] == ["nice", "10"]


RETURNED = """
import numpy as np, psutil
from core.jobs.launchers import trim_memory
size = lambda: psutil.Process().memory_info().rss
large, small = np.ones(10**7), [np.ones(100) for _ in range(1000)]
del large
kept = size()
trim_memory()
print(kept - size())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such settings")
def test_a_process_that_keeps_freed_memory_gives_it_back_when_asked() -> None:
    environment = {**os.environ, **launchers.WORKER_ENVIRONMENT}
    shown = subprocess.run(
        [sys.executable, "-c", RETURNED], cwd=PROJECT_ROOT, env=environment, capture_output=True, text=True, check=True
    )
    assert int(shown.stdout) > 70 * 10**6


def test_leaving_ends_with_the_given_status_and_nothing_is_unloaded() -> None:
    program = "import atexit; from core.jobs.launchers import leave; atexit.register(print, 'unloaded'); leave(3)"
    ended = subprocess.run([sys.executable, "-c", program], cwd=PROJECT_ROOT, capture_output=True, text=True)
    assert (ended.returncode, ended.stdout) == (3, "")
