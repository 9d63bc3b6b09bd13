"""The rules on test results find what they should, and nothing on near misses."""

import dataclasses

from core.coach import result_rules
from core.coach.picture_facts import PictureFacts
from core.coach.review import review_run
from tests.support.curve_facts import HEALTHY, evaluated, kinds, score


def test_one_answer_to_everything_is_an_alarm_and_not_also_guessing() -> None:
    scores = (score("cat", 90, 0, 0), score("dog", 90, 90, 180))
    found = dataclasses.replace(HEALTHY, tested=evaluated(90, 180), scores=scores)
    assert kinds(found)[0] == "one-answer"
    assert "guessing" not in kinds(found)
    assert "healthy" not in kinds(found)
    balanced = dataclasses.replace(found, scores=(score("cat", 90, 5, 10), score("dog", 90, 85, 170)))
    assert result_rules.find_one_answer(balanced) is None


def test_a_class_that_is_never_found_is_reported_with_its_share() -> None:
    scores = (score("cat", 20, 1, 1), score("dog", 100, 99, 119), score("hen", 60, 60, 60))
    found = dataclasses.replace(
        HEALTHY, classes=3, tested=evaluated(160, 180), scores=scores, dataset=PictureFacts((10, 55, 35))
    )
    [finding] = [item for item in review_run(found, None) if item.kind == "ignored-class"]
    assert "1 of 20" in finding.evidence
    assert "10.0 % of the training pictures" in finding.evidence
    assert "Add training pictures of “cat”" in finding.advice
    few = (score("cat", 4, 0, 0), score("dog", 100, 99, 119), score("hen", 60, 60, 60))
    assert result_rules.find_ignored_class(dataclasses.replace(found, scores=few)) is None
    one_of_many = (score("cat", 8, 0, 0), *(score(f"kind {number}", 8, 8, 8) for number in range(39)))
    assert result_rules.find_ignored_class(dataclasses.replace(found, scores=one_of_many[:2])) is not None
    assert result_rules.find_ignored_class(dataclasses.replace(found, scores=one_of_many)) is None, "the worst of 40"
    half = (score("cat", 20, 10, 10), score("dog", 100, 99, 119), score("hen", 60, 60, 60))
    assert result_rules.find_ignored_class(dataclasses.replace(found, scores=half)) is None


def test_an_accuracy_at_the_most_common_class_is_guessing() -> None:
    scores = (score("cat", 40, 10, 30), score("dog", 60, 42, 70))
    at = dataclasses.replace(HEALTHY, tested=evaluated(52, 100), scores=scores)
    finding = result_rules.find_guessing(at)
    assert finding is not None
    assert (finding.level, finding.title) == ("alarm", "No better than guessing")
    above = result_rules.find_guessing(dataclasses.replace(at, tested=evaluated(65, 100)))
    assert above is not None
    assert above.level == "warning"
    assert result_rules.find_guessing(dataclasses.replace(at, tested=evaluated(75, 100))) is None


def test_a_test_with_one_class_only_is_not_called_guessing() -> None:
    scores = (score("a", 0, 0, 0), score("b", 40, 40, 40), score("c", 0, 0, 0))
    found = dataclasses.replace(HEALTHY, classes=3, tested=evaluated(40, 40), scores=scores)
    assert not {"guessing", "one-answer", "ignored-class", "drop"} & set(kinds(found))


def test_a_class_missing_in_the_test_makes_its_drop_another_task() -> None:
    scores = (score("cat", 180, 135, 135), score("dog", 0, 0, 45))
    found = dataclasses.replace(HEALTHY, tested=evaluated(135, 180), scores=scores)
    assert result_rules.find_drop(found) is None


def test_few_pictures_are_not_called_guessing_but_their_interval_names_it() -> None:
    scores = (score("cat", 2, 1, 2), score("dog", 2, 1, 2))
    found = dataclasses.replace(HEALTHY, tested=evaluated(2, 4), scores=scores)
    assert result_rules.find_guessing(found) is None
    finding = result_rules.find_few_images(found)
    assert finding is not None
    assert "Always answering “cat” would reach 50.0 %." in finding.evidence
    rare = (score("ok", 43, 43, 45), score("defect", 2, 0, 0))
    narrow = result_rules.find_few_images(dataclasses.replace(found, tested=evaluated(43, 45), scores=rare))
    assert narrow is not None
    assert "Always answering “ok” would reach 95.6 %" in narrow.evidence


def test_too_few_pictures_are_reported_with_how_many_it_takes() -> None:
    finding = result_rules.find_few_images(dataclasses.replace(HEALTHY, tested=evaluated(24, 36)))
    assert finding is not None
    assert "24 of 36" in finding.evidence
    assert "about 350 test pictures" in finding.advice
    assert result_rules.find_few_images(HEALTHY) is None


def test_a_test_well_below_validation_is_reported_and_a_little_below_is_not() -> None:
    assert result_rules.find_drop(dataclasses.replace(HEALTHY, tested=evaluated(135, 180))) is not None
    assert result_rules.find_drop(dataclasses.replace(HEALTHY, tested=evaluated(160, 180))) is None
    assert result_rules.find_drop(dataclasses.replace(HEALTHY, tested=evaluated(135, 180, "val"))) is None
    assert result_rules.find_drop(dataclasses.replace(HEALTHY, tested=evaluated(0, 1))) is None, (
        "one picture means nothing"
    )
    assert result_rules.find_drop(dataclasses.replace(HEALTHY, tested=evaluated(8, 10))) is None
