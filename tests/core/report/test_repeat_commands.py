"""Commands in a report are taken by the command line, and train the very same thing."""

import shlex
from typing import Any

import pytest

from core.cli.main import GROUP
from core.cli.shared.command import read_config
from core.config.train_config import TrainConfig, parse_config
from core.datasets.dataset import Dataset
from core.races.learning_curve import start_curve
from core.races.presets import make_arms, plan_race
from core.report.builder import build_report
from core.report.repeat_commands import format_training
from core.runs.run_store import RunStore
from core.settings import Settings
from tests.support.finished_runs import add_points, finish


def parsed(command: str) -> TrainConfig:
    words = shlex.split(command)
    assert words[:3] == ["python", "-m", "core"]
    return read_config(options_of(words[3:]))


def options_of(words: list[str]) -> dict[str, Any]:
    """What the command line reads from a command and its options."""
    return GROUP.commands[words[0]].make_context(words[0], words[1:]).params


@pytest.mark.parametrize(
    "values",
    [
        {"model": "petnet"},
        {"model": "petnet", "strategy": "gradual", "epochs": 9, "head_epochs": 2, "patience": 3},
        {"model": "scratch_cnn", "strategy": "scratch", "filters": [4, 8], "batch_norm": False, "seed": 7},
        {"model": "petnet", "learning_rate": 1e-5, "augment_flip": False, "augment_colour": True, "stored_views": 0},
        {"model": "petnet", "note": "-- what if; rm -rf 'x' \"y\" $HOME?\n🐶", "max_images": 4000},
        {"model": "petnet", "max_seconds": 1.5},
        {"model": "petnet", "note": "-1"},
    ],
)
def test_the_command_of_a_training_gives_the_same_configuration(values):
    config = parse_config({"dataset": "pets", **values})

    assert parsed(format_training(config)) == config


@pytest.mark.parametrize(
    ("values", "names", "budget", "amount"),
    [
        ({}, ("scratch", "head"), "epochs", 3.0),
        ({"model": "petnet", "seed": 5, "filters": [4, 8], "note": "why?"}, ("scratch", "gradual"), "images", 400.0),
        ({"model": "petnet"}, ("scratch", "random-init"), "epochs", 2.0),
        ({"model": "petnet", "backbone_factor": 0.2, "augment_flip": False}, ("head", "scratch"), "seconds", 2.5),
    ],
)
def test_the_command_of_a_race_makes_the_same_runs(settings: Settings, drawn: Dataset, values, names, budget, amount):
    plan, arms = plan_race(
        parse_config({"dataset": "drawn", **values}), names, seeds=2, budget=budget, amount=amount, title="Who's first?"
    )
    race_id, runs = RunStore(settings).create_race(plan, arms)
    for run in runs:
        finish(run, drawn)

    command, *rest = build_report(settings, [race_id], images=False).commands

    given = options_of(shlex.split(command)[3:])
    again, made = plan_race(
        read_config(given), given["arms"].split(","), seeds=given["seeds"], budget=given["equal"],
        amount=given["amount"], title=given["title"],
    )  # fmt: skip
    assert (again, made) == (plan, arms)
    assert len(rest) == 1
    assert race_id in rest[0]


@pytest.mark.parametrize("values", [{}, {"model": "petnet", "seed": 4, "dropout": 0.5, "augment_flip": False}])
def test_the_command_of_a_learning_curve_makes_the_same_runs(settings: Settings, drawn: Dataset, values):
    chosen = parse_config({"dataset": "drawn", "epochs": 4, **values})
    seed = chosen.seed
    arms = make_arms(chosen, ("head", "scratch"), "epochs", 4, seed)
    curve_id, runs = start_curve(settings, arms, seeds=(seed, seed + 1), sizes=(2, 5), title="How many?")
    for run in runs:
        add_points(run, drawn, (2, 5), (seed, seed + 1))

    command, *rest = build_report(settings, [curve_id], images=False).commands
    words = shlex.split(command)[3:]
    given = options_of(words)
    assert (words[0], given["sizes"], given["seeds"], given["title"]) == ("learning-curve", "2,5", 2, "How many?")
    again = read_config(given)
    assert make_arms(again, given["arms"].split(","), "epochs", again.epochs, again.seed) == arms
    assert len(rest) == 1


def test_a_race_that_no_command_makes_is_repeated_run_by_run(raced: Settings):
    race_id = RunStore(raced).summaries()[0].meta.race

    data = build_report(raced, [race_id], images=False)

    assert [parsed(command) for command in data.commands[:-1]] == [parse_config(run.config) for run in data.runs]
