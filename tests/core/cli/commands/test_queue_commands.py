"""`nodes`: the machines of a cluster in words and as JSON."""

import dataclasses
import json
import time

import pytest

from core.cli.commands import queue_commands
from core.cli.main import main
from core.cli.shared.waiting import queue_line
from core.jobs.nodes import Cluster, Node, write_cluster
from core.runs.run import Run
from core.scheduling.run_queue import QueueView, write_queue
from core.settings import Settings


@pytest.fixture
def alone(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Nothing is started, and nothing is waited for."""
    settings.home.mkdir()
    monkeypatch.setattr(queue_commands, "ensure_scheduler", lambda _: None)
    monkeypatch.setattr(queue_commands, "NODES_SECONDS", 0.0)
    monkeypatch.setenv("TUNEMYPETS_CLUSTER", "")  # what --cluster sets ends with the test
    return settings


def test_nodes_in_words_and_as_json(alone: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    nodes = (
        Node("a", "server", 64, gpus=2, speed=31.5),
        Node("b", "old", 8, problem="old has torch 2.13.0, this machine 2.14.0: install the same version on both."),
    )
    write_cluster(alone, Cluster("10.0.0.1:6379", time.time(), "", nodes))
    assert main(["nodes", "--cluster", "10.0.0.1:6379"]) == 0
    said = capsys.readouterr().out
    assert "server  64 cores, 2 GPUs, 0 of 2 trainings, 31.5 GFLOPS a thread  Ready" in said
    assert "old has torch 2.13.0" in said
    assert main(["nodes", "--json", "--cluster", "10.0.0.1:6379"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [(row["name"], row["places"]) for row in found["nodes"]] == [("server", 2), ("old", 0)]
    assert found["problem"] == ""


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["nodes"], "No cluster is chosen: set TUNEMYPETS_CLUSTER, or give --cluster (docs/cluster.md)."),
        (["nodes", "--cluster", "auto"], "Waiting for the Ray cluster auto."),
        (
            ["nodes", "--cluster", "my laptop"],
            "TUNEMYPETS_CLUSTER is 'my laptop': set it to auto, or an address such as 192.168.0.10:6379.",
        ),
    ],
)
def test_no_cluster_is_one_sentence(
    alone: Settings, words: list[str], sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 1
    assert capsys.readouterr().err.strip() == sentence


def test_who_waits_for_a_cluster_reads_why(alone: Settings) -> None:
    run = Run(alone.runs_dir / "r")
    write_queue(alone, QueueView(held="cluster"))
    chosen = dataclasses.replace(alone, cluster="auto")
    write_cluster(chosen, Cluster("auto", time.time(), "A cluster needs Ray."))
    assert queue_line(chosen, run) == "queued: A cluster needs Ray."
    write_queue(alone, QueueView(held="paused"))
    assert queue_line(chosen, run) == "queued: The queue is paused."
    write_queue(alone, QueueView())
    assert queue_line(chosen, run) == "starting"
