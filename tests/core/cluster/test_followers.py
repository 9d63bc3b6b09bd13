"""One training over two nodes: the digits of home, a node that vanishes, and another run that wants its place."""

import time
from collections.abc import Callable

import pytest

from core.config.train_config import TrainConfig
from core.datasets.dataset import Dataset
from core.jobs.nodes import node_of
from core.runs.run import Run, RunState
from core.runs.run_store import RunStore
from core.settings import Settings
from tests.core.cluster.conftest import Machines
from tests.core.cluster.test_cluster import digits, finished, places, queue
from tests.support.processes import end_processes, wait_for
from tests.support.small_runs import SMALL_SCRATCH

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

TOGETHER, LOST = "2 workers compute each step together", "A worker was lost"


def said(run: Run, text: str, since: float = 0.0) -> bool:
    return any(text in str(record.get("text")) and record["time"] >= since for record in run.records())


def test_two_nodes_train_together_and_each_may_leave(
    drawn: Dataset, settings: Settings, tidy: None, clusters: Callable[[int], Machines], monkeypatch: pytest.MonkeyPatch
) -> None:
    del drawn, tidy
    monkeypatch.setenv("TUNEMYPETS_THREADS", "1")
    config = TrainConfig.model_validate({**SMALL_SCRATCH, "workers": 2, "epochs": 300})
    home = queue(config)
    finished(home)
    end_processes(settings.home)

    machines = clusters(2)
    wait_for(lambda: places() == 2, 120)
    away = queue(config)
    finished(away)
    assert said(away, TOGETHER)
    assert digits(away) == digits(home)

    # another run gets its place, and gives it back
    long = queue(config.variant(epochs=1000, seed=5))
    wait_for(lambda: said(long, TOGETHER), 60)
    other = queue(config.variant(workers=1, epochs=20))
    finished(other)
    assert {(node_of(run.folder) or {}).get("id") for run in (long, other)} == set(machines.nodes)
    back = time.time()
    wait_for(lambda: said(long, TOGETHER, back), 60)

    # the follower's node vanishes: the run continues
    (follower,) = set(machines.nodes) - {(node_of(long.folder) or {}).get("id", "")}
    machines.remove(follower)
    wait_for(lambda: said(long, LOST, back), 90)
    done = len(long.history().epochs)
    wait_for(lambda: len(long.history().epochs) > done, 30)
    assert long.state() is RunState.RUNNING
    RunStore(settings).request_stop(long.id)
    wait_for(lambda: long.state() is RunState.STOPPED, 30)
