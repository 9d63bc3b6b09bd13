"""Answers in words."""

import pytest

from core.predict.answers_in_words import Totals, count_answers, describe_sureness, introduce_class
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
