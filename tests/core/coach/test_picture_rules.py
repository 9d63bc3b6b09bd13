"""The rules on pictures: mirror images, single pictures, cropped-away subjects."""

import dataclasses

import numpy as np

from core.coach import picture_rules
from core.coach.picture_facts import CutResult, PictureFacts, pictures_in
from core.coach.review import review_run
from core.coach.run_facts import RunFacts, facts_of, gather_facts
from core.config.events import Mirrored
from core.config.train_config import TrainConfig
from core.datasets.dataset import Dataset
from core.runs.history import RunHistory
from core.runs.run_store import RunStore
from core.settings import Settings
from core.statistics.predictions import PredictionTable
from tests.support.curve_facts import FLAT, HEALTHY, evaluated, kinds, score

SWAPPED = Mirrored(20, [[0, 0, 1, 9], [0, 0, 0, 1], [1, 1, 0, 8], [1, 1, 1, 2]], [], 0.1)
ERASED = Mirrored(
    40, [[0, 0, 0, 11], [0, 1, 1, 9], [1, 0, 0, 10], [1, 1, 1, 10]], [[0, 0, 19], [0, 1, 1], [1, 1, 18], [1, 0, 2]], 0.1
)


def with_flips(flips: bool, mirrored: Mirrored, found: RunFacts = HEALTHY) -> RunFacts:
    # a head of one stored view would see no flips, whatever the form says
    config = found.config.model_copy(update={"augment_flip": flips, "stored_views": 0})
    return dataclasses.replace(found, config=config, mirrored=mirrored)


def test_classes_that_mirroring_swaps_turn_flips_off() -> None:
    finding = review_run(with_flips(True, SWAPPED))[0]
    assert (finding.kind, finding.level) == ("flips-harm", "alarm")
    assert finding.title == "Random flips turn “cat” into “dog”"
    assert "Mirrored, 9 of 10 validation pictures of “cat” are taken for “dog”; as they are, 0." in finding.evidence
    assert finding.change == {"augment_flip": False}


def test_without_flips_the_same_is_only_worth_knowing() -> None:
    found = review_run(with_flips(False, SWAPPED), limit=None)
    assert "flips-harm" not in [item.kind for item in found]
    [finding] = [item for item in found if item.kind == "flips-off"]
    assert (finding.level, dict(finding.change)) == ("fine", {})


def test_a_head_that_saw_one_plain_view_is_not_advised_to_turn_off_flips_that_it_never_had() -> None:
    facts = with_flips(True, SWAPPED)
    plain = dataclasses.replace(facts, config=facts.config.model_copy(update={"strategy": "head", "stored_views": 1}))
    found = [item.kind for item in review_run(plain, limit=None)]
    assert "flips-harm" not in found
    assert "flips-off" in found


def test_one_class_may_turn_into_a_larger_one_and_not_back() -> None:
    left = Mirrored(40, [[0, 0, 1, 18], [0, 0, 0, 2], [1, 1, 1, 19], [1, 1, 0, 1]], [], 0.1)
    finding = picture_rules.find_flips(with_flips(True, left))
    assert finding is not None
    assert "“cat” into “dog”" in finding.title


def test_a_network_that_flips_have_left_at_chance_is_recognised_by_what_left_and_right_show() -> None:
    found = kinds(with_flips(True, ERASED, dataclasses.replace(FLAT, names=("cat", "dog"))))
    assert found[0] == "flips-harm"
    assert "underfitting" not in found
    finding = picture_rules.find_flips(with_flips(True, ERASED))
    assert finding is not None
    assert "21 of 40 validation pictures" in finding.evidence
    assert "gets 37 of 40" in finding.evidence


def test_what_does_not_hang_on_left_and_right_is_left_alone() -> None:
    plain = [[0, 0, 0, 19], [0, 1, 1, 1], [1, 1, 1, 20]]
    for mirrored in (
        Mirrored(40, plain, [[0, 0, 10], [0, 1, 10], [1, 0, 9], [1, 1, 11]], 0.1),
        Mirrored(40, plain, ERASED.oriented, 0.1),  # it learned all the same
        Mirrored(40, ERASED.answers, [[0, 0, 12], [0, 1, 8], [1, 0, 9], [1, 1, 11]], 0.1),  # it merely learned nothing
        Mirrored(20, [[0, 0, 0, 7], [0, 0, 1, 3], [1, 1, 1, 8], [1, 1, 0, 2]], [], 0.1),  # a little worse
        Mirrored(20, [[0, 1, 1, 10], [1, 1, 1, 10]], [], 0.1),  # always the same answer
        Mirrored(4, [[0, 0, 1, 2], [1, 1, 0, 2]], [], 0.1),  # four pictures
    ):
        assert picture_rules.find_flips(with_flips(True, mirrored)) is None, mirrored
    assert picture_rules.find_flips(HEALTHY) is None, "a run of before"


def test_classes_of_one_picture_are_named() -> None:
    few = dataclasses.replace(HEALTHY, dataset=PictureFacts((1, 839)))
    [finding] = [item for item in review_run(few) if item.kind == "one-picture"]
    assert finding.evidence.startswith("“cat” has one training picture:")
    assert "one-picture" not in kinds(dataclasses.replace(HEALTHY, dataset=PictureFacts((2, 838))))
    many = dataclasses.replace(HEALTHY, names=tuple("abcdef"), classes=6, dataset=PictureFacts((1,) * 6))
    finding = picture_rules.find_single(many)  # type: ignore[assignment]
    assert finding is not None
    assert "“a”, “b”, “c”, “d” and 2 more have one training picture each" in finding.evidence


def test_pictures_whose_ends_are_cut_off_explain_a_bad_result() -> None:
    scores = (score("circle", 90, 45, 90), score("square", 90, 45, 90))
    wide = PictureFacts((420, 420), frozenset(), 840)
    bad = dataclasses.replace(FLAT, dataset=wide, tested=evaluated(90, 180), scores=scores)
    finding = picture_rules.find_cut(bad)
    assert finding is not None
    assert "840 of 840 training pictures have one side at least twice as long" in finding.evidence
    assert picture_rules.find_cut(dataclasses.replace(HEALTHY, dataset=wide)) is None, "it does well"
    assert picture_rules.find_cut(dataclasses.replace(bad, dataset=PictureFacts((420, 420), frozenset(), 100))) is None


def test_pictures_that_are_cut_and_do_worse_than_the_others_are_reported_in_a_good_run() -> None:
    some = dataclasses.replace(HEALTHY, dataset=PictureFacts((420, 420), frozenset(), 100))
    worse = dataclasses.replace(some, cut_result=CutResult((9, 20), (157, 160)))
    finding = picture_rules.find_cut(worse)
    assert finding is not None
    assert "45.0 % are right (n = 20), of all others 98.1 % (n = 160)" in finding.evidence
    same = dataclasses.replace(some, cut_result=CutResult((18, 20), (148, 160)))
    assert picture_rules.find_cut(same) is None


def test_the_facts_of_pictures_come_from_the_dataset(drawn: Dataset) -> None:
    assert pictures_in(drawn).cut == frozenset()
    rows = tuple(dataclasses.replace(row, width=480, height=240) if row.index < 20 else row for row in drawn.rows)
    found = pictures_in(dataclasses.replace(drawn, rows=rows))
    assert found.cut == frozenset(range(20))
    assert found.cut_in_training == sum(row.split == "train" for row in rows[:20])
    assert sum(found.training) == len(drawn.rows_of("train"))
    answers = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0]])
    table = PredictionTable("test", ("a", "b"), ("1", "2", "3"), np.array([1, 2, 99]), np.array([0, 0, 1]), answers)
    assert found.split_result(table) == CutResult((1, 2), (1, 1))


def test_a_damaged_log_does_not_stop_the_coach(settings: Settings, drawn: Dataset, small_config: TrainConfig) -> None:
    run = RunStore(settings).create(small_config)
    history = RunHistory(mirrored=Mirrored(1, [[7, 0, 0, 1]], [], 0.1))
    assert facts_of(run.config(), run.meta(), run.state(), history, None, None).mirrored is None
    assert gather_facts(run).mirrored is None
