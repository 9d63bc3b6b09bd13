"""The rules on a run's length find what they should, and nothing on near misses."""

import dataclasses

from core.coach import progress_rules
from core.coach.review import review_run
from core.config.train_config import TrainConfig
from core.runs.run import RunState
from tests.support.curve_facts import FALLING, FLAT, HEALTHY, SCRATCH, facts, kinds


def test_a_loss_that_still_falls_calls_for_more_epochs() -> None:
    [finding] = [item for item in review_run(FALLING) if item.kind == "unfinished"]
    assert finding.change == {"epochs": 12}
    assert "Try 12 epochs instead of 6" in finding.advice
    assert progress_rules.find_unfinished(FLAT) is None
    assert progress_rules.find_unfinished(HEALTHY) is None


def test_more_time_is_proposed_where_time_ended_the_training() -> None:
    config = {**SCRATCH, "epochs": 100, "max_seconds": 30}
    found = dataclasses.replace(FALLING, config=TrainConfig.model_validate({"dataset": "pets", **config}))
    [finding] = [item for item in review_run(found) if item.kind == "unfinished"]
    assert finding.change == {"max_seconds": 60}


def test_a_nearly_perfect_run_needs_no_more_epochs() -> None:
    found = facts([0.2, 0.1, 0.05, 0.03], [0.2, 0.1, 0.06, 0.04], [0.95, 0.97, 0.98, 0.99], [0.95, 0.97, 0.98, 0.98])
    assert progress_rules.find_unfinished(found) is None


def test_two_or_three_epochs_are_called_too_few_for_a_trend_and_nothing_is_read_from_them() -> None:
    found = facts([0.69, 0.60], [0.66, 0.52], [0.55, 0.68], [0.6, 0.75])
    [finding] = [item for item in review_run(found) if item.kind == "too-short"]
    assert finding.title == "2 epochs are not a curve yet"
    assert finding.change == {"epochs": 5}
    assert "unfinished" not in kinds(found)
    assert "too-short" not in kinds(facts([0.2, 0.05], [0.2, 0.04], [0.95, 0.99], [0.96, 0.99])), "it is nearly perfect"


def test_a_fall_that_the_training_loss_does_not_share_is_chance() -> None:
    val = [0.60, 0.55, 0.50, 0.46, 0.42, 0.38]
    same = facts([0.40] * 6, val, [0.8] * 6, [0.8] * 6)
    assert progress_rules.find_unfinished(same) is None
    both = facts([0.50, 0.46, 0.42, 0.38, 0.34, 0.30], val, [0.8] * 6, [0.8] * 6)
    assert progress_rules.find_unfinished(both) is not None


def test_a_restless_loss_is_no_trend() -> None:
    val = [0.60, 0.40, 0.55, 0.42, 0.58, 0.40]
    falling = [0.50, 0.46, 0.42, 0.38, 0.34, 0.30]
    assert progress_rules.find_unfinished(facts(falling, val, [0.8] * 6, [0.8] * 6)) is None


def test_a_run_that_patience_ended_gets_more_of_it_and_never_none() -> None:
    config = {**SCRATCH, "epochs": 100, "patience": 3}
    found = dataclasses.replace(FALLING, config=TrainConfig.model_validate({"dataset": "pets", **config}))
    [finding] = [item for item in review_run(found) if item.kind == "unfinished"]
    assert finding.change == {"patience": 6}


def test_a_plateau_saves_time_and_a_run_of_seven_epochs_has_none() -> None:
    val = [0.5, 0.4, 0.30, 0.25, 0.25, 0.251, 0.25, 0.249, 0.25, 0.25]
    found = facts(val, val, [0.9] * 10, [0.9] * 10)
    [finding] = [item for item in review_run(found) if item.kind == "plateau"]
    assert finding.change == {"patience": 3}
    assert progress_rules.find_plateau(facts(val[:7], val[:7], [0.9] * 7, [0.9] * 7)) is None
    moving = [*val[:9], 0.20]
    assert progress_rules.find_plateau(facts(moving, moving, [0.9] * 10, [0.9] * 10)) is None


def test_a_best_epoch_long_ago_is_reported_unless_later_ones_are_as_good() -> None:
    val, new = [0.4, 0.3, 0.31, 0.33, 0.34, 0.35, 0.36, 0.37], [0.8, 0.92, 0.88, 0.87, 0.87, 0.86, 0.86, 0.86]
    found = facts([0.3] * 8, val, [0.88] * 8, new)
    assert "early-best" in kinds(found)
    same = [0.8, 0.92, 0.91, 0.91, 0.91, 0.91, 0.91, 0.91]
    assert progress_rules.find_early_best(facts([0.3] * 8, val, [0.88] * 8, same)) is None
    few = dataclasses.replace(found, pictures=(("train", 280), ("val", 60), ("test", 60)))
    assert progress_rules.find_early_best(few) is None, "four of 60 pictures"
    restless = facts([0.3] * 8, [0.4, 0.3, 0.36, 0.33, 0.37, 0.33, 0.37, 0.35], [0.88] * 8, new)
    assert progress_rules.find_early_best(restless) is None


def test_ups_and_downs_within_the_interval_are_called_chance() -> None:
    new = [0.70, 0.85, 0.90, 0.91, 0.90, 0.90, 0.91, 0.89, 0.91, 0.90]
    val = [0.5, 0.3, 0.27, 0.26, 0.25, 0.25, 0.26, 0.25, 0.26, 0.25]
    found = facts([0.3] * 10, val, [0.9] * 10, new)
    [finding] = [item for item in review_run(found, None) if item.kind == "noise"]
    assert "one of them is 0.6 points" in finding.evidence
    steady = facts([0.3] * 6, [0.25] * 6, [0.9] * 6, [0.85, 0.87, 0.88, 0.89, 0.9, 0.91])
    assert progress_rules.find_noise(steady) is None
    wild = facts([0.3] * 6, [0.25] * 6, [0.9] * 6, [0.85, 0.6, 0.91, 0.5, 0.91, 0.6])
    assert progress_rules.find_noise(wild) is None


def test_one_epoch_is_not_a_curve_and_an_empty_run_has_no_findings() -> None:
    assert kinds(facts([], [], [], [])) == []
    assert kinds(facts([9.0], [9.0], [0.5], [0.5])) == ["too-short"]
    running = dataclasses.replace(facts([9.0], [9.0], [0.5], [0.5]), state=RunState.RUNNING)
    assert kinds(running) == []
