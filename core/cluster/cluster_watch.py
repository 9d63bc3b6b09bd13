"""Watches the nodes of a Ray cluster, and writes what it sees into `cluster.json`.

    python -m core.cluster.cluster_watch --starter PID

The scheduler starts it where `TUNEMYPETS_CLUSTER` is set, and again when it has ended: Ray ends its drivers when it
goes away. It ends with the scheduler.
"""

import argparse
import logging
import sys
import time
from typing import Any

from filelock import FileLock, Timeout

from core.cluster.node_facts import describe_node, find_problem, versions
from core.cluster.ray_link import connect
from core.errors import TuneMyPetsError
from core.jobs.launchers import process_lives
from core.jobs.nodes import Cluster, Node, watch_lock, write_cluster
from core.locks import ASKER_SECONDS
from core.settings import Settings

LOOK_SECONDS = 1.0
WAIT_SECONDS = 3.0  # until the next attempt to connect

log = logging.getLogger("tunemypets.cluster")


class ClusterWatch:
    """Asks each node once what it is, and Ray which nodes live.

    Args:
        ray: the connected module.
    """

    def __init__(self, ray: Any, settings: Settings) -> None:
        self._ray = ray
        self._settings = settings
        self._here = versions()
        self._asked: dict[str, Any] = {}  # answers to come, by node
        self._facts: dict[str, dict[str, Any]] = {}

    def look(self) -> Cluster:
        """The nodes now."""
        alive = [node for node in self._ray.nodes() if node["Alive"]]
        for node in alive:
            if node["Resources"].get("CPU", 0) >= 1:  # else it gives nothing away
                self._ask(node["NodeID"])
        nodes = tuple(self._describe(node) for node in sorted(alive, key=lambda item: item["NodeID"]))
        return Cluster(self._settings.cluster, time.time(), "", nodes)

    def _ask(self, node_id: str) -> None:
        if node_id in self._facts:
            return
        if node_id not in self._asked:
            from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

            where = NodeAffinitySchedulingStrategy(node_id, soft=False)
            self._asked[node_id] = (
                self._ray.remote(describe_node).options(num_cpus=0, scheduling_strategy=where).remote()
            )
        if self._ray.wait([self._asked[node_id]], timeout=0)[0]:
            try:
                self._facts[node_id] = self._ray.get(self._asked[node_id])
            except self._ray.exceptions.RayError as error:
                log.warning("a node could not say what it is", exc_info=error)
                self._facts[node_id] = {"problem": "cannot run this program: its Ray logs say why.", "versions": {}}
            del self._asked[node_id]

    def _describe(self, seen: dict[str, Any]) -> Node:
        name = seen["NodeManagerHostname"]
        resources = seen["Resources"]
        node = Node(
            seen["NodeID"], name, int(resources.get("CPU", 0)), int(resources.get("GPU", 0)),
            known=False,
        )  # fmt: skip
        facts = self._facts.get(node.id)
        if facts is None:
            return node
        return Node(
            node.id, name, node.cores, node.gpus, find_problem(name, facts, self._here),
            facts.get("processor", ""), facts.get("speed", 0.0),
        )  # fmt: skip


def watch(settings: Settings, starter: int) -> None:
    """Watch until the scheduler with this process id ends."""
    while process_lives(starter):
        try:
            ray = connect(settings.cluster)
        except TuneMyPetsError as error:
            write_cluster(settings, Cluster(settings.cluster, time.time(), str(error)))
            time.sleep(WAIT_SECONDS)
            continue
        seen = ClusterWatch(ray, settings)
        try:
            while process_lives(starter):
                write_cluster(settings, seen.look())
                time.sleep(LOOK_SECONDS)
        except Exception:  # Ray is gone, in one of many ways
            log.warning("the connection to Ray is lost", exc_info=True)
        finally:
            ray.shutdown()


def main(arguments: list[str] | None = None) -> int:
    """Watch the cluster of the environment's settings."""
    parser = argparse.ArgumentParser(prog="python -m core.cluster.cluster_watch", description="Watch a cluster.")
    parser.add_argument("--starter", type=int, required=True, metavar="PID", help="the scheduler")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s", stream=sys.stderr)
    settings = Settings.from_environment()
    lock = FileLock(watch_lock(settings))
    try:
        lock.acquire(timeout=ASKER_SECONDS)
    except Timeout:
        return 0
    with lock:
        watch(settings, options.starter)
    return 0


if __name__ == "__main__":
    sys.exit(main())
