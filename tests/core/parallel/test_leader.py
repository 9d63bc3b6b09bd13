"""Several workers give the numbers of one, whoever computes which part, and whoever is lost meanwhile."""

import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from core.checkpoints.checkpoint import load_network
from core.config.events import Described, EpochDone, Event, Message
from core.config.train_config import TrainConfig
from core.datasets.dataset import Dataset
from core.parallel.process_group import BrokenGroupError, Group
from core.runs.run_files import BEST, CHECKPOINTS
from core.settings import Settings
from core.steps import Request, Stopped, StopSignal
from core.training.preparation import prepare
from core.training.session import resumable, train
from tests.core.parallel.team import Team

NEAR = 1e-5
never = StopSignal()


@pytest.fixture
def plain(small_config: TrainConfig) -> TrainConfig:
    """A training in which no batch is normalised, and nothing is random but the views."""
    # 24 pictures: batches of 5 and 4, in parts of 3 and 2, and of 2
    return small_config.variant(batch_norm=False, dropout=0.0, batch_size=5, epochs=2, learning_rate=0.01)


def metrics(events: list[Event]) -> list[tuple[float, ...]]:
    epochs = [event for event in events if isinstance(event, EpochDone)]
    return [(epoch.train_loss, epoch.train_accuracy, epoch.val_loss, epoch.val_accuracy) for epoch in epochs]


def texts(events: list[Event]) -> str:
    return " ".join(event.text for event in events if isinstance(event, Message))


def weights(folder: Path) -> torch.Tensor:
    network, _ = load_network(folder / CHECKPOINTS, BEST)
    return torch.cat([value.flatten().float() for value in network.state_dict().values()])


def trained(
    config: TrainConfig, dataset: Dataset, settings: Settings, folder: Path, team: Team | None = None, **options: Any
) -> list[Event]:
    """All events of a training, with those followers."""
    folder.mkdir(exist_ok=True)
    leader = None if team is None else team.leader(**options)
    try:
        return list(train(config, dataset, settings, folder, never, sharing=leader))
    finally:
        if leader is not None:
            leader.close()


@pytest.fixture
def normalised(plain: TrainConfig) -> TrainConfig:
    """The same with batch norm, and two workers."""
    return plain.variant(workers=2, batch_norm=True)


@pytest.fixture
def team(normalised: TrainConfig, drawn: Dataset, settings: Settings, tmp_path: Path) -> Iterator[Team]:
    made = Team(normalised, drawn, settings, tmp_path / "store")
    yield made
    assert made.end()


def test_two_workers_give_the_numbers_of_one(
    plain: TrainConfig, drawn: Dataset, settings: Settings, tmp_path: Path
) -> None:
    one = trained(plain, drawn, settings, tmp_path / "one")
    config = plain.variant(workers=2)
    team = Team(config, drawn, settings, tmp_path / "store")
    team.add("a")
    two = trained(config, drawn, settings, tmp_path / "two", team)
    assert team.end()
    assert "2 workers compute each step together" in texts(two)
    assert metrics(two) == pytest.approx(np.array(metrics(one)), abs=NEAR)
    assert torch.allclose(weights(tmp_path / "two"), weights(tmp_path / "one"), atol=NEAR)


@pytest.mark.parametrize(
    ("changes", "note"),
    [
        ({}, "the same numbers as one worker"),
        ({"dropout": 0.3}, "dropout draws for each part"),
        ({"batch_norm": True}, "batch norm normalises each part of a batch on its own, at most 3 pictures"),
        ({"model": "petnet", "strategy": "partial"}, "batch norm normalises"),
    ],
)
def test_a_run_says_what_differs_from_one_worker(
    changes: dict[str, Any], note: str, plain: TrainConfig, drawn: Dataset, settings: Settings
) -> None:
    step = prepare(plain.variant(workers=2, **changes), drawn, settings, never)
    described = next(event for event in step if isinstance(event, Described))
    assert described.hardware["workers"] == 2
    assert note in described.hardware["workers_note"]


def test_uneven_parts_and_class_weights_add_up_to_the_mean_of_the_whole_batch(
    plain: TrainConfig, drawn: Dataset, settings: Settings, tmp_path: Path
) -> None:
    # 24 pictures in batches of 8, in parts of 3, 3 and 2; the last epoch ends with a batch of one
    config = plain.variant(
        batch_size=8, class_weights="1, 5", label_smoothing=0.1, gradient_clip=0.01, optimizer="sgd", max_images=41
    )
    one = trained(config, drawn, settings, tmp_path / "one")
    three = config.variant(workers=3)
    team = Team(three, drawn, settings, tmp_path / "store")
    team.add("a")
    team.add("b")
    shared = trained(three, drawn, settings, tmp_path / "three", team)
    assert team.end()
    assert "3 workers" in texts(shared)
    assert metrics(shared) == pytest.approx(np.array(metrics(one)), abs=NEAR)


@pytest.mark.parametrize("changes", [{"batch_norm": True}, {"model": "petnet", "strategy": "partial"}])
def test_who_computes_the_parts_makes_no_difference_even_with_batch_norm(
    changes: dict[str, Any], plain: TrainConfig, drawn: Dataset, settings: Settings, tmp_path: Path
) -> None:
    config = plain.variant(workers=2, **changes)
    alone = trained(config, drawn, settings, tmp_path / "alone")
    team = Team(config, drawn, settings, tmp_path / "store")
    team.add("a")
    two = trained(config, drawn, settings, tmp_path / "two", team)
    assert team.end()
    assert "2 workers" in texts(two)
    assert metrics(two) == metrics(alone)
    assert torch.equal(weights(tmp_path / "two"), weights(tmp_path / "alone"))


def test_dropout_draws_for_each_part_and_leaves_the_draws_of_the_first_as_they_are(
    plain: TrainConfig, drawn: Dataset, settings: Settings, tmp_path: Path
) -> None:
    config = plain.variant(dropout=0.5)
    one, two, again = (
        trained(config.variant(workers=workers), drawn, settings, tmp_path / name)
        for name, workers in (("one", 1), ("two", 2), ("again", 2))
    )
    assert metrics(two) == metrics(again)
    assert metrics(two) != metrics(one)


def test_a_worker_may_join_and_leave_while_a_training_runs(
    normalised: TrainConfig, drawn: Dataset, settings: Settings, tmp_path: Path, team: Team,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("core.parallel.leader.LOOK_SECONDS", 0.0)
    config = normalised.variant(epochs=6)
    alone = trained(config, drawn, settings, tmp_path / "alone")
    leader, events, processes = team.leader(), list[Event](), list[int]()
    for event in train(config, drawn, settings, _made(tmp_path / "two"), never, sharing=leader):
        events.append(event)
        if isinstance(event, EpochDone):
            processes.append(leader.processes)
            if event.epoch == 2:
                team.add("a")
                team.wait_for("a")
            elif event.epoch == 4:
                team.wanted.clear()
    leader.close()
    assert processes == [1, 1, 2, 2, 1, 1]
    assert metrics(events) == metrics(alone)


def test_a_lost_worker_costs_no_step(
    normalised: TrainConfig, drawn: Dataset, settings: Settings, tmp_path: Path, team: Team,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    alone = trained(normalised, drawn, settings, tmp_path / "alone")
    reduce, steps = Group.reduce, []

    def fail(group: Group, tensor: torch.Tensor, seconds: float) -> None:
        if group.rank:
            steps.append(seconds)
            if len(steps) == 4:
                raise BrokenGroupError("as if its machine were gone")
        reduce(group, tensor, seconds)

    monkeypatch.setattr(Group, "reduce", fail)
    team.add("a")
    two = trained(normalised, drawn, settings, tmp_path / "two", team)
    assert "A worker was lost" in texts(two)
    assert metrics(two) == metrics(alone)


def test_a_worker_that_does_not_answer_is_waited_for_only_so_long(
    normalised: TrainConfig, drawn: Dataset, settings: Settings, tmp_path: Path, team: Team,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    reduce, released = Group.reduce, threading.Event()

    def hang(group: Group, tensor: torch.Tensor, seconds: float) -> None:
        if group.rank:
            released.wait(30)
            raise BrokenGroupError("it hung")
        reduce(group, tensor, seconds)

    monkeypatch.setattr(Group, "reduce", hang)
    team.add("a")
    began = time.monotonic()
    events = trained(normalised, drawn, settings, tmp_path / "two", team, send_seconds=1.0)
    released.set()
    assert time.monotonic() - began < 20
    assert "A worker was lost" in texts(events)
    assert len(metrics(events)) == 2


@pytest.mark.parametrize("before", [1, 2])
def test_a_training_resumes_with_another_number_of_workers(
    before: int, normalised: TrainConfig, drawn: Dataset, settings: Settings, tmp_path: Path
) -> None:
    config = normalised.variant(epochs=4)
    whole = trained(config, drawn, settings, tmp_path / "whole")
    folder, events = _made(tmp_path / "two"), list[Event]()
    for workers in (before, 3 - before):
        team, signal = Team(config, drawn, settings, tmp_path / f"store{workers}"), StopSignal()
        if workers == 2:
            team.add("a")
        leader, facts = team.leader(), resumable(config, drawn, folder)
        with suppress(Stopped):
            for event in train(config, drawn, settings, folder, signal, facts, sharing=leader):
                events.append(event)
                if isinstance(event, EpochDone) and event.epoch == 2:
                    signal.ask(Request.PAUSE)
        assert leader.processes == workers
        leader.close()
        assert team.end()
    assert metrics(events) == metrics(whole)


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder
