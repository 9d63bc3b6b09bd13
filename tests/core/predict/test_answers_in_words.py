"""Answers in words."""

import pytest

from core.novelty.not_sure import NotSure
from core.predict.answers_in_words import (
    Totals,
    count_answers,
    describe_answer,
    describe_sureness,
    introduce_class,
    join_classes,
)
from core.predict.predictor_answers import Prediction


@pytest.mark.parametrize(
    ("label", "probability", "words"),
    [
        ("cat", 0.9, "This is a "),
        ("Airedale_terrier", 0.6, "This is an "),
        ("cat", 0.59, "Perhaps a "),
        ("dogs", 0.9, "Answer: "),
        ("grass", 0.9, "This is a "),
        ("1e3", 0.3, "Perhaps: "),
        ("<b>", 0.9, "Answer: "),
    ],
)
def test_a_class_is_introduced_by_words_that_suit_its_name(label: str, probability: float, words: str) -> None:
    assert introduce_class(label, probability) == words


def test_how_sure_an_answer_is_follows_its_probability() -> None:
    words = [describe_sureness(probability) for probability in (1.0, 0.95, 0.8, 0.6, 0.599, 0.1)]
    assert words == ["very sure", "very sure", "fairly sure", "not very sure", "unsure", "unsure"]


def test_totals_count_classes_unsure_and_damaged_pictures() -> None:
    def answer(label: str | None, probability: float | None) -> Prediction:
        return Prediction("a.jpg", label, probability, (), 1.0)

    found = count_answers([answer("dog", 0.9), answer("cat", 0.7), answer("dog", 0.8), answer("cat", 0.5)])
    assert found == Totals((("dog", 2), ("cat", 1)), unsure=1, damaged=0)
    assert count_answers([answer(None, None)]) == Totals((), 0, 1)
    assert found.answered == 4


def doubtful(p_value: float, *names: str, images: int = 60) -> Prediction:
    found = NotSure(p_value, images, ((0.05, names),))
    return Prediction("a.jpg", names[0], 0.995, (), 1.0, not_sure=found)


def test_a_strange_picture_and_one_of_two_classes_are_described_in_one_line() -> None:
    assert describe_answer(doubtful(0.5, "dog")) == "dog, >99 %"
    assert describe_answer(doubtful(0.5, "dog", "cat")) == "dog or cat (dog >99 %)"
    assert describe_answer(doubtful(0.02, "dog", "cat")) == (
        "not sure: unlike anything it was trained on (nearest class: dog)"
    )
    assert describe_answer(doubtful(0.02, "dog"), 0.01) == "dog, >99 %", "another promise"
    assert describe_answer(Prediction("a.jpg", None, None, (), 1.0, "It is damaged.")) == "It is damaged."


def test_many_classes_are_shortened() -> None:
    assert join_classes(("cat", "dog", "cow")) == "cat, dog or cow"
    assert join_classes(("cat", "dog", "cow", "ant", "bee")) == "cat, dog or one of 3 others"


def test_totals_count_strange_pictures_and_those_of_several_classes() -> None:
    found = count_answers([doubtful(0.02, "dog"), doubtful(0.5, "dog", "cat"), doubtful(0.5, "dog")])
    assert (found.classes, found.unsure, found.strange, found.answered) == ((("dog", 1),), 1, 1, 3)
