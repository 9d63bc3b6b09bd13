"""Cases for the coach's rules: trainings in which what a rule says is not so, and clear cases in which it is."""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from core.coach.fit_rules import describe_weakness
from core.coach.picture_facts import CutResult, PictureFacts
from core.coach.review import RULES
from core.coach.run_facts import RunFacts
from core.config.events import Tested
from core.statistics.class_scores import ClassScore
from tests.support.simulated_histories import History, simulate, simulate_mirrored

Rng = np.random.Generator
RATES: tuple[Mapping[str, Any], ...] = (
    {}, {"learning_rate": 0.001}, {"learning_rate": 0.005}, {"learning_rate": 0.0001}, {"find_rate": True},
)  # fmt: skip
CALM, RESTLESS = ("calm", {"wobble": 0.03, "luck": 0.1}), ("restless", {"wobble": 0.15, "luck": 0.5})
WRONG = "rate-high rate-low one-answer guessing ignored-class unfinished overfitting underfitting weak drop early-best"


@dataclass(frozen=True)
class Case:
    """A kind of training, of which any number can be drawn."""

    name: str
    draw: Callable[[Rng], RunFacts]

    def kinds(self, rng: Rng) -> list[str]:
        """What the rules say of one such training, each by itself."""
        facts = self.draw(rng)
        return [found.kind for rule in (*RULES, describe_weakness) if (found := rule(facts)) is not None]


def _healthy() -> list[Case]:
    cases = []
    settings = product((0.85, 0.92, 0.98), (2, 10), (5, 10, 30), (20, 60, 180), (0.0, 0.04), (CALM, RESTLESS))
    for place, (accuracy, classes, epochs, images, gap, (word, curve)) in enumerate(settings):
        config = RATES[place % len(RATES)]
        history = History(accuracy, gap, classes, epochs, images, images, config=config, **curve)
        name = f"{word}, {accuracy:.0%} right, gap {gap:.0%}, {classes} classes, {epochs} epochs, n = {images}"
        cases.append(Case(name, lambda rng, history=history: _with_rate(simulate(history, rng))))
    return cases


def _with_rate(facts: RunFacts) -> RunFacts:
    """A search finds a rate three times the usual one."""
    return dataclasses.replace(facts, found_rate=0.003 if facts.config.find_rate else None)


def _of(history: History, **more: Any) -> Callable[[Rng], RunFacts]:
    return lambda rng: dataclasses.replace(simulate(history, rng), **more)


def _changing() -> list[Case]:
    """The accuracy rises or falls by 15 points in the second half, or most is learned there."""
    cases = []
    for images, epochs in product((60, 180), (8, 15, 30)):
        for name, history in (
            ("rising", History(0.7, late=0.15, settled=0.3)),
            ("falling", History(0.85, late=-0.15, settled=0.3)),
        ):
            changed = dataclasses.replace(history, epochs=epochs, validation=images, test=images)
            cases.append(Case(f"{name}, {epochs} epochs, n = {images}", _of(changed)))
    return cases


def _mirrored(
    images: int, classes: int, plain: float, mirrored: float, *, swaps: bool = False, flips: bool = True
) -> Callable[[Rng], RunFacts]:
    history = History(classes=classes, epochs=4, validation=20, test=20, config={"augment_flip": flips})

    def draw(rng: Rng) -> RunFacts:
        found = simulate_mirrored(images, classes, plain, mirrored, rng, swaps=swaps)
        return dataclasses.replace(simulate(history, rng), mirrored=found)

    return draw


def _unmirrored() -> list[Case]:
    return [
        Case(f"{plain:.0%} right, mirrored {turned:.0%}, {classes} classes, {images} of each", draw)
        for images, classes, (plain, turned) in product(
            (3, 10, 20), (2, 10), ((0.95, 0.95), (0.9, 0.75), (0.7, 0.6), (0.5, 0.5))
        )
        for draw in (_mirrored(images, classes, plain, turned),)
    ]


def _cut(rng: Rng, images: int, cut: float, whole: float) -> RunFacts:
    history = History(min(cut, whole), gap=0.0, epochs=6, validation=images, test=images)
    facts = simulate(history, rng)
    half = images // 2
    result = CutResult((int(rng.binomial(half, cut)), half), (int(rng.binomial(half, whole)), half))
    right = result.cut[0] + result.whole[0]
    tested = Tested("test", right, 2 * half, right / (2 * half), 0.3, 1, 1.0)
    pictures = PictureFacts((facts.training_images // 2,) * 2, frozenset(), facts.training_images // 2)
    return dataclasses.replace(facts, dataset=pictures, cut_result=result, tested=tested)


def _whole() -> list[Case]:
    return [
        Case(f"{accuracy:.0%} right, n = {images}", lambda rng, n=images, share=accuracy: _cut(rng, n, share, share))
        for accuracy, images in product((0.85, 0.95), (20, 60, 180))
    ]


def _with_scores(recalls: tuple[float, ...], images: int, answer: int | None = None) -> Callable[[Rng], RunFacts]:
    """A test result with these recalls; with `answer`, every picture is taken for that class."""

    def draw(rng: Rng) -> RunFacts:
        each = images // len(recalls)
        right = [int(rng.binomial(each, share)) for share in recalls]
        if answer is not None:
            right = [each if place == answer else 0 for place in range(len(recalls))]
        missed = images - sum(right)
        scores = tuple(
            ClassScore(f"class {place}", None, count / each, None, each,
                       count + (missed if place == (answer or 0) else 0), count)
            for place, count in enumerate(right)
        )  # fmt: skip
        total = each * len(recalls)
        tested = Tested("test", sum(right), total, sum(right) / total, 0.3, 1, 1.0)
        facts = simulate(History(classes=len(recalls), epochs=6), rng)
        return dataclasses.replace(facts, scores=scores, tested=tested)

    return draw


def _exploded(rng: Rng) -> RunFacts:
    facts = simulate(History(0.6, epochs=6, config={"learning_rate": 0.05}), rng)
    epochs = tuple(dataclasses.replace(e, train_loss=e.train_loss * float(rng.uniform(3, 30))) for e in facts.epochs)
    return dataclasses.replace(facts, epochs=epochs)


def _clear(images: int) -> dict[str, Callable[[Rng], RunFacts]]:
    def history(accuracy: float, **more: Any) -> Callable[[Rng], RunFacts]:
        return _of(History(accuracy, validation=images, test=images, **more))

    return {
        "rate-high": _exploded,
        "rate-low": history(0.56, epochs=8, settled=2.0, config={"learning_rate": 1e-5}),
        "one-answer": _with_scores((1.0, 0.0), images, answer=0),
        "guessing": history(0.5),
        "ignored-class": _with_scores((0.95, 0.95, 0.03), images),
        "unfinished": history(0.95, epochs=12, settled=2.0, wobble=0.03, luck=0.2),
        "overfitting": history(0.7, gap=0.28),
        "underfitting": history(0.6),
        "weak": history(0.58, gap=0.12),
        "drop": history(0.95, harder=-0.3),
        "early-best": history(0.9, late=-0.3, settled=0.2, epochs=15),
        "plateau": history(0.9, settled=0.2, epochs=20, wobble=0.01, luck=0.05),
        "noise": history(0.85, epochs=12, wobble=0.05),
        "flips-harm": _mirrored(10, 2, 0.9, 0.9, swaps=True),
        "flips-off": _mirrored(10, 2, 0.9, 0.9, swaps=True, flips=False),
        "cut-away": lambda rng: _cut(rng, images, 0.55, 0.95),
    }


NULLS: dict[str, list[Case]] = {
    WRONG: _healthy(),
    "noise plateau": _changing(),
    "flips-harm": _unmirrored(),
    "cut-away": _whole(),
}  # kinds of findings -> trainings of which they are not true
CLEAR: dict[str, list[Case]] = {}  # kind of finding -> trainings of which it is clearly true
for _images in (60, 180):
    for _kind, _draw in _clear(_images).items():
        CLEAR.setdefault(_kind, []).append(Case(f"n = {_images}", _draw))
CLEAR["flips-harm"].append(Case("erased, 10 of each", _mirrored(10, 2, 0.5, 0.5, swaps=True)))
