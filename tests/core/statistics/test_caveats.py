"""What was unequal between the arms of a comparison is said, pair by pair, and a fair comparison has no caveat."""

import dataclasses
from typing import Any

import pytest

from core.config.train_config import TrainConfig
from core.statistics.caveats import FEW_EPOCHS, ArmFacts, Caveat, explain_difference, find_caveats, find_missing
from core.statistics.race_comparison import RaceComparison, compare_arms
from core.statistics.race_sentences import describe_pair, describe_race, race_as_json
from tests.support.prediction_tables import drawn_arm


def arm(name: str, strategy: str = "head", more: dict[str, Any] | None = None, **facts: Any) -> ArmFacts:
    model = "scratch_cnn" if strategy == "scratch" else "petnet"
    config = TrainConfig.model_validate({"dataset": "pets", "model": model, "strategy": strategy, **(more or {})})
    known = {"classes": ("healthy", "ill"), "fingerprint": "f", "seeds": (0,), "epochs": 5, "images_seen": 500}
    return ArmFacts(name, config, **{**known, "seconds": 20.0, **facts})


PLAIN = {"augment_crop": False, "augment_flip": False}


def sentences(*arms: ArmFacts, **more: Any) -> list[str]:
    return [caveat.sentence for caveat in find_caveats(arms, **more)]


def test_flips_for_one_arm_and_one_plain_view_for_the_other_are_a_reason_for_the_difference() -> None:
    arms = arm("scratch", "scratch"), arm("head")
    assert sentences(*arms) == [
        "Scratch saw new random crops and flips in every epoch; head saw one plain view of each picture. "
        "Where left and right matter, flips alone can decide."
    ]
    found = find_caveats(arms)
    expected = " Their augmentation (random crops and flips) differs too, which may be the reason."
    assert explain_difference(found, "head", "scratch") == expected
    assert explain_difference(found, "head", "full") == ""


@pytest.mark.parametrize("more", [PLAIN, {"stored_views": 0}])
def test_arms_that_see_the_same_have_no_caveat(more: dict[str, Any]) -> None:
    assert find_caveats((arm("scratch", "scratch", more), arm("head", "head", more))) == ()


def test_without_flips_left_and_right_are_not_at_stake() -> None:
    [caveat] = sentences(arm("scratch", "scratch", {"augment_flip": False}), arm("head"))
    assert caveat == "Scratch saw new random crops in every epoch; head saw one plain view of each picture."
    found = find_caveats((arm("scratch", "scratch", {"augment_flip": False}), arm("head")))
    assert "augmentation (random crops) differs" in explain_difference(found, "head", "scratch")


def test_a_few_stored_views_against_new_ones_are_named_and_are_no_reason_by_themselves() -> None:
    [caveat] = find_caveats((arm("scratch", "scratch"), arm("full", "full"), arm("head", "head", {"stored_views": 4})))
    assert caveat.sentence == (
        "Scratch and full saw new random crops and flips in every epoch; "
        "head saw 4 stored views of each picture, the plain one and 3 random."
    )
    assert not caveat.between


def test_two_trainings_of_one_network_may_differ_in_augmentation_because_that_is_what_is_compared() -> None:
    assert find_caveats((arm("a", "scratch"), arm("b", "scratch", PLAIN))) == ()


def test_an_arm_that_was_stopped_is_named_once_and_only_its_own_pairs_are_unequal() -> None:
    stopped = arm("head", epochs=2, images_seen=200, seconds=3.0, cut_short=("was stopped after 2 of 5 epochs",))
    other = arm("other")
    found = find_caveats((arm("full", "full", PLAIN), stopped, other))
    assert [item.sentence for item in found] == ["Head was stopped after 2 of 5 epochs."]
    assert "training budget" in explain_difference(found, "other", "head")
    assert explain_difference(found, "full", "other") == ""


@pytest.mark.parametrize(
    ("more", "facts", "unequal"),
    [
        ({}, {"epochs": 3, "seconds": 20.0}, True),  # patience ended it: equal seconds are chance
        ({"max_seconds": 20.0}, {"epochs": 3, "images_seen": 300}, False),
        ({"max_seconds": 20.0}, {"seconds": 40.0}, True),
        ({"max_images": 500}, {"epochs": 3, "seconds": 90.0}, False),
        ({"max_images": 500}, {"images_seen": 300}, True),
    ],
)
def test_only_the_budget_that_was_meant_to_be_equal_counts(
    more: dict[str, Any], facts: dict[str, Any], unequal: bool
) -> None:
    found = find_caveats((arm("a", more=more), arm("b", more=more, **facts)))
    assert [item.kind for item in found if item.kind != "few-epochs"] == (["unequal-budget"] if unequal else [])


def test_runs_with_different_plans_are_fair_if_one_measure_is_equal() -> None:
    long = arm("b", more={"epochs": 15}, epochs=15, images_seen=1500)
    assert find_caveats((arm("a"), long)) == ()
    assert sentences(arm("a"), dataclasses.replace(long, seconds=40.0)) == [
        "A had 5 epochs, 500 pictures seen, 20 s; b had 15 epochs, 1,500 pictures seen, 40 s."
    ]


def test_copies_in_the_split_that_is_compared_on_are_counted() -> None:
    arms = arm("a"), arm("b")
    assert sentences(*arms, copies={"test": 12, "val": 3}) == [
        "12 test pictures look like copies of training pictures: every accuracy may be too high."
    ]
    assert sentences(*arms, copies={"val": 1}, split="val") == [
        "1 validation picture looks like a copy of a training picture: every accuracy may be too high."
    ]
    assert sentences(*arms, copies={"val": 1}) == []


def test_classes_that_the_pretrained_network_knows_flatter_it() -> None:
    pets = [dataclasses.replace(item, classes=("Cat", "Dog")) for item in (arm("scratch", "scratch", PLAIN), arm("h"))]
    assert sentences(*pets) == [
        "By name, 2 of 2 classes are among ImageNet’s 1,000 (Cat, Dog). H starts from weights that derive from "
        "ImageNet: that flatters it."
    ]
    assert sentences(pets[1], dataclasses.replace(pets[1], name="other")) == []


def test_missing_results_name_the_arm_and_what_is_compared_instead() -> None:
    assert [item.sentence for item in find_missing({"scratch": [0, 1, 2], "head": [1], "full": []}, (0, 1, 2))] == [
        "Full has no test result.", "Head has 1 of 3 results: compared with seed 1 only.",
    ]  # fmt: skip
    assert [item.sentence for item in find_missing({"scratch": [0], "head": [1]}, (0, 1))] == [
        "Scratch has 1 of 2 results and head has 1 of 2 results: no seed is common to all."
    ]
    assert find_missing({"scratch": [0], "head": [0]}, (0,)) == ()


def compared(*names: str) -> RaceComparison:
    accuracies = {"scratch": 0.5, "head": 0.97, "full": 0.7}
    race = compare_arms([drawn_arm(name, accuracies[name], 3) for name in names])
    unequal = Caveat("unequal-views", "They differ.", "augmentation", frozenset({frozenset({"scratch", "head"})}))
    return dataclasses.replace(race, caveats=(unequal,))


def test_a_verdict_names_the_other_reason_for_the_pair_that_it_concerns() -> None:
    race = compared("scratch", "head")
    assert describe_race(race).endswith("3 seeds). Their augmentation differs too, which may be the reason.")
    assert race_as_json(race)["caveats"] == [{"kind": "unequal-views", "sentence": "They differ."}]
    three = compared("scratch", "head", "full")
    assert describe_race(three).endswith("which may be the reason.")
    by_names = {(pair.a, pair.b): describe_pair(three, pair) for pair in three.pairs}
    assert "augmentation" in by_names["scratch", "head"]
    assert "augmentation" not in by_names["scratch", "full"] + by_names["head", "full"]


def test_an_arm_that_saw_little_within_its_seconds_is_named() -> None:
    budget = {"max_seconds": 30.0, "epochs": 1000}
    slow = arm("scratch", "scratch", budget, epochs=FEW_EPOCHS - 1, images_seen=384)
    whole = arm("transfer", "head", budget, epochs=300)
    wanted = "Scratch saw 384 pictures only (4 epochs) in its time: this machine was busy, or is slow for this network."
    assert wanted in sentences(slow, whole)
    both = sentences(slow, dataclasses.replace(whole, epochs=1, images_seen=32))
    assert both[0] == (
        "Scratch saw 384 pictures only (4 epochs) and transfer saw 32 pictures only (1 epoch) in their time: "
        "this machine was busy, or is slow for these networks."
    )
    assert not any("only" in text for text in sentences(arm("scratch", "scratch", budget, epochs=FEW_EPOCHS), whole))
    assert not any("only" in text for text in sentences(arm("scratch", "scratch", epochs=1), arm("transfer", epochs=1)))


def test_only_what_was_unequal_in_the_race_itself_leaves_it_open() -> None:
    cut = find_caveats((arm("scratch", "scratch", cut_short=("was stopped after 2 of 5 epochs",)), arm("head")))
    assert [(item.kind, item.grave) for item in cut] == [("cut-short", True), ("unequal-views", False)]
    assert all(item.grave for item in find_missing({"scratch": {0}, "head": {0, 1}}, (0, 1)))
    assert cut[0].short == cut[0].sentence
    assert cut[1].short == "Scratch and head did not see the same augmentation."


@pytest.mark.parametrize(
    ("classes", "share"),
    [
        (("cat", "dog"), "both classes"),
        (("daisy", "tulip"), "1 of the 2 classes"),
        (("daisy", "cat", "dog"), "all 3 classes"),
    ],
)
def test_a_head_start_names_where_the_weights_come_from(classes: tuple[str, ...], share: str) -> None:
    arms = arm("scratch", "scratch", classes=classes), arm("transfer", "head", classes=classes)
    found = next(item for item in find_caveats(arms) if item.kind == "seen-before")
    assert found.short == f"Transfer has a head start: its weights come from ImageNet, which has {share}."


def test_an_arm_that_needs_less_than_its_seconds_has_no_unequal_budget() -> None:
    budget = {"max_seconds": 42.0, "epochs": 1000}
    slow = arm("scratch", "scratch", budget, epochs=13, seconds=42.5)
    quick = arm("transfer", "head", budget, epochs=1000, seconds=18.0)
    slowed = arm("transfer", "head", budget, epochs=400, seconds=18.0)
    assert "unequal-budget" not in {item.kind for item in find_caveats((slow, quick))}
    assert "unequal-budget" in {item.kind for item in find_caveats((slow, slowed))}
