"""The learning-rate rules find what they should, and nothing on near misses."""

import dataclasses
from collections.abc import Sequence

import pytest

from core.coach import rate_rules
from core.coach.review import review_run
from core.coach.run_facts import gather_facts
from core.config.train_config import TrainConfig
from core.datasets.dataset import Dataset
from core.runs.failures import DIVERGED
from core.runs.run import RunState
from core.runs.run_store import RunStore
from core.settings import Settings
from tests.support.curve_facts import CREEPING, SCRATCH, facts, kinds


@pytest.mark.parametrize(
    ("train", "val", "rate"),
    [
        ([19.7, 0.95, 0.73, 0.75, 0.70], [63.0, 2.2, 1.8, 0.76, 0.74], 0.3),  # thrown far off, and not back
        ([1345.0, 662.0, 387.0, 188.0], [325.0, 973.0, 261.0, 391.0], 30.0),
        ([0.5, 0.7, 0.4, 0.6, 0.4], [0.5] * 5, 0.05),  # jumps
        ([0.700, 0.695, 0.694, 0.694], [0.69] * 4, 0.3),  # never left guessing
    ],
)
def test_a_rate_that_is_too_high_is_found_in_each_of_its_forms(
    train: Sequence[float], val: Sequence[float], rate: float
) -> None:
    count = len(train)
    found = facts(train, val, [0.5] * count, [0.5] * count, {**SCRATCH, "learning_rate": rate})
    finding = review_run(found)[0]
    assert (finding.kind, finding.level) == ("rate-high", "alarm")
    assert f"{rate:.2g}" in finding.evidence
    assert finding.change["learning_rate"] <= rate / 10
    assert "overfitting" not in kinds(found)


def test_a_rough_first_epoch_that_recovers_is_not_an_alarm() -> None:
    found = facts([2.0, 0.4, 0.3, 0.2], [0.5, 0.4, 0.3, 0.25], [0.6, 0.8, 0.9, 0.92], [0.8, 0.85, 0.9, 0.9])
    assert rate_rules.find_high_rate(found) is None


def test_a_usual_rate_is_not_blamed_for_a_network_that_learns_nothing() -> None:
    found = facts([0.695] * 6, [0.694] * 6, [0.5] * 6, [0.5] * 6, SCRATCH)
    assert rate_rules.find_high_rate(found) is None
    assert rate_rules.find_low_rate(found) is None


def test_a_jump_from_one_stage_to_the_next_does_not_count() -> None:
    found = facts([0.3, 0.2, 0.3, 0.2, 0.3], [0.3] * 5, [0.9] * 5, [0.9] * 5, {"learning_rate": 0.5})
    assert rate_rules.find_high_rate(found) is not None
    staged = tuple(dataclasses.replace(e, stage=f"stage {e.epoch // 3}") for e in found.epochs)
    assert rate_rules.find_high_rate(dataclasses.replace(found, epochs=staged)) is None


def test_jumps_among_tiny_losses_or_few_among_hundreds_do_not_count() -> None:
    count = 300
    flat = ([0.3] * count, [0.95] * count, [0.95] * count)
    tiny = facts([0.002, 0.006, 0.001] * 100, *flat, {"learning_rate": 0.5})
    assert rate_rules.find_high_rate(tiny) is None
    few = facts([0.3] * 100 + [0.5] + [0.3] * 100 + [0.5] + [0.3] * 98, *flat, {"learning_rate": 0.5})
    assert rate_rules.find_high_rate(few) is None
    many = facts([0.3] * 8 + [0.5, 0.3, 0.5, 0.3], *([x] * 12 for x in (0.3, 0.95, 0.95)), {"learning_rate": 0.5})
    assert rate_rules.find_high_rate(many) is not None
    restless = many.config.model_copy(update={"learning_rate": 0.02})
    assert rate_rules.find_high_rate(dataclasses.replace(many, config=restless)) is None, "it does well all the same"


@pytest.mark.parametrize("config", [{}, {"strategy": "gradual", "epochs": 6}, SCRATCH])
def test_the_apps_own_rate_is_never_called_too_high(config: dict[str, object]) -> None:
    loud = ([4.1, 3.4, 1.9, 0.95, 0.9, 0.8], [4.0, 3.7, 2.6, 1.8, 1.6, 1.5], [0.5] * 6, [0.5] * 6)
    assert rate_rules.find_high_rate(facts(*loud, config)) is None
    chosen = facts(*loud, {**config, "learning_rate": 30.0})
    assert rate_rules.find_high_rate(chosen) is not None


def test_a_rate_that_a_search_found_is_blamed_where_it_is_far_above_the_usual_one() -> None:
    loud = ([4.1, 3.4, 1.9, 1.95], [4.0, 3.7, 2.6, 1.8], [0.5] * 4, [0.5] * 4)
    assert rate_rules.find_high_rate(facts(*loud, {"find_rate": True}, found_rate=0.02)) is None
    finding = rate_rules.find_high_rate(facts(*loud, {"find_rate": True}, found_rate=0.3))
    assert finding is not None
    assert finding.change["find_rate"] is False


def test_a_rate_that_is_too_low_is_reported_with_the_usual_one() -> None:
    finding = review_run(CREEPING)[0]
    assert finding.kind == "rate-low"
    assert 0.001 <= finding.change["learning_rate"] <= 0.01
    assert "0.000001" in finding.evidence
    usual = CREEPING.config.model_copy(update={"learning_rate": 0.005})
    assert rate_rules.find_low_rate(dataclasses.replace(CREEPING, config=usual)) is None


def test_a_low_rate_that_got_there_all_the_same_is_left_alone() -> None:
    found = facts([0.6, 0.4, 0.3, 0.2, 0.15], [0.5] * 5, [0.9] * 5, [0.9] * 5, {"learning_rate": 1e-6})
    assert rate_rules.find_low_rate(found) is None


def test_divergence_is_the_only_finding_of_a_run_that_diverged() -> None:
    found = facts([0.7, 0.8], [0.7, 0.9], [0.5] * 2, [0.5] * 2, {"learning_rate": 1000.0})
    found = dataclasses.replace(found, state=RunState.FAILED, diverged=True)
    assert kinds(found) == ["diverged"]
    assert review_run(found)[0].title == "Training diverged"
    assert review_run(found)[0].change["learning_rate"] <= 100


def test_a_run_that_diverged_is_recognised_by_its_result(settings: Settings, drawn: Dataset) -> None:
    run = RunStore(settings).create(TrainConfig.model_validate({"dataset": "drawn", **SCRATCH, "learning_rate": 1e6}))
    run.write_result(RunState.FAILED, "The loss stopped being a finite number.", 1.0, cause=DIVERGED)
    assert [finding.kind for finding in review_run(gather_facts(run))] == ["diverged"]
