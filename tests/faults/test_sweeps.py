"""A sweep whose processes and server are killed at random moments: no trial is lost, doubled or tested."""

import pytest

from core.datasets.dataset import Dataset
from core.settings import Settings
from core.sweeps.sweep import read_sweep
from core.sweeps.sweep_store import SweepStore
from tests.core.sweeps.desk import make_plan
from tests.support.random_kills import Books, check_books, kill_at_random
from tests.support.server import Server

pytestmark = pytest.mark.slow

TRIALS, KILLS = 6, 8  # python -m bench.killed_sweep: more, and longer
KILL_SECONDS, END_SECONDS = 20.0, 150.0


def test_killed_processes_cost_no_trial(drawn: Dataset, settings: Settings, ended_processes: None) -> None:
    del drawn
    folder, server = SweepStore(settings).create(make_plan(trials=TRIALS, pruner="none")), Server(settings)
    server.start()
    try:
        killed = kill_at_random(
            settings, folder, KILLS, within_seconds=KILL_SECONDS, end_seconds=END_SECONDS, server=server
        )
    finally:
        server.kill()
    found, books = read_sweep(folder), check_books(settings, folder)
    assert killed, "nothing was killed"
    assert found.state == "finished", found.result
    assert found.counted == TRIALS
    assert books == Books(books.reported, books.reported, books.failed, [], [], [], [])
