"""The coach: every rule fires where it must, and not on its near misses; together they never contradict themselves."""

import dataclasses
import json
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.coach import coach, curve_rules, result_rules
from core.coach.coach import MAX_SHOWN, RANKS, RULES, SETTLED_BY, read_run, tell
from core.coach.reading import LEVELS
from core.coach.run_facts import RunFacts, gather_facts, training_shares
from core.config.train_config import TrainConfig
from core.datasets.dataset import Dataset
from core.runs.failures import DIVERGED
from core.runs.run import RunState
from core.runs.run_store import RunStore
from core.settings import Settings
from tests.support.curve_facts import HEALTHY, SCRATCH, facts, judged, score

OVERFIT = facts(
    [0.60, 0.40, 0.25, 0.15, 0.08, 0.04, 0.02, 0.01],
    [0.55, 0.45, 0.42, 0.45, 0.55, 0.65, 0.75, 0.85],
    [0.65, 0.80, 0.90, 0.95, 0.98, 0.99, 1.0, 1.0],
    [0.70, 0.78, 0.80, 0.80, 0.79, 0.78, 0.78, 0.77],
    SCRATCH,
)
FLAT = facts(
    [0.69, 0.66, 0.65, 0.645, 0.642, 0.640, 0.640, 0.639],
    [0.69, 0.66, 0.65, 0.645, 0.643, 0.642, 0.642, 0.642],
    [0.52, 0.58, 0.61, 0.62, 0.63, 0.63, 0.63, 0.63],
    [0.52, 0.58, 0.61, 0.62, 0.63, 0.62, 0.63, 0.63],
    SCRATCH,
)
FALLING = facts(
    [0.68, 0.62, 0.56, 0.51, 0.46, 0.42],
    [0.68, 0.63, 0.58, 0.53, 0.48, 0.44],
    [0.55, 0.62, 0.69, 0.73, 0.77, 0.80],
    [0.56, 0.62, 0.68, 0.72, 0.76, 0.79],
    SCRATCH,
)
CREEPING = facts(
    [0.690, 0.688, 0.686, 0.685, 0.684],
    [0.690, 0.688, 0.686, 0.685, 0.684],
    [0.51, 0.52, 0.53, 0.54, 0.55],
    [0.52, 0.53, 0.54, 0.55, 0.56],
    {"learning_rate": 1e-6},
)


def kinds(found: RunFacts) -> list[str]:
    return [reading.kind for reading in read_run(found, most=None)]


def test_a_healthy_run_gets_praise_and_nothing_to_do() -> None:
    readings = read_run(HEALTHY)
    assert [reading.kind for reading in readings] == ["healthy"]
    assert "92.2 % (95 % interval 87.4 to 95.3, n = 180)" in readings[0].evidence
    assert not readings[0].change
    assert not readings[0].advice


def test_learning_by_heart_is_told_with_the_epoch_where_it_began() -> None:
    [reading] = [item for item in read_run(OVERFIT) if item.kind == "overfitting"]
    assert "after epoch 3 (0.42 nats" in reading.evidence
    assert "180 validation pictures" in reading.evidence
    assert reading.change["strategy"] == "head"  # crops and flips are on already


def test_without_augmentation_the_first_thing_to_try_is_augmentation() -> None:
    config = OVERFIT.config.model_copy(update={"augment_crop": False, "augment_flip": False})
    [reading] = [r for r in read_run(dataclasses.replace(OVERFIT, config=config)) if r.kind == "overfitting"]
    assert reading.change == {"augment_crop": True, "augment_flip": True}


def test_a_gap_that_few_validation_pictures_explain_is_no_overfitting() -> None:
    few = dataclasses.replace(OVERFIT, pictures=(("train", 40), ("val", 4), ("test", 4)))
    calmer = tuple(dataclasses.replace(e, train_accuracy=min(e.train_accuracy, 0.9)) for e in few.epochs)
    assert curve_rules.find_overfitting(dataclasses.replace(few, epochs=calmer)) is None


def test_a_validation_loss_that_rises_a_little_is_no_overfitting() -> None:
    found = facts([0.3, 0.2, 0.15, 0.12, 0.1, 0.09], [0.25, 0.2, 0.19, 0.2, 0.2, 0.21], [0.9] * 6, [0.88] * 6)
    assert curve_rules.find_overfitting(found) is None


def test_a_flat_curve_far_from_right_is_underfitting() -> None:
    assert "underfitting" in kinds(FLAT)
    good = [dataclasses.replace(e, train_accuracy=0.85, val_accuracy=0.85) for e in FLAT.epochs]
    assert curve_rules.find_underfitting(dataclasses.replace(FLAT, epochs=tuple(good))) is None
    assert curve_rules.find_underfitting(FALLING) is None


def test_a_loss_that_still_falls_wants_more_epochs() -> None:
    [reading] = [item for item in read_run(FALLING) if item.kind == "unfinished"]
    assert reading.change == {"epochs": 12}
    assert "Try 12 epochs instead of 6" in reading.advice
    assert curve_rules.find_unfinished(FLAT) is None
    assert curve_rules.find_unfinished(HEALTHY) is None


def test_more_time_is_proposed_where_time_ended_the_training() -> None:
    config = {**SCRATCH, "epochs": 100, "max_seconds": 30}
    found = dataclasses.replace(FALLING, config=TrainConfig.model_validate({"dataset": "pets", **config}))
    [reading] = [item for item in read_run(found) if item.kind == "unfinished"]
    assert reading.change == {"max_seconds": 60}


def test_nothing_more_is_asked_of_what_is_nearly_perfect() -> None:
    found = facts([0.2, 0.1, 0.05, 0.03], [0.2, 0.1, 0.06, 0.04], [0.95, 0.97, 0.98, 0.99], [0.95, 0.97, 0.98, 0.98])
    assert curve_rules.find_unfinished(found) is None


def test_two_epochs_may_be_too_few() -> None:
    assert "unfinished" in kinds(facts([0.69, 0.60], [0.66, 0.52], [0.55, 0.68], [0.6, 0.75]))
    assert "unfinished" not in kinds(facts([0.69, 0.66], [0.66, 0.62], [0.55, 0.62], [0.6, 0.64]))


@pytest.mark.parametrize(
    ("train", "val", "rate"),
    [
        ([19.7, 0.95, 0.73, 0.75, 0.70], [63.0, 2.2, 1.8, 0.76, 0.74], 0.3),  # thrown far off, and not back
        ([1345.0, 662.0, 387.0, 188.0], [325.0, 973.0, 261.0, 391.0], 30.0),
        ([0.5, 0.7, 0.4, 0.6, 0.4], [0.5] * 5, 0.05),  # jumps
        ([0.700, 0.695, 0.694, 0.694], [0.69] * 4, 0.3),  # never left guessing
    ],
)
def test_a_rate_that_is_too_high_is_told_in_each_of_its_ways(
    train: Sequence[float], val: Sequence[float], rate: float
) -> None:
    count = len(train)
    found = facts(train, val, [0.5] * count, [0.5] * count, {**SCRATCH, "learning_rate": rate})
    reading = read_run(found)[0]
    assert (reading.kind, reading.level) == ("rate-high", "alarm")
    assert f"{rate:.2g}" in reading.evidence
    assert reading.change["learning_rate"] <= rate / 10
    assert "overfitting" not in kinds(found)


def test_a_rough_first_epoch_that_is_overcome_is_no_alarm() -> None:
    found = facts([2.0, 0.4, 0.3, 0.2], [0.5, 0.4, 0.3, 0.25], [0.6, 0.8, 0.9, 0.92], [0.8, 0.85, 0.9, 0.9])
    assert curve_rules.find_high_rate(found) is None


def test_a_usual_rate_is_not_blamed_for_a_network_that_learns_nothing() -> None:
    found = facts([0.695] * 6, [0.694] * 6, [0.5] * 6, [0.5] * 6, SCRATCH)
    assert curve_rules.find_high_rate(found) is None
    assert curve_rules.find_low_rate(found) is None


def test_a_jump_from_one_stage_to_the_next_is_none() -> None:
    found = facts([0.3, 0.2, 0.3, 0.2, 0.3], [0.3] * 5, [0.9] * 5, [0.9] * 5, {"learning_rate": 0.05})
    assert curve_rules.find_high_rate(found) is not None
    staged = tuple(dataclasses.replace(e, stage=f"stage {e.epoch // 3}") for e in found.epochs)
    assert curve_rules.find_high_rate(dataclasses.replace(found, epochs=staged)) is None


def test_jumps_among_tiny_losses_or_few_among_hundreds_are_none() -> None:
    count = 300
    flat = ([0.3] * count, [0.95] * count, [0.95] * count)
    tiny = facts([0.002, 0.006, 0.001] * 100, *flat, {"learning_rate": 0.05})
    assert curve_rules.find_high_rate(tiny) is None
    few = facts([0.3] * 100 + [0.5] + [0.3] * 100 + [0.5] + [0.3] * 98, *flat, {"learning_rate": 0.05})
    assert curve_rules.find_high_rate(few) is None
    many = facts([0.3] * 8 + [0.5, 0.3, 0.5, 0.3], *([x] * 12 for x in (0.3, 0.95, 0.95)), {"learning_rate": 0.05})
    assert curve_rules.find_high_rate(many) is not None


def test_a_poor_result_without_another_sign_is_not_praised() -> None:
    poor = facts([0.60, 0.55, 0.51, 0.49, 0.46, 0.43] * 2, [0.6] * 12, [0.74] * 12, [0.71] * 12, SCRATCH)
    [reading] = [item for item in read_run(poor) if item.alarming]
    assert (reading.kind, reading.change["strategy"]) == ("weak", "head")
    assert "71.0 % of the 180 validation pictures are right (guessing: 50.0 %), and 74.0 %" in reading.evidence
    assert "healthy" not in kinds(poor)
    assert "weak" not in kinds(dataclasses.replace(poor, state=RunState.RUNNING)), "it may become good yet"
    better = facts([0.60, 0.55, 0.51, 0.49, 0.46, 0.43], [0.5] * 6, [0.80] * 6, [0.80] * 6, SCRATCH)
    assert "weak" not in kinds(better)
    short = facts([0.60, 0.55], [0.6] * 2, [0.6] * 2, [0.589] * 2, {**SCRATCH, "epochs": 2})
    [reading] = [item for item in read_run(short) if item.kind == "weak"]
    assert reading.title == "It is far from good after 2 epochs"
    assert reading.change == {"epochs": 4}
    assert "healthy" not in kinds(short)


def test_a_rate_that_is_too_low_is_told_with_the_usual_one() -> None:
    reading = read_run(CREEPING)[0]
    assert reading.kind == "rate-low"
    assert 0.001 <= reading.change["learning_rate"] <= 0.01
    assert "0.000001" in reading.evidence
    usual = CREEPING.config.model_copy(update={"learning_rate": 0.005})
    assert curve_rules.find_low_rate(dataclasses.replace(CREEPING, config=usual)) is None


def test_a_low_rate_that_arrived_all_the_same_is_left_alone() -> None:
    found = facts([0.6, 0.4, 0.3, 0.2, 0.15], [0.5] * 5, [0.9] * 5, [0.9] * 5, {"learning_rate": 1e-6})
    assert curve_rules.find_low_rate(found) is None


def test_a_training_that_flew_apart_is_told_alone() -> None:
    found = facts([0.7, 0.8], [0.7, 0.9], [0.5] * 2, [0.5] * 2, {"learning_rate": 1000.0})
    found = dataclasses.replace(found, state=RunState.FAILED, diverged=True)
    assert kinds(found) == ["diverged"]
    assert read_run(found)[0].change["learning_rate"] <= 100


def test_a_plateau_saves_time_and_a_run_of_seven_epochs_has_none() -> None:
    val = [0.5, 0.4, 0.30, 0.25, 0.25, 0.251, 0.25, 0.249, 0.25, 0.25]
    found = facts(val, val, [0.9] * 10, [0.9] * 10)
    [reading] = [item for item in read_run(found) if item.kind == "plateau"]
    assert reading.change == {"epochs": 6}
    assert curve_rules.find_plateau(facts(val[:7], val[:7], [0.9] * 7, [0.9] * 7)) is None
    moving = [*val[:9], 0.20]
    assert curve_rules.find_plateau(facts(moving, moving, [0.9] * 10, [0.9] * 10)) is None


def test_a_best_epoch_long_ago_is_told_unless_later_ones_are_as_good() -> None:
    val, new = [0.4, 0.3, 0.31, 0.33, 0.34, 0.35, 0.36, 0.36], [0.8, 0.92, 0.88, 0.87, 0.87, 0.86, 0.86, 0.86]
    found = facts([0.3] * 8, val, [0.88] * 8, new)
    assert "early-best" in kinds(found)
    same = [0.8, 0.92, 0.91, 0.91, 0.91, 0.91, 0.91, 0.91]
    assert curve_rules.find_early_best(facts([0.3] * 8, val, [0.88] * 8, same)) is None


def test_ups_and_downs_within_the_interval_are_called_chance() -> None:
    new = [0.85, 0.90, 0.91, 0.89, 0.91, 0.90]
    found = facts([0.3] * 6, [0.25] * 6, [0.9] * 6, new)
    [reading] = [item for item in read_run(found, None) if item.kind == "noise"]
    assert "one of them is 0.6 points" in reading.evidence
    steady = facts([0.3] * 6, [0.25] * 6, [0.9] * 6, [0.85, 0.87, 0.88, 0.89, 0.9, 0.91])
    assert curve_rules.find_noise(steady) is None
    wild = facts([0.3] * 6, [0.25] * 6, [0.9] * 6, [0.85, 0.6, 0.91, 0.5, 0.91, 0.6])
    assert curve_rules.find_noise(wild) is None


def test_training_below_validation_is_called_normal_with_its_causes() -> None:
    found = facts([0.3] * 4, [0.25] * 4, [0.85] * 4, [0.9] * 4, SCRATCH)
    reading = curve_rules.find_train_below(found)
    assert reading is not None
    assert reading.level == "fine"
    assert "dropout" in reading.evidence
    assert "changed at random" in reading.evidence
    plain = facts([0.3] * 4, [0.25] * 4, [0.85] * 4, [0.9] * 4, {"augment_crop": False, "augment_flip": False})
    reading = curve_rules.find_train_below(plain)
    assert reading is not None
    assert "dropout" not in reading.evidence
    assert "random" not in reading.evidence
    assert curve_rules.find_train_below(HEALTHY) is None


def test_one_answer_to_everything_is_an_alarm_and_not_also_guessing() -> None:
    scores = (score("cat", 90, 0, 0), score("dog", 90, 90, 180))
    found = dataclasses.replace(HEALTHY, tested=judged(90, 180), scores=scores)
    assert kinds(found)[0] == "one-answer"
    assert "guessing" not in kinds(found)
    assert "healthy" not in kinds(found)
    balanced = dataclasses.replace(found, scores=(score("cat", 90, 5, 10), score("dog", 90, 85, 170)))
    assert result_rules.find_one_answer(balanced) is None


def test_a_class_that_is_never_found_is_told_with_its_share() -> None:
    scores = (score("cat", 20, 1, 1), score("dog", 100, 99, 119), score("hen", 60, 60, 60))
    found = dataclasses.replace(HEALTHY, classes=3, tested=judged(160, 180), scores=scores, shares=(0.1, 0.55, 0.35))
    [reading] = [item for item in read_run(found, None) if item.kind == "ignored-class"]
    assert "1 of 20" in reading.evidence
    assert "10.0 % of the training pictures" in reading.evidence
    assert "Bring more training pictures of “cat”" in reading.advice
    few = (score("cat", 4, 0, 0), score("dog", 100, 99, 119), score("hen", 60, 60, 60))
    assert result_rules.find_ignored_class(dataclasses.replace(found, scores=few)) is None
    one_of_many = (score("cat", 8, 0, 0), *(score(f"kind {number}", 8, 8, 8) for number in range(39)))
    assert result_rules.find_ignored_class(dataclasses.replace(found, scores=one_of_many[:2])) is not None
    assert result_rules.find_ignored_class(dataclasses.replace(found, scores=one_of_many)) is None, "the worst of 40"
    half = (score("cat", 20, 10, 10), score("dog", 100, 99, 119), score("hen", 60, 60, 60))
    assert result_rules.find_ignored_class(dataclasses.replace(found, scores=half)) is None


def test_an_accuracy_at_the_commonest_class_is_guessing() -> None:
    scores = (score("cat", 40, 10, 30), score("dog", 60, 42, 70))
    at = dataclasses.replace(HEALTHY, tested=judged(52, 100), scores=scores)
    reading = result_rules.find_guessing(at)
    assert reading is not None
    assert (reading.level, reading.title) == ("alarm", "No better than guessing")
    above = result_rules.find_guessing(dataclasses.replace(at, tested=judged(65, 100)))
    assert above is not None
    assert above.level == "warning"
    assert result_rules.find_guessing(dataclasses.replace(at, tested=judged(75, 100))) is None


def test_too_few_pictures_are_told_with_how_many_it_takes() -> None:
    reading = result_rules.find_few_images(dataclasses.replace(HEALTHY, tested=judged(24, 36)))
    assert reading is not None
    assert "24 of 36" in reading.evidence
    assert "about 350 test pictures" in reading.advice
    assert result_rules.find_few_images(HEALTHY) is None


def test_a_test_well_below_validation_is_told_and_a_little_below_is_not() -> None:
    assert result_rules.find_drop(dataclasses.replace(HEALTHY, tested=judged(135, 180))) is not None
    assert result_rules.find_drop(dataclasses.replace(HEALTHY, tested=judged(160, 180))) is None
    assert result_rules.find_drop(dataclasses.replace(HEALTHY, tested=judged(135, 180, "val"))) is None
    assert result_rules.find_drop(dataclasses.replace(HEALTHY, tested=judged(0, 1))) is None, (
        "one picture tells nothing"
    )
    assert result_rules.find_drop(dataclasses.replace(HEALTHY, tested=judged(8, 10))) is None


def test_one_epoch_is_no_curve_and_an_empty_run_is_nothing() -> None:
    assert kinds(facts([], [], [], [])) == []
    assert kinds(facts([9.0], [9.0], [0.5], [0.5])) == ["too-short"]
    running = dataclasses.replace(facts([9.0], [9.0], [0.5], [0.5]), state=RunState.RUNNING)
    assert kinds(running) == []


def test_every_kind_has_its_rank_and_every_settled_kind_exists() -> None:
    assert set(SETTLED_BY) | set().union(*SETTLED_BY.values()) <= set(RANKS)
    assert len(RULES) == len(set(RULES))
    assert set(coach.RULES) >= {getattr(curve_rules, name) for name in dir(curve_rules) if name.startswith("find_")}
    assert set(coach.RULES) >= {getattr(result_rules, name) for name in dir(result_rules) if name.startswith("find_")}


FRACTION = st.floats(0, 1)
LOSS = st.floats(1e-4, 50)
CONFIGS = st.sampled_from(
    [
        SCRATCH,
        {},
        {"strategy": "full"},
        {"strategy": "partial"},
        {"strategy": "gradual", "epochs": 30},
        {"find_rate": True},
        {**SCRATCH, "augment_crop": False, "augment_flip": False, "augment_strength": 0.0},
        {**SCRATCH, "epochs": 1000, "max_seconds": 5},
        {"epochs": 1000, "max_images": 100},
        {"epochs": 1000},
        {"learning_rate": 30.0},
        {"learning_rate": 1e-7},
        {"optimizer": "sgd"},
    ]
)


@given(
    curves=st.lists(st.tuples(LOSS, LOSS, FRACTION, FRACTION), max_size=24),
    config=CONFIGS,
    right=st.integers(0, 60),
    always=st.booleans(),
    pictures=st.sampled_from([(), (("train", 10), ("val", 3), ("test", 60)), (("train", 840), ("val", 180))]),
    diverged=st.booleans(),
)
def test_whatever_the_curves_the_coach_never_contradicts_itself(
    curves: list[tuple[float, float, float, float]],
    config: dict[str, object],
    right: int,
    always: bool,
    pictures: tuple[tuple[str, int], ...],
    diverged: bool,
) -> None:
    columns = list(zip(*curves, strict=True)) or [(), (), (), ()]
    scores = (score("cat", 30, 0 if always else min(right, 30), 0 if always else 30), score("dog", 30, 30, 60))
    found = facts(
        *columns, config, tested=judged(right, 60), scores=scores, shares=(0.5, 0.5), pictures=pictures,
        diverged=diverged,
    )  # fmt: skip
    readings = read_run(found, most=None)
    names = [reading.kind for reading in readings]
    assert len(names) == len(set(names))
    assert not {"overfitting", "underfitting"} <= set(names)
    assert not {"rate-high", "rate-low"} <= set(names)
    assert not ("healthy" in names and any(reading.alarming for reading in readings))
    levels = [list(LEVELS).index(reading.level) for reading in readings]
    assert levels == sorted(levels)
    assert len(read_run(found)) == min(MAX_SHOWN, len(readings))
    if len(curves) < 2:
        about_curves = {"rate-high", "rate-low", "unfinished", "overfitting", "underfitting", "noise", "plateau",
                        "early-best", "train-below", "healthy", "weak"}  # fmt: skip
        assert not about_curves & set(names)
    for reading in readings:
        assert reading.title
        assert reading.evidence.endswith(".")
        assert not reading.advice or reading.advice[-1] in ".?"
        assert "nan" not in (reading.evidence + reading.advice).split()
        # what is proposed can be started as it is, and is something else than what was
        changed = TrainConfig.model_validate({**found.config.model_dump(), **reading.change})
        assert not reading.change or changed != found.config, reading
        json.dumps(reading.to_json(), allow_nan=False)


def test_real_runs_are_read_from_their_folders(raced: Settings) -> None:
    runs = RunStore(raced).all()
    assert runs
    for run in runs:
        found = gather_facts(run, training_shares(raced, run))
        assert found.classes == 2
        assert len(found.epochs) in (2, 3)
        assert sum(score.support for score in found.scores) == found.tested.images if found.tested else False
        assert found.shares == (0.5, 0.5)
        assert tell(read_run(found))


def test_a_run_that_flew_apart_says_so_in_its_result(settings: Settings, drawn: Dataset) -> None:
    run = RunStore(settings).create(TrainConfig.model_validate({"dataset": "drawn", **SCRATCH, "learning_rate": 1e6}))
    run.write_result(RunState.FAILED, "The loss stopped being a finite number.", 1.0, cause=DIVERGED)
    assert [reading.kind for reading in read_run(gather_facts(run))] == ["diverged"]
