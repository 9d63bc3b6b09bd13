"""The frozen part of a training over two nodes: the activations of home, whatever is lost, and the head trains here."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import pytest

from core.config.train_config import TrainConfig
from core.jobs.nodes import read_cluster
from core.jobs.workers.worker import Worker
from core.runs.run import Run, RunState
from core.runs.run_files import PREDICTIONS
from core.runs.run_store import RunStore
from core.scheduling.scheduler import ensure_scheduler
from core.settings import Settings
from tests.core.cluster.conftest import Machines
from tests.support.drawn_dataset import import_drawn
from tests.support.processes import wait_for

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

BASE = {"dataset": "drawn", "model": "petnet", "epochs": 2, "precision": "fp32", "augment_colour": True}
HEAD = TrainConfig.model_validate({**BASE, "strategy": "head", "stored_views": 2})
PARTIAL = TrainConfig.model_validate({**BASE, "strategy": "partial"})


def draw(settings: Settings) -> None:
    import_drawn(settings, 150)


def activations(settings: Settings) -> dict[str, bytes]:
    """What is stored, by the name of the file."""
    return {path.name: path.read_bytes() for path in (settings.cache_dir / "activations").glob("*.npy")}


def filling(run: Run) -> bool:
    """Whether activations are on their way."""
    return any("frozen part" in str(record.get("text", "")) for record in run.records())


def test_nodes_fill_the_store_of_home_whatever_is_lost(
    settings: Settings, tidy: None, clusters: Callable[[int], Machines], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del tidy
    monkeypatch.setenv("TUNEMYPETS_THREADS", "1")
    draw(settings)
    alone = dataclasses.replace(Settings.from_environment(), home=tmp_path / "alone")
    draw(alone)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TUNEMYPETS_HOME", str(alone.home))
        at_home = [RunStore(alone).create(config) for config in (HEAD, PARTIAL)]
        assert [Worker(alone, run).work() for run in at_home] == [RunState.FINISHED] * 2

    monkeypatch.setenv("TUNEMYPETS_SHARED_PICTURES", "100")
    machines = clusters(2)
    settings = Settings.from_environment()
    store = RunStore(settings)

    def ready() -> bool:
        ensure_scheduler(settings)
        return read_cluster(settings).places(1) == 2

    def ended(run: Run) -> bool:
        ensure_scheduler(settings)
        return run.state() is RunState.FINISHED

    wait_for(ready, 180)
    stopped = store.create(HEAD)
    wait_for(lambda: filling(stopped), 90)
    store.request_stop(stopped.id)
    wait_for(lambda: stopped.state() is RunState.STOPPED, 20)

    # a node vanishes in the middle; its pictures go to the other one
    head = store.create(HEAD)
    wait_for(lambda: filling(head), 60)
    machines.remove(next(iter(machines.nodes)))
    wait_for(lambda: ended(head), 120)
    computed = activations(settings)
    assert computed
    assert computed.items() <= activations(alone).items()
    assert not list((settings.cache_dir / "pixels").glob("*.npy"))  # nothing was decoded here but a few pictures
    assert (head.folder / PREDICTIONS).read_bytes() == (at_home[0].folder / PREDICTIONS).read_bytes()

    # a network that is trained further trains on its node, with the same digits
    partial = store.create(PARTIAL)
    wait_for(lambda: ended(partial), 120)
    assert (partial.folder / PREDICTIONS).read_bytes() == (at_home[1].folder / PREDICTIONS).read_bytes()
