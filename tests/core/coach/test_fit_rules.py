"""The rules on over- and underfitting find what they should, and nothing on near misses."""

import dataclasses

from core.coach import fit_rules
from core.coach.review import review_run
from core.config.events import Mirrored
from core.runs.run import RunState
from tests.support.curve_facts import FALLING, FLAT, HEALTHY, OVERFIT, SCRATCH, facts, kinds


def test_overfitting_is_reported_with_the_epoch_where_it_began() -> None:
    [finding] = [item for item in review_run(OVERFIT) if item.kind == "overfitting"]
    assert finding.title == "It is overfitting: it memorises its training pictures"
    assert "after epoch 3 (0.42 nats" in finding.evidence
    assert "180 validation pictures" in finding.evidence
    assert finding.change["strategy"] == "head"  # crops and flips are on already


def test_without_augmentation_the_first_thing_to_try_is_augmentation() -> None:
    config = OVERFIT.config.model_copy(update={"augment_crop": False, "augment_flip": False})
    plain = dataclasses.replace(OVERFIT, config=config)
    [finding] = [r for r in review_run(plain) if r.kind == "overfitting"]
    assert finding.change == {"augment_crop": True}, "flips may have been turned off for a reason"
    tried = Mirrored(20, [[0, 0, 0, 10], [1, 1, 1, 9], [1, 1, 0, 1]], [], 0.1)
    [finding] = [r for r in review_run(dataclasses.replace(plain, mirrored=tried)) if r.kind == "overfitting"]
    assert finding.change == {"augment_crop": True, "augment_flip": True}
    swapped = Mirrored(20, [[0, 0, 1, 9], [0, 0, 0, 1], [1, 1, 0, 10]], [], 0.1)
    [finding] = [r for r in review_run(dataclasses.replace(plain, mirrored=swapped)) if r.kind == "overfitting"]
    assert finding.change == {"augment_crop": True}


def test_a_gap_of_few_pictures_is_no_overfitting_and_the_same_gap_of_many_is() -> None:
    epochs = ([0.3, 0.2, 0.1, 0.1, 0.1, 0.1], [0.3] * 6, [0.9, 0.95, 0.97, 0.98, 0.98, 0.98], [0.86] * 6)
    few = facts(*epochs, pictures=(("train", 120), ("val", 20), ("test", 20)))
    assert fit_rules.find_overfitting(few) is None
    many = facts(*epochs, pictures=(("train", 6000), ("val", 1000), ("test", 1000)))
    assert fit_rules.find_overfitting(many) is not None


def test_few_pictures_that_are_mostly_wrong_are_not_called_far_from_good() -> None:
    curve = ([0.60, 0.55, 0.51, 0.49, 0.46, 0.43] * 2, [0.6] * 12, [0.74] * 12, [0.70] * 12, SCRATCH)
    few = facts(*curve, pictures=(("train", 40), ("val", 10), ("test", 10)))
    assert "weak" not in kinds(few)
    assert "weak" in kinds(facts(*curve))


def test_a_gap_that_few_validation_pictures_explain_is_not_overfitting() -> None:
    few = dataclasses.replace(OVERFIT, pictures=(("train", 40), ("val", 4), ("test", 4)))
    calmer = tuple(dataclasses.replace(e, train_accuracy=min(e.train_accuracy, 0.9)) for e in few.epochs)
    assert fit_rules.find_overfitting(dataclasses.replace(few, epochs=calmer)) is None


def test_a_validation_loss_that_rises_a_little_is_not_overfitting() -> None:
    found = facts([0.3, 0.2, 0.15, 0.12, 0.1, 0.09], [0.25, 0.2, 0.19, 0.2, 0.2, 0.21], [0.9] * 6, [0.88] * 6)
    assert fit_rules.find_overfitting(found) is None


def test_a_flat_curve_far_from_right_is_underfitting() -> None:
    assert "underfitting" in kinds(FLAT)
    good = [dataclasses.replace(e, train_accuracy=0.85, val_accuracy=0.85) for e in FLAT.epochs]
    assert fit_rules.find_underfitting(dataclasses.replace(FLAT, epochs=tuple(good))) is None
    assert fit_rules.find_underfitting(FALLING) is None


def test_a_poor_result_without_another_sign_is_not_praised() -> None:
    poor = facts([0.60, 0.55, 0.51, 0.49, 0.46, 0.43] * 2, [0.6] * 12, [0.74] * 12, [0.71] * 12, SCRATCH)
    [finding] = [item for item in review_run(poor) if item.alarming]
    assert (finding.kind, finding.change["strategy"]) == ("weak", "head")
    assert "71.0 % of the 180 validation pictures are right (guessing: 50.0 %), and 74.0 %" in finding.evidence
    assert "healthy" not in kinds(poor)
    assert "weak" not in kinds(dataclasses.replace(poor, state=RunState.RUNNING)), "it may become good yet"
    better = facts([0.60, 0.55, 0.51, 0.49, 0.46, 0.43], [0.5] * 6, [0.80] * 6, [0.80] * 6, SCRATCH)
    assert "weak" not in kinds(better)
    short = facts([0.60, 0.55], [0.6] * 2, [0.6] * 2, [0.589] * 2, {**SCRATCH, "epochs": 2})
    [finding] = [item for item in review_run(short) if item.kind == "weak"]
    assert finding.title == "It is far from good after 2 epochs"
    assert finding.change == {"epochs": 4}
    assert "healthy" not in kinds(short)


def test_training_below_validation_is_called_normal_with_its_causes() -> None:
    found = facts([0.3] * 4, [0.25] * 4, [0.85] * 4, [0.9] * 4, SCRATCH)
    finding = fit_rules.find_train_below(found)
    assert finding is not None
    assert finding.level == "fine"
    assert "dropout" in finding.evidence
    assert "changed at random" in finding.evidence
    plain = facts([0.3] * 4, [0.25] * 4, [0.85] * 4, [0.9] * 4, {"augment_crop": False, "augment_flip": False})
    finding = fit_rules.find_train_below(plain)
    assert finding is not None
    assert "dropout" not in finding.evidence
    assert "random" not in finding.evidence
    assert fit_rules.find_train_below(HEALTHY) is None
