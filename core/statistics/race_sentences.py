"""The sentences about a race: who is better, by how much, how sure that is, and what would settle what is open."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from core.formatting import (
    OPTIMISTIC,
    capitalise,
    count_images,
    count_seeds,
    describe_cost,
    format_p,
    join_names,
    round_up,
)
from core.statistics.comparison import Arm, images_needed
from core.statistics.metrics import Interval, format_level, format_points
from core.statistics.seeds import Difference

if TYPE_CHECKING:
    from core.statistics.race_comparison import ArmScore, PairJudgement

_POWER_QUANTILE = 0.84  # of the normal distribution: a difference is shown four times in five
_MAX_SEEDS_NAMED = 30


@dataclass(frozen=True, eq=False)
class PairFacts:
    """Two arms, their difference (b minus a) and what is known of its variance.

    Attributes:
        detail: with one seed: pictures that only a, and that only b gets right; with several: parts of the variance.
    """

    arm_a: ArmScore
    arm_b: ArmScore
    difference: float
    interval: Interval
    p_value: float
    detail: tuple[int, int] | Difference

    @property
    def a(self) -> str:
        return self.arm_a.name

    @property
    def b(self) -> str:
        return self.arm_b.name


def describe_pair(facts: PairFacts, split: str, better: Arm | None, p_adjusted: float, pairs: int) -> str:
    """One sentence about two arms (and a second one on validation pictures).

    Args:
        better: the one shown to be better.
        p_adjusted: the p-value that decided.
        pairs: how many were compared at once.
    """
    leader, other, interval = facts.arm_b, facts.arm_a, facts.interval
    if facts.difference < 0:
        leader, other = other, leader
        interval = Interval(-interval.high, -interval.low, interval.level)
    lead = f"{format_points(abs(facts.difference))} points"
    evidence = _evidence(interval, leader, split)
    if better is not None:
        text = f"{capitalise(leader.name)} is {lead} better than {other.name} ({evidence})"
        cost = describe_cost(leader.seconds, other.seconds)
        text += f", {cost}." if cost else "."
    elif facts.difference == 0:
        text = f"No difference shown: {other.name} and {leader.name} are right equally often ({evidence})."
    else:
        chance = "which can be chance"
        if interval.low > 0 and facts.p_value < 1 - interval.level:
            chance = f"which can be chance where {pairs} pairs are compared ({format_p(p_adjusted)} corrected for that)"
        elif interval.low > 0:  # where few pictures differ, the interval is a little bolder than the exact test
            chance = f"which can be chance by the exact test ({format_p(facts.p_value)})"
        text = f"No difference shown: {leader.name} is {lead} ahead of {other.name} ({evidence}), {chance}"
        need = _need(facts, split, pairs)
        text += f"; to show a difference of that size would take {need}." if need else "."
    return text + (OPTIMISTIC if split == "val" else "")


def describe_race(arms: Sequence[ArmScore], pairs: Sequence[PairJudgement], split: str) -> str:
    """The headline: of two arms the sentence of their pair; of more, the best ones against scratch or the first arm.

    Args:
        arms: in the race's order.
        pairs: every two of them.
    """
    if len(arms) == 1:
        arm = arms[0]
        text = f"{capitalise(arm.name)} is right about {format_points(arm.mean)} % of new pictures "
        return f"{text}({_evidence(arm.interval, arm, split)})." + (OPTIMISTIC if split == "val" else "")
    if len(arms) == 2:
        return pairs[0].sentence
    ranked = sorted(arms, key=lambda arm: -arm.mean)  # stable: of equal ones the earlier first
    best = ranked[0]
    beaten = {_loser(pair) for pair in pairs if pair.better and _winner(pair) == best.name}
    tied = [arm for arm in ranked if arm.name not in beaten]
    reference = next((arm for arm in arms if "scratch" in arm.name.lower()), arms[0])
    if len(tied) == len(arms):
        text = f"No difference shown between {best.name}, which is ahead with {_percent(best)}, and "
        text += f"{join_names([arm.name for arm in ranked[1:]])} ({_size(best, split)})"
        # The one ahead may vary so much that it is better than none, while two others do differ.
        shown = [f"{_winner(pair)} is better than {_loser(pair)}" for pair in pairs if pair.better]
        return text + (f", though {join_names(shown)}." if shown else ".") + (OPTIMISTIC if split == "val" else "")
    if len(tied) == 1:
        text = f"{capitalise(best.name)} is the best of {len(arms)} arms with {_percent(best)}"
        if reference is best:
            second = ranked[1]
            pair, lead = _find(pairs, best, second), "{} points better than the next best,"
            reference = second
        else:
            pair, lead = _find(pairs, best, reference), "{} points better than"
    else:
        text = f"No difference shown between {join_names([arm.name for arm in tied])}; {best.name}, ahead with "
        text += _percent(best)
        if reference in tied:
            behind = [arm.name for arm in ranked if arm.name in beaten]
            text += f", is better than {join_names(behind)} ({_size(best, split)})."
            return text + (OPTIMISTIC if split == "val" else "")
        pair, lead = _find(pairs, best, reference), "is {} points better than"
    interval = pair.interval
    if pair.a == best.name:
        interval = Interval(-interval.high, -interval.low, interval.level)
    cost = describe_cost(best.seconds, reference.seconds)
    text += (
        f", {lead.format(format_points(abs(pair.difference)))} {reference.name} ({_evidence(interval, best, split)})"
        f"{f', {cost}' if cost else ''}."
    )
    return text + (OPTIMISTIC if split == "val" else "")


def _winner(pair: PairJudgement) -> str:
    return pair.b if pair.better == "b" else pair.a


def _loser(pair: PairJudgement) -> str:
    return pair.a if pair.better == "b" else pair.b


def _find(pairs: Sequence[PairJudgement], one: ArmScore, other: ArmScore) -> PairJudgement:
    return next(pair for pair in pairs if {pair.a, pair.b} == {one.name, other.name})


def _percent(arm: ArmScore) -> str:
    return f"{format_points(arm.mean)} % right"


def _size(arm: ArmScore, split: str) -> str:
    images = f"n = {arm.n:,}" if split == "test" else count_images(arm.n, split)
    return f"{images}, {count_seeds(arm.seeds)}"


def _evidence(interval: Interval, arm: ArmScore, split: str) -> str:
    ends = f"{format_points(interval.low)} to {format_points(interval.high)}"
    return f"{format_level(interval.level)} interval {ends}, {_size(arm, split)}"


def _need(facts: PairFacts, split: str, pairs: int) -> str | None:
    """Roughly what would show a difference of this size, four times in five; None where no number can be told."""
    level = 1 - (1 - facts.interval.level) / pairs
    n, seeds = facts.arm_a.n, facts.arm_a.seeds
    if not isinstance(facts.detail, Difference):
        needed = images_needed(*facts.detail, n, level)
        return None if needed is None else f"roughly {count_images(round_up(needed), split)}"
    return _need_with_seeds(facts.detail, split, n, seeds, level)


def _need_with_seeds(found: Difference, split: str, n: int, seeds: int, level: float) -> str | None:
    from scipy.special import stdtrit  # takes a fifth of a second to import

    def wanted(degrees: float) -> float:
        """The variance at which the difference would be shown."""
        return (found.value / (float(stdtrit(degrees, (1 + level) / 2)) + _POWER_QUANTILE)) ** 2

    if found.by_seeds <= found.by_images:
        left = wanted(found.degrees) - found.by_seeds
        if left > 0:
            # so many pictures that differ, all to one side, the exact test wants at least
            fewest = math.ceil(math.log2(2 / (1 - level)) / abs(found.value))
            needed = max(math.ceil(n * max(found.by_images / left, 1.0)), fewest)
            with_seeds = f" with {count_seeds(seeds)}" if needed > n else ""
            return f"roughly {count_images(round_up(max(needed, n + 1)), split)}{with_seeds}"
    for more in range(seeds + 1, _MAX_SEEDS_NAMED + 1):
        if found.by_images + found.by_seeds * seeds / more <= wanted(found.degrees * (more - 1) / (seeds - 1)):
            return f"more seeds, roughly {more} for each arm, because seeds differ more than the arms do"
    return "more seeds and more pictures"
