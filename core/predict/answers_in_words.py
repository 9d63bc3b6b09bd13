"""Answers of a network in words: the class, how sure it is, and the totals of many pictures. Imports no torch."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from core.formatting import format_percent, format_probability
from core.novelty.conformal import DEFAULT_PROMISE
from core.predict.predictor_answers import Prediction

UNSURE_BELOW = 0.6  # of the most probable class
UNSURE_NOTE = f"Unsure: the most probable class has less than {format_percent(UNSURE_BELOW, 0)}."
SURE = ((0.95, "very sure"), (0.8, "fairly sure"), (UNSURE_BELOW, "not very sure"))
THING = re.compile(r"[^\W\d_]+([ _-][^\W\d_]+)*")  # words, which can follow an article


@dataclass(frozen=True)
class Totals:
    """How many pictures got which answer.

    Attributes:
        classes: name and count of the answers that are not unsure, most frequent first.
        unsure: pictures that may be of more than one class.
        strange: pictures unlike anything the network was trained on.
        damaged: pictures without an answer.
    """

    classes: tuple[tuple[str, int], ...]
    unsure: int
    damaged: int
    strange: int = 0

    @property
    def answered(self) -> int:
        """All pictures that were asked about."""
        return sum(count for _, count in self.classes) + self.unsure + self.strange + self.damaged


def is_unsure(probability: float) -> bool:
    """Whether an answer with this probability is called unsure."""
    return probability < UNSURE_BELOW


def describe_sureness(probability: float) -> str:
    """How sure an answer with this probability is."""
    return next((words for least, words in SURE if probability >= least), "unsure")


def introduce_class(label: str, probability: float) -> str:
    """What stands before the name of the most probable class: `This is a `, `Perhaps an `, `Answer: `."""
    unsure = is_unsure(probability)
    if not THING.fullmatch(label) or (label.endswith("s") and not label.endswith("ss")):
        return "Perhaps: " if unsure else "Answer: "  # a number, a code, a plural
    article = "an" if label[0].lower() in "aeiou" else "a"
    return f"{'Perhaps' if unsure else 'This is'} {article} "


STRANGE = "This looks unlike anything it was trained on"
MAX_NAMED = 3  # classes of a set


def is_strange(answer: Prediction, promise: float = DEFAULT_PROMISE) -> bool:
    """Whether the picture is unlike what the network was trained on."""
    return answer.not_sure is not None and answer.not_sure.refused(promise)


def may_be(answer: Prediction, promise: float = DEFAULT_PROMISE) -> tuple[str, ...]:
    """The classes that a picture may be, most probable first; its own answer alone where no promise can be made."""
    own = () if answer.label is None else (answer.label,)
    return (answer.not_sure.set_at(promise) if answer.not_sure is not None else None) or own


def join_classes(names: Sequence[str]) -> str:
    """Such as `cat or dog`, `cat, dog or cow`, `cat, dog or one of 8 others`."""
    if len(names) > MAX_NAMED:
        names = [*names[: MAX_NAMED - 1], f"one of {len(names) - MAX_NAMED + 1} others"]
    return " or ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def describe_answer(answer: Prediction, promise: float = DEFAULT_PROMISE) -> str:
    """An answer in one line: `dog, 97 %`; `cat or dog (cat 61 %)`; `not sure: unlike …`."""
    if answer.label is None or answer.probability is None:
        return answer.error or ""
    share = format_probability(answer.probability)
    if is_strange(answer, promise):
        return f"not sure: unlike anything it was trained on (nearest class: {answer.label})"
    names = may_be(answer, promise)
    return f"{answer.label}, {share}" if len(names) == 1 else f"{join_classes(names)} ({answer.label} {share})"


def is_open(answer: Prediction, promise: float = DEFAULT_PROMISE) -> bool:
    """Whether more than one class is possible; without a promise, whether its probability is small."""
    if answer.not_sure is not None and answer.not_sure.set_at(promise) is not None:
        return len(may_be(answer, promise)) > 1
    return answer.probability is not None and is_unsure(answer.probability)


def count_answers(answers: Iterable[Prediction], promise: float = DEFAULT_PROMISE) -> Totals:
    """The totals of many pictures."""
    counts: Counter[str] = Counter()
    unsure = damaged = strange = 0
    for answer in answers:
        if answer.label is None or answer.probability is None:
            damaged += 1
        elif is_strange(answer, promise):
            strange += 1
        elif is_open(answer, promise):
            unsure += 1
        else:
            counts[answer.label] += 1
    return Totals(tuple(counts.most_common()), unsure, damaged, strange)
