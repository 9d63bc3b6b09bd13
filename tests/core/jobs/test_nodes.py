"""Nodes of a cluster as files show them, and which one takes the next training."""

import dataclasses
import time

import pytest

from core.jobs.nodes import Cluster, Node, cluster_path, node_of, note_node, read_cluster, write_cluster
from core.settings import Settings

LAPTOP = Node("a", "laptop", 4)
SERVER = Node("b", "server", 16)
GPU = Node("c", "gpu", 8, gpus=2)
SMALL = Node("d", "small", 1)
OLD = Node("e", "old", 8, problem="old has torch 1.0, this machine 2.14: install the same version on both.")
NEW = Node("f", "new", 8, known=False)


def cluster(*nodes: Node) -> Cluster:
    return Cluster("auto", time.time(), "", nodes)


@pytest.mark.parametrize(
    ("node", "threads", "places"),
    [(LAPTOP, 2, 2), (LAPTOP, 3, 1), (SERVER, 4, 4), (GPU, 4, 2), (SMALL, 4, 1), (OLD, 1, 0), (NEW, 1, 0),
     (Node("g", "head", 0), 1, 0)],
)  # fmt: skip
def test_places(node: Node, threads: int, places: int) -> None:
    assert node.places(threads) == places


@pytest.mark.parametrize(
    ("nodes", "taken", "chosen"),
    [
        ((LAPTOP, SERVER, GPU), {}, "c"),
        ((LAPTOP, SERVER, GPU), {"c": 2}, "a"),
        ((LAPTOP, SERVER, GPU), {"c": 2, "a": 1}, "b"),
        ((LAPTOP, SERVER), {"a": 2, "b": 7}, "b"),
        ((LAPTOP, SERVER), {"a": 2, "b": 8}, None),
        ((SMALL, LAPTOP), {"a": 1}, "a"),  # enough cores come before an idle node
        ((SMALL,), {}, "d"),
        ((OLD, NEW), {}, None),
        ((), {}, None),
    ],
)
def test_the_node_for_the_next_training(nodes: tuple[Node, ...], taken: dict[str, int], chosen: str | None) -> None:
    found = cluster(*nodes).choose(2, 2, taken)
    assert (found.id if found else None) == chosen


@pytest.mark.parametrize(
    ("seen", "says"),
    [
        (cluster(OLD, SMALL), ""),
        (cluster(OLD), "old has torch 1.0"),
        (cluster(NEW), "still joining"),
        (cluster(), "still joining"),
        (cluster(Node("g", "head", 0)), "offers processor threads"),
        (Cluster("auto", 0.0, "There is no Ray cluster at auto."), "no Ray cluster"),
    ],
)
def test_what_keeps_trainings_from_starting(seen: Cluster, says: str) -> None:
    assert (says in seen.obstacle) if says else not seen.obstacle


def test_the_file_counts_while_it_is_fresh_and_of_this_cluster(settings: Settings) -> None:
    settings = dataclasses.replace(settings, cluster="auto")
    settings.home.mkdir()
    assert read_cluster(settings).obstacle == "Waiting for the Ray cluster auto."
    seen = cluster(LAPTOP, GPU)
    write_cluster(settings, seen)
    assert read_cluster(settings) == seen
    assert not read_cluster(dataclasses.replace(settings, cluster="10.0.0.1:6379")).nodes
    write_cluster(settings, dataclasses.replace(seen, time=time.time() - 60))
    assert not read_cluster(settings).nodes
    cluster_path(settings).write_text("{")
    assert not read_cluster(settings).nodes


def test_a_run_knows_its_node(settings: Settings) -> None:
    settings.home.mkdir()
    assert node_of(settings.home) is None
    note_node(settings.home, GPU)
    assert node_of(settings.home) == {"id": "c", "name": "gpu"}
    note_node(settings.home, None)
    note_node(settings.home, None)
    assert node_of(settings.home) is None


def test_a_run_that_began_with_more_threads_takes_a_free_place() -> None:
    assert cluster(LAPTOP, SERVER).choose(2, 8, {}) == SERVER
    assert cluster(LAPTOP).choose(2, 8, {"a": 1}) == LAPTOP
    assert cluster(LAPTOP, SMALL).choose(2, 1, {"a": 2}) == SMALL
