"""Who would compute a training on a cluster, and how fast."""

import dataclasses
import time

import pytest

from core.config.stages import describe_network, plan_stages, plan_training
from core.config.train_config import TrainConfig
from core.datasets.dataset import Dataset
from core.estimates.team import Team
from core.jobs.nodes import Cluster, Node, write_cluster
from core.scheduling.cluster_team import describe_place, find_team
from core.scheduling.durations import estimate_run, estimate_training, estimate_trainings
from core.settings import Settings
from core.stores.measurements import Measurements

LAPTOP = Node("a", "laptop", 2, speed=30.0, home=True)
ALIKE = Node("b", "alike", 2, speed=30.0)
SLOW = Node("c", "slow", 2, speed=10.0)
LARGE = Node("d", "large", 4, speed=30.0)
SMALL = Node("e", "small", 1, speed=30.0)
NEW = Node("f", "new", 2)


def config_of(workers: int = 1, **changes: object) -> TrainConfig:
    values = {"dataset": "drawn", "model": "petnet", "strategy": "full", "epochs": 4, "workers": workers, **changes}
    return TrainConfig.model_validate(values)


@pytest.fixture
def clustered(settings: Settings) -> Settings:
    return dataclasses.replace(settings, cluster="auto", threads=2)


def join(settings: Settings, *nodes: Node) -> None:
    settings.home.mkdir(parents=True, exist_ok=True)
    write_cluster(settings, Cluster("auto", time.time(), "", nodes))


@pytest.mark.parametrize(
    ("nodes", "workers", "pace", "divide", "machines"),
    [
        ((LAPTOP,), 1, 1.0, 1.0, 1),
        ((SLOW, LAPTOP), 1, 2.0, 1.0, 1),  # three times as long on one of two
        ((NEW, LAPTOP), 1, 1.0, 1.0, 1),
        ((SMALL, LAPTOP), 1, 1.5, 1.0, 1),  # one thread in place of two
        ((LAPTOP, ALIKE), 2, 1.0, 2.0, 2),
        ((LAPTOP, ALIKE), 3, 1.0, 1.5, 2),  # one machine has two of three parts
        ((LAPTOP, LARGE), 3, 1.0, 3.0, 3),
        ((LAPTOP, SLOW), 2, 2.0, 4 / 3, 2),  # a step takes as long as its slowest part: 2 / 3 * 2
        ((LAPTOP,), 2, 1.0, 1.0, 1),
        ((), 2, 1.0, 1.0, 1),
    ],
)
def test_machines_and_their_pace(
    clustered: Settings, nodes: tuple[Node, ...], workers: int, pace: float, divide: float, machines: int
) -> None:
    join(clustered, *nodes)
    team = find_team(clustered, config_of(workers), 2)
    assert team is not None
    assert (team.pace, team.divide, team.machines) == (pytest.approx(pace), pytest.approx(divide), machines)
    assert (team.step_seconds > 0) is (machines > 1)


def test_at_home_there_is_no_cluster(settings: Settings) -> None:
    assert find_team(settings, config_of(2), 2) is None
    assert describe_place(settings) == "on this machine"


def test_two_machines_take_half_the_time_for_steps_and_the_network_some_of_it(
    clustered: Settings, drawn: Dataset
) -> None:
    join(clustered, LAPTOP, ALIKE)
    config = config_of()
    what = describe_network(config, plan_stages(config, config.entry()))
    Measurements(clustered).keep(what, {"threads": 2}, {"input": 1.0, "step_fp32": 40.0})
    alone, shared = (estimate_training(clustered, config_of(workers), drawn) for workers in (1, 2))
    assert alone is not None
    assert shared is not None
    assert alone.parts["testing"] == shared.parts["testing"]
    images = 4 * len(drawn.rows_of("train"))
    saved = images * 41.0 / 1000 / 2
    trained = plan_training(config, len(drawn.classes)).trainable
    travelled = images / config.batch_size * 2 * 4 * trained / 1e8  # weights and gradients, over a gigabit
    assert alone.parts["training"] - shared.parts["training"] == pytest.approx(saved - travelled)
    assert estimate_run(clustered, config_of(2), drawn, 2) == pytest.approx(shared.seconds)
    assert estimate_trainings(clustered, config, drawn, 7) == pytest.approx(4 * alone.seconds)  # two at a time
    team = find_team(clustered, config_of(2), 2)
    assert describe_place(clustered, team) == "on 2 machines of the cluster, if nothing else runs there"
    assert describe_place(clustered, Team()) == "on the cluster"
