"""A Ray cluster of three nodes on this machine; each keeps its copies in a folder of its own."""

import gc
import shutil
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from core.cluster.node_worker import ROOT
from core.settings import Settings
from tests.support.processes import end_processes


class Machines:
    """A head that trains nothing, and nodes with one core each."""

    def __init__(self, folder: Path) -> None:
        from ray.cluster_utils import Cluster

        self._folder = folder
        # a dashboard's port of its own: where two clusters want one, Ray leaves a socket open
        self._rays = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "dashboard_port": None})
        self.nodes: dict[str, Any] = {}  # by Ray's id

    @property
    def address(self) -> str:
        """What TUNEMYPETS_CLUSTER has to be."""
        return str(self._rays.address)

    def add(self) -> str:
        """Let a machine join; its id."""
        root = self._folder / f"node{len(self.nodes)}"
        node = self._rays.add_node(num_cpus=1, wait=True, env_vars={ROOT: str(root), "RAY_worker_niceness": "5"})
        self.nodes[node.node_id] = node
        return str(node.node_id)

    def remove(self, node_id: str) -> None:
        """Let a machine vanish."""
        self._rays.remove_node(self.nodes.pop(node_id), allow_graceful=False)

    def kill_head(self) -> None:
        """End Ray's head, as a crash does."""
        self._rays.head_node.kill_gcs_server(check_alive=False)
        self._rays.head_node.kill_raylet(check_alive=False)

    def shutdown(self) -> None:
        """End everything."""
        folder = self._rays.head_node.get_session_dir_path()
        self._rays.shutdown()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def clusters(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[int], Machines]]:
    """Starts a cluster with so many nodes, and chooses it for what the test starts."""
    pytest.importorskip("ray", reason="wants requirements-cluster.txt")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    # a lost head has five seconds to come back, a lost node about three
    monkeypatch.setenv("RAY_gcs_rpc_server_reconnect_timeout_s", "5")
    monkeypatch.setenv("RAY_health_check_initial_delay_ms", "0")
    monkeypatch.setenv("RAY_health_check_period_ms", "1000")
    monkeypatch.setenv("RAY_health_check_failure_threshold", "3")
    started: list[Machines] = []

    def start(count: int) -> Machines:
        machines = Machines(tmp_path / "machines")
        started.append(machines)
        for _ in range(count):
            machines.add()
        monkeypatch.setenv("TUNEMYPETS_CLUSTER", machines.address)
        monkeypatch.setenv("TUNEMYPETS_THREADS", "1")
        return machines

    yield start
    for machines in started:
        machines.shutdown()
    with warnings.catch_warnings():  # Ray leaves sockets to the garbage collector
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.fixture
def tidy(settings: Settings) -> Iterator[None]:
    """End what the test started in its data root."""
    yield
    end_processes(settings.home)
