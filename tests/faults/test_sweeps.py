"""A sweep whose processes are killed at random moments: no trial is lost, doubled or tested."""

import random
import time
from collections import Counter

import pytest

from core.datasets.dataset import Dataset
from core.locks import is_held
from core.runs.run import RunState
from core.runs.run_store import RunStore
from core.settings import Settings
from core.sweeps.sweep import read_sweep
from core.sweeps.sweep_store import SweepStore, ensure_sweeper
from tests.core.sweeps.desk import make_plan
from tests.support.processes import kill, processes_of

pytestmark = pytest.mark.slow

KILLS = 10
SECONDS = 150.0


def test_killed_processes_cost_no_trial(drawn: Dataset, settings: Settings) -> None:
    del drawn
    folder = SweepStore(settings).create(make_plan(trials=6, pruner="none"))
    rng, kills, until = random.Random(0), 0, time.monotonic() + SECONDS
    while folder.result() is None:
        assert time.monotonic() < until, read_sweep(folder)
        ensure_sweeper(settings)
        time.sleep(rng.uniform(0.2, 1.2))
        victims = processes_of(settings.home)
        if victims and kills < KILLS:
            kill(rng.choice(victims))
            kills += 1

    found = read_sweep(folder)
    assert found.state == "finished", found.result
    assert found.counted == 6
    runs = [run for run in RunStore(settings).all() if run.meta().sweep == folder.id]
    assert max(Counter(run.meta().trial for run in runs).values()) == 1
    assert not any(run.state().active or is_held(run.lock_path) for run in runs)
    assert all(run.history().tested is None for run in runs)
    finished = {run.meta().trial for run in runs if run.state() is RunState.FINISHED}
    assert finished == {item.number for item in found.trials if item.outcome == "finished"}
