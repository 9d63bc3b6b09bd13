"""What makes a comparison unfair, inconclusive, costly or flattering is found; a fair one has no findings."""

import dataclasses
from typing import Any

import numpy as np

from core.coach.fairness import ArmFacts, PairOutcome, review_comparison
from core.config.train_config import TrainConfig
from core.statistics.comparison import compare
from core.statistics.predictions import PredictionTable
from models.imagenet_classes import imagenet_names, seen_in_imagenet

LEAVES = ("healthy", "unhealthy")


def arm(name: str, values: dict[str, Any] | None = None, **more: Any) -> ArmFacts:
    config = TrainConfig.model_validate({"dataset": "pets", "model": "petnet", "epochs": 5, **(values or {})})
    facts: dict[str, Any] = {"classes": LEAVES, "fingerprint": "f", "seeds": (0,), "epochs": 5, "images_seen": 4200,
                             "seconds": 20.0, **more}  # fmt: skip
    return ArmFacts(name, config, **facts)


SCRATCH = arm("scratch", {"model": "scratch_cnn", "strategy": "scratch"}, seconds=60.0)
TRANSFER = arm("transfer", {"stored_views": 0})


def kinds(*arms: ArmFacts, outcome: PairOutcome | None = None) -> list[str]:
    return [finding.kind for finding in review_comparison(arms, outcome, limit=None)]


def compared(right_a: int, right_b: int, n: int = 200) -> PairOutcome:
    def table(right: int) -> PredictionTable:
        sure = np.where(np.arange(n) < right, 0.9, 0.1)
        ids = tuple(f"{place:064x}" for place in range(n))
        return PredictionTable("test", ("a", "b"), ids, np.arange(n), np.zeros(n), np.stack([sure, 1 - sure], axis=1))

    return PairOutcome.of(compare(table(right_a), table(right_b), "a", "b"), "scratch", "transfer")


def test_a_fair_race_has_no_findings() -> None:
    assert kinds(SCRATCH, TRANSFER) == []
    assert kinds(SCRATCH) == []


def test_an_arm_that_saw_few_pictures_in_its_seconds_needs_a_longer_time() -> None:
    budget = {"epochs": 1000, "max_seconds": 30.0}
    slow = arm("scratch", {"model": "scratch_cnn", "strategy": "scratch", **budget}, epochs=1, images_seen=32)
    late = arm("transfer", {"stored_views": 0, **budget}, epochs=1, seconds=45.0)
    found = review_comparison((slow, late), limit=None)
    assert [finding.kind for finding in found][:2] == ["few-epochs", "unequal-budget"]
    assert found[0].advice.startswith("Choose a longer time")
    assert found[1].advice.startswith("Give all of them 1 epoch,")


def test_other_pictures_end_the_comparison() -> None:
    other = dataclasses.replace(TRANSFER, fingerprint="g", epochs=9, images_seen=9, seconds=9.0)
    assert kinds(SCRATCH, other) == ["other-pictures"]


def test_a_budget_is_fair_if_one_of_the_three_is_equal() -> None:
    longer = TRANSFER.config.variant(epochs=15)
    unequal = dataclasses.replace(TRANSFER, config=longer, epochs=15, images_seen=12_600)
    [finding] = review_comparison((SCRATCH, unequal))
    assert finding.kind == "unequal-budget"
    assert "15 epochs, 12,600 pictures seen, 20 s" in finding.evidence
    assert finding.change == {"epochs": 15}
    assert kinds(SCRATCH, dataclasses.replace(unequal, images_seen=4220)) == []
    assert kinds(SCRATCH, dataclasses.replace(unequal, seconds=57.0)) == []


def test_other_settings_and_seeds_are_named() -> None:
    other = arm("transfer", {"batch_size": 16, "weight_decay": 0.1, "stored_views": 0}, seeds=(0, 1))
    [finding] = review_comparison((SCRATCH, other))
    assert "seeds, batch size, weight decay" in finding.evidence


def test_arms_that_saw_different_augmentation_get_the_setting_that_makes_it_equal() -> None:
    [finding] = review_comparison((SCRATCH, arm("transfer")))
    assert (finding.kind, finding.level) == ("unequal-views", "note")
    assert "transfer saw one plain view" in finding.evidence
    assert "Same for all" in finding.advice


def test_an_arm_that_was_stopped_should_be_trained_to_its_end() -> None:
    stopped = dataclasses.replace(SCRATCH, epochs=2, cut_short=("was stopped after 2 of 5 epochs",))
    [finding] = review_comparison((stopped, TRANSFER))
    assert (finding.kind, finding.evidence) == ("cut-short", "Scratch was stopped after 2 of 5 epochs.")


def test_classes_of_imagenet_flatter_only_the_pretrained_arm() -> None:
    pets = [dataclasses.replace(item, classes=("Cat", "Dog")) for item in (SCRATCH, TRANSFER)]
    [finding] = review_comparison(pets)
    assert finding.kind == "seen-before"
    assert "2 of 2 classes" in finding.evidence
    assert kinds(pets[1], dataclasses.replace(pets[1], name="other")) == []
    flowers = ("daisy", "dandelion", "rose", "sunflower", "tulip")
    assert kinds(*(dataclasses.replace(item, classes=flowers) for item in (SCRATCH, TRANSFER))) == []


def test_a_difference_that_chance_can_explain_is_not_shown() -> None:
    assert kinds(SCRATCH, arm("transfer"), outcome=compared(150, 153)) == ["open", "unequal-views"], (
        "more pictures first"
    )
    assert "open" not in kinds(SCRATCH, TRANSFER, outcome=compared(120, 180))


def test_a_winner_that_costs_more_is_reported_and_a_cheap_one_is_not() -> None:
    assert kinds(SCRATCH, TRANSFER, outcome=compared(120, 180)) == []
    [finding] = review_comparison((SCRATCH, TRANSFER), compared(180, 120))
    assert finding.kind == "costly-winner"
    assert "3.0 times as long" in finding.evidence


def test_an_outcome_concerns_only_the_two_arms_that_it_names() -> None:
    stopped = dataclasses.replace(SCRATCH, name="stopped", seconds=1.0)
    [finding] = review_comparison((stopped, SCRATCH, TRANSFER), compared(180, 120))
    assert finding.evidence.startswith("Scratch is 30.0 points better")
    assert "as long as transfer" in finding.evidence
    assert kinds(stopped, SCRATCH, outcome=compared(180, 120)) == []
    [finding] = review_comparison((stopped, SCRATCH, TRANSFER), compared(153, 150))
    assert finding.evidence.startswith("Scratch is 1.5 points ahead of transfer (95 % interval −")
    [finding] = review_comparison((SCRATCH, TRANSFER), compared(150, 150))
    assert finding.evidence.startswith("Transfer and scratch are right equally often (95 % interval ")


def test_imagenets_classes_are_found_by_name_without_torch() -> None:
    assert len(imagenet_names()) == 1000
    assert seen_in_imagenet(("English_Springers", "gas pump", "tench")) == {
        "English_Springers": "English springer", "gas pump": "gas pump", "tench": "tench",
    }  # fmt: skip
    assert set(seen_in_imagenet(("cats", "dogs", "terrier", "stain", "healthy", "猫"))) == {"cats", "dogs", "terrier"}


def test_general_words_stand_for_their_imagenet_classes() -> None:
    found = seen_in_imagenet(("shark", "snake", "spider", "bear", "monkey"))
    assert found == {
        "shark": "great white shark", "snake": "thunder snake", "spider": "black and gold garden spider",
        "bear": "brown bear", "monkey": "patas",
    }  # fmt: skip
