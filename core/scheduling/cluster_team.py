"""Who would compute a training on the cluster, and how fast next to this machine, as far as its nodes were measured."""

import math
import statistics

from core.config.stages import plan_training
from core.config.train_config import TrainConfig
from core.estimates.team import Team
from core.jobs.nodes import Cluster, Node, read_cluster
from core.settings import Settings

NETWORK_BYTES_A_SECOND = 1e8  # of a cable with a gigabit a second
WEIGHT_BYTES = 4


def find_team(settings: Settings, config: TrainConfig, classes: int) -> Team | None:
    """The machines that take part if none has anything else to do; None where trainings stay at home.

    A run waits for any node, so its leader is as fast as they are on average; a step takes as long as its slowest part.
    Nodes that were not measured, and those with GPUs, count as this machine does.
    """
    if not settings.cluster:
        return None
    cluster = read_cluster(settings)
    paces = [
        _pace(node, cluster, settings.threads) for node in cluster.nodes for _ in range(node.places(settings.threads))
    ]
    if not paces:
        return Team()
    leader, machines = statistics.fmean(paces), min(config.workers, len(paces))
    if machines == 1:
        return Team(pace=leader)
    parts = math.ceil(config.workers / machines)  # of a step, that one machine has
    sent = 2 * WEIGHT_BYTES * plan_training(config, classes).trainable  # weights there, gradients back
    divide = config.workers / parts * leader / max(paces)
    return Team(None, leader, divide, sent / NETWORK_BYTES_A_SECOND, machines)


def describe_place(settings: Settings, team: Team | None = None) -> str:
    """Where a training would be computed, for the end of a sentence."""
    if not settings.cluster:
        return "on this machine"
    if team is None or team.machines == 1:
        return "on the cluster"
    return f"on {team.machines} machines of the cluster, if nothing else runs there"


def _pace(node: Node, cluster: Cluster, threads: int) -> float:
    """How many times as long as this machine a node takes."""
    if node.gpus:
        return 1.0
    home = next((item.speed for item in cluster.nodes if item.home), 0.0)
    return threads / node.share(threads) * (home / node.speed if home and node.speed else 1.0)
