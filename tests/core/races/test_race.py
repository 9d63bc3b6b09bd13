import dataclasses

import pytest

from core.config.race_plan import RacePlan, parse_plan
from core.config.train_config import parse_config
from core.errors import RunError
from core.races.race import RaceState, find_race, list_races
from core.runs.run import RunMeta, RunState
from core.runs.summary import RunSummary

PLAN = RacePlan("race", ("scratch", "head"), (0, 1), "epochs", 3)


def summary(arm: str, seed: int, state: RunState, *, race: str = "race-1", plan: RacePlan | None = PLAN) -> RunSummary:
    strategy = {"scratch": {"model": "scratch_cnn", "strategy": "scratch"}}.get(arm, {"model": "petnet"})
    config = parse_config({"dataset": "pets", "seed": seed, **strategy})
    meta = RunMeta(100.0 + seed, "me", race, arm, "Pets", "f", ("cat", "dog"), plan=plan)
    return RunSummary(f"{arm}-{seed}", state, "", config, meta, None, None, 0, None)


def all_runs(state: RunState = RunState.FINISHED) -> list[RunSummary]:
    return [summary(arm, seed, state) for arm in ("head", "scratch") for seed in (1, 0)]


def test_a_race_lists_its_arms_and_seeds_in_the_order_of_its_plan():
    race = find_race(all_runs(), "race-1")

    assert [(entry.arm, entry.seed) for entry in race.entries] == [
        ("Scratch", 0), ("Scratch", 1), ("Transfer", 0), ("Transfer", 1)
    ]  # fmt: skip
    assert [run.id for run in race.arm("Transfer")] == ["head-0", "head-1"]


def test_a_deleted_run_leaves_a_gap_and_the_race_incomplete():
    race = find_race([run for run in all_runs() if run.id != "head-1"], "race-1")

    assert race.entries[-1].run is None
    assert race.state is RaceState.INCOMPLETE


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        (["queued"] * 4, RaceState.QUEUED),
        (["finished", "queued", "queued", "queued"], RaceState.RUNNING),
        (["running", "failed", "queued", "queued"], RaceState.RUNNING),
        (["finished"] * 4, RaceState.FINISHED),
        (["finished", "finished", "finished", "stopped"], RaceState.INCOMPLETE),
    ],
)
def test_the_state_of_a_race_follows_from_its_runs(states, expected):
    runs = [dataclasses.replace(run, state=RunState(state)) for run, state in zip(all_runs(), states, strict=True)]

    assert find_race(runs, "race-1").state is expected


def test_a_race_from_before_plans_were_noted_is_still_a_race():
    runs = [summary(arm, 0, RunState.FINISHED, plan=None) for arm in ("scratch", "head")]

    race = find_race(runs, "race-1")

    assert set(race.arms) == {"Scratch", "Transfer"}
    assert race.state is RaceState.FINISHED


def test_races_are_listed_newest_first():
    runs = [*all_runs(), summary("head", 7, RunState.QUEUED, race="race-2", plan=None)]

    assert [race.id for race in list_races(runs)] == ["race-2", "race-1"]


def test_a_race_without_runs_is_not_there():
    with pytest.raises(RunError, match="race-9"):
        find_race(all_runs(), "race-9")


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "party"}, {"budget": "beers"}, {"amount": 0}, {"arms": []}, {"seeds": [-1]}, {"seeds": [True]},
        {"sizes": [5]}, {"arms": [7]}, {"title": "x" * 81},
    ],
)  # fmt: skip
def test_a_plan_that_was_never_written_is_refused(change):
    with pytest.raises((ValueError, TypeError)):
        parse_plan({**dataclasses.asdict(PLAN), **change})


def test_a_plan_survives_json():
    values = {**dataclasses.asdict(PLAN), "arms": ["scratch", "head"], "seeds": [0, 1], "sizes": []}

    assert parse_plan(values) == PLAN
