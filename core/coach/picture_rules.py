"""Rules on a run's pictures: left and right, classes of one picture, subjects that the square crop cuts away.

Each is a pure function of `RunFacts` that returns a finding, or None. Thresholds are named here with their reason.
"""

from collections import Counter
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from core.coach.coach_finding import CoachFinding
from core.coach.fit_rules import is_far_from_good
from core.coach.run_facts import RunFacts
from core.config.events import Mirrored
from core.formatting import format_percent, join_names
from core.statistics.comparison import mcnemar_p_value
from core.statistics.metrics import wilson_interval

BY_CHANCE = 0.05  # how often a rule may speak where there is nothing
WORSE = 1 / 3  # of a class's mirrored pictures taken for another class: so many may be a network's own weakness
ONE_SIDED = 0.9  # level of an interval whose lower end alone counts: 5 % lie below it
ORIENTED = 0.75  # of two classes' pictures that left and right alone tell apart: less is a habit, not the subject
MANY_CUT = 0.5  # of the training pictures: fewer do not spoil a training
MIN_CUT = 5  # pictures tested, for their accuracy to mean anything
MAX_NAMED = 4


@dataclass(frozen=True)
class Swap:
    """Two classes of which mirroring turns the first into the second.

    Attributes:
        a, b: their numbers.
        plain, mirrored: of the `images` of `a`, those taken for `b` as they are, and mirrored.
    """

    a: int
    b: int
    plain: int
    mirrored: int
    images: int


@dataclass(frozen=True)
class Erased:
    """Two classes that the network cannot tell apart, and that differ in left and right.

    Attributes:
        a, b: their numbers.
        network, oriented: pictures right, and pictures, of the network and of the small classifier.
    """

    a: int
    b: int
    network: tuple[int, int]
    oriented: tuple[int, int]


def find_flips(facts: RunFacts) -> CoachFinding | None:
    """Random flips that mix two classes up, because one is the mirror image of the other."""
    if not facts.config.flipped or facts.mirrored is None:
        return None
    names = facts.names
    swap = detect_swap(facts.mirrored)
    if swap is not None:
        a, b, evidence = names[swap.a], names[swap.b], _describe(swap, names)
    else:
        erased = detect_erased(facts.mirrored)
        if erased is None:
            return None
        a, b = names[erased.a], names[erased.b]
        (right, n), (known, of) = erased.network, erased.oriented
        evidence = (
            f"It cannot tell “{a}” from “{b}”: {right} of {n} validation pictures of the two are right, as by guessing"
            f". A small classifier that sees nothing but left and right gets {known} of {of}"
        )
    return CoachFinding(
        "flips-harm",
        "alarm",
        f"Random flips turn “{a}” into “{b}”",
        f"{evidence}.",
        f"Turn off random flips: a mirrored “{a}” is shown with the wrong label.",
        {"augment_flip": False},
    )


def find_sides(facts: RunFacts) -> CoachFinding | None:
    """Classes that mirroring mixes up, in a run that rightly had no random flips."""
    if facts.config.flipped or facts.mirrored is None:
        return None
    swap = detect_swap(facts.mirrored)
    if swap is None:
        return None
    a, b = facts.names[swap.a], facts.names[swap.b]
    return CoachFinding(
        "flips-off",
        "fine",
        f"Mirroring turns “{a}” into “{b}”",
        f"{_describe(swap, facts.names)}.",
        "Leave random flips off for these classes, in every run that you compare with this one.",
    )


def find_single(facts: RunFacts) -> CoachFinding | None:
    """Classes with a single training picture."""
    counts = facts.dataset.training if facts.dataset is not None else ()
    single = [name for name, count in zip(facts.names, counts, strict=False) if count == 1]
    if not single:
        return None
    shown = [f"“{name}”" for name in single[:MAX_NAMED]]
    if len(single) > MAX_NAMED:
        shown.append(f"{len(single) - MAX_NAMED} more")
    one = len(single) == 1
    return CoachFinding(
        "one-picture",
        "warning",
        "A class with a single training picture" if one else f"{len(single)} classes with a single training picture",
        f"{join_names(shown)} {'has' if one else 'have'} one training picture{'' if one else ' each'}: from it a "
        "network learns that picture, not the class.",
        "Add pictures of it: ten are a start." if one else "Add pictures of them: ten of each are a start.",
        lesson="accuracy",
    )


def find_cut(facts: RunFacts) -> CoachFinding | None:
    """Pictures much wider or higher than the square that the network sees, where it does badly."""
    pictures, result, n = facts.dataset, facts.cut_result, facts.training_images
    if pictures is None or not n or not pictures.cut_in_training or facts.config.fit != "crop":
        return None
    seen = (
        f"{pictures.cut_in_training:,} of {n:,} training pictures have one side at least twice as long as the other, "
        "and the network sees the square in the middle: half of them or less"
    )
    if result is not None and _worse_when_cut(result.cut, result.whole):
        (right, cut), (other, whole) = result.cut, result.whole
        seen += (
            f". Of such pictures {format_percent(right / cut)} are right (n = {cut:,}), of all others "
            f"{format_percent(other / whole)} (n = {whole:,})"
        )
    elif pictures.cut_in_training < MANY_CUT * n or not _does_badly(facts):
        return None
    return CoachFinding(
        "cut-away",
        "warning",
        "The subject may lie outside of what the network sees",
        f"{seen}.",
        "Squeeze the pictures into the square, or crop them around their subjects and import them again.",
        {"fit": "squeeze"},
    )


def detect_swap(mirrored: Mirrored) -> Swap | None:
    """The two classes of which mirroring turns one into the other for the finished weights; None where there are none.

    More pictures of the two change sides by mirroring than change back (sign test, corrected for the number of pairs),
    and more mirrored pictures of the one are taken for the other than a network does that is only worse at them.
    """
    images: Counter[int] = Counter()
    plain_as: Counter[tuple[int, int]] = Counter()
    mirrored_as: Counter[tuple[int, int]] = Counter()
    for label, plain, turned, count in mirrored.answers:
        images[label] += count
        plain_as[label, plain] += count
        mirrored_as[label, turned] += count
    found: list[tuple[int, Swap]] = []
    pairs = list(combinations(sorted(images), 2))
    for a, b in pairs:
        # the larger share first: the other way round it may be a larger class that holds the mirror image
        one, other = sorted(((a, b), (b, a)), key=lambda pair: -mirrored_as[pair] / images[pair[0]])
        if wilson_interval(mirrored_as[one], images[one[0]], ONE_SIDED).low < WORSE:
            continue
        away = _count(mirrored, [(x, x, y) for x, y in (one, other)])
        back = _count(mirrored, [(x, y, x) for x, y in (one, other)])
        if away > back and mcnemar_p_value(away, back) * len(pairs) < BY_CHANCE:
            found.append((away - back, Swap(*one, plain_as[one], mirrored_as[one], images[one[0]])))
    return max(found, key=lambda item: item[0])[1] if found else None


def detect_erased(mirrored: Mirrored) -> Erased | None:
    """Two classes between which a network answers at chance, while left and right alone tell them apart."""
    for a, b in combinations(sorted({row[0] for row in mirrored.oriented}), 2):
        network = _right_of([(label, answer, count) for label, answer, _, count in mirrored.answers], a, b)
        oriented = _right_of([(label, answer, count) for label, answer, count in mirrored.oriented], a, b)
        low, high = wilson_interval(*oriented).low, wilson_interval(*network).high
        at_chance = wilson_interval(*network).low <= 1 / 2
        if at_chance and oriented[0] >= ORIENTED * max(oriented[1], 1) and low > high:
            return Erased(a, b, network, oriented)
    return None


def _right_of(rows: list[tuple[int, int, int]], a: int, b: int) -> tuple[int, int]:
    """Of the pictures of two classes that are taken for one of the two: those that are right, and all."""
    inside = [(label == answer, count) for label, answer, count in rows if label in (a, b) and answer in (a, b)]
    return sum(count for right, count in inside if right), sum(count for _, count in inside)


def _count(mirrored: Mirrored, wanted: list[tuple[int, int, int]]) -> int:
    return sum(row[-1] for row in mirrored.answers if tuple(row[:-1]) in wanted)


def _describe(swap: Swap, names: tuple[str, ...]) -> str:
    return (
        f"Mirrored, {swap.mirrored} of {swap.images} validation pictures of “{names[swap.a]}” are taken for "
        f"“{names[swap.b]}”; as they are, {swap.plain}"
    )


def _does_badly(facts: RunFacts) -> bool:
    tested = facts.tested
    return tested is not None and is_far_from_good(facts, tested.accuracy, tested.images)


def _worse_when_cut(cut: tuple[int, int], whole: tuple[int, int]) -> bool:
    if cut[1] < MIN_CUT or whole[1] < MIN_CUT or cut[0] * whole[1] >= whole[0] * cut[1]:
        return False
    from scipy.stats import fisher_exact  # takes half a second to import

    counts = [[cut[0], cut[1] - cut[0]], [whole[0], whole[1] - whole[0]]]
    return bool(fisher_exact(np.array(counts), alternative="less").pvalue < BY_CHANCE / 2)
