"""A race comparison in words: which arm is better, by how much, how certain that is, and what would settle the rest."""

import math
from typing import Any

from core.formatting import (
    OPTIMISTIC,
    capitalise,
    count_images,
    describe_cost,
    format_count,
    format_level,
    format_p,
    format_percent,
    format_points,
    join_names,
    round_up,
)
from core.statistics.caveats import explain_difference
from core.statistics.comparison import images_needed
from core.statistics.metrics import Interval
from core.statistics.race_comparison import ArmScore, PairComparison, RaceComparison
from core.statistics.seeds import Difference

_POWER_QUANTILE = 0.84  # of the normal distribution: a difference is shown four times in five
_MAX_SEEDS_NAMED = 30


def race_as_json(race: RaceComparison) -> dict[str, Any]:
    """All numbers of a race, as fractions and counts, with its sentences."""
    return {
        "split": race.split,
        "n": race.n,
        "seeds": race.seeds,
        "sentence": describe_race(race),
        "caveats": [caveat.to_json() for caveat in race.caveats],
        "arms": [
            {
                "name": arm.name,
                "accuracies": [accuracy.value for accuracy in arm.accuracies],
                "mean": arm.mean,
                "interval": [arm.interval.low, arm.interval.high],
                "seconds": arm.seconds,
            }
            for arm in race.arms
        ],
        "pairs": [
            {
                "a": pair.a,
                "b": pair.b,
                "difference": pair.difference,
                "interval": [pair.interval.low, pair.interval.high],
                "p_value": pair.p_value,
                "p_adjusted": pair.p_adjusted,
                "better": pair.better,
                "sentence": describe_pair(race, pair),
            }
            for pair in race.pairs
        ],
    }


def describe_pair(race: RaceComparison, pair: PairComparison) -> str:
    """One sentence about two arms of a race (and a second one on validation images)."""
    leader, other, interval = race.arm(pair.b), race.arm(pair.a), pair.interval
    if pair.difference < 0:
        leader, other = other, leader
        interval = _negate(interval)
    lead = f"{format_points(abs(pair.difference))} points"
    evidence = _evidence(interval, leader, race.split)
    if pair.better is not None:
        text = f"{capitalise(leader.name)} is {lead} better than {other.name} ({evidence})"
        cost = describe_cost(leader.seconds, other.seconds)
        text += f", {cost}." if cost else "."
        text += explain_difference(race.caveats, pair.a, pair.b)
    elif pair.difference == 0:
        text = f"No clear difference: {other.name} and {leader.name} are right equally often ({evidence})."
    else:
        chance = "which may be chance"
        if interval.low > 0 and pair.p_value < 1 - interval.level:
            corrected = f"{format_p(pair.p_adjusted)} corrected for that"
            chance = f"which may be chance where {len(race.pairs)} pairs are compared ({corrected})"
        elif interval.low > 0:  # where few images differ, the interval is a little bolder than the exact test
            chance = f"which may be chance by the exact test ({format_p(pair.p_value)})"
        text = f"No clear difference: {leader.name} is {lead} ahead of {other.name} ({evidence}), {chance}"
        need = _need(race, pair)
        text += f". To show a difference of this size would take {need}." if need else "."
    return text + _optimistic(race)


def describe_race(race: RaceComparison) -> str:
    """The headline: of two arms the sentence of their pair; of more, the best ones against scratch or the first arm."""
    if len(race.arms) == 1:
        arm = race.arms[0]
        text = f"{capitalise(arm.name)} is right about {format_percent(arm.mean)} of new pictures "
        return f"{text}({_evidence(arm.interval, arm, race.split)})." + _optimistic(race)
    if len(race.arms) == 2:
        return describe_pair(race, race.pairs[0])
    ranked = sorted(race.arms, key=lambda arm: -arm.mean)  # stable: of equal ones the earlier first
    best = ranked[0]
    beaten = {pair.loser for pair in race.pairs if pair.winner == best.name}
    tied = [arm for arm in ranked if arm.name not in beaten]
    reference = next((arm for arm in race.arms if "scratch" in arm.name.lower()), race.arms[0])
    if len(tied) == len(ranked):
        return _describe_tie(race, ranked) + _optimistic(race)
    lead = "{} points better than"
    if len(tied) == 1:
        text = f"{capitalise(best.name)} is the best of {len(ranked)} arms with {_percent(best)}"
        if reference is best:
            reference, lead = ranked[1], "{} points better than the next best,"
    else:
        text = f"No clear difference between {join_names([arm.name for arm in tied])}; {best.name}, ahead with "
        text += _percent(best)
        if reference in tied:
            behind = [arm.name for arm in ranked if arm.name in beaten]
            text += f", is better than {join_names(behind)} ({_size(best, race.split)})."
            text += "".join(dict.fromkeys(explain_difference(race.caveats, best.name, name) for name in behind))
            return text + _optimistic(race)
        lead = "is {} points better than"
    pair = next(pair for pair in race.pairs if {pair.a, pair.b} == {best.name, reference.name})
    interval = _negate(pair.interval) if pair.a == best.name else pair.interval
    cost = describe_cost(best.seconds, reference.seconds)
    text += (
        f", {lead.format(format_points(abs(pair.difference)))} {reference.name} "
        f"({_evidence(interval, best, race.split)}){f', {cost}' if cost else ''}."
    )
    return text + explain_difference(race.caveats, best.name, reference.name) + _optimistic(race)


def _describe_tie(race: RaceComparison, ranked: list[ArmScore]) -> str:
    best, *others = ranked
    text = f"No clear difference between {best.name}, which is ahead with {_percent(best)}, and "
    text += f"{join_names([arm.name for arm in others])} ({_size(best, race.split)})"
    # The one ahead may vary so much that it is better than none, while two others do differ.
    shown = [f"{pair.winner} is better than {pair.loser}" for pair in race.pairs if pair.better]
    return text + (f", though {join_names(shown)}." if shown else ".")


def _negate(interval: Interval) -> Interval:
    """The same interval of the difference the other way round."""
    return Interval(-interval.high, -interval.low, interval.level)


def _optimistic(race: RaceComparison) -> str:
    return OPTIMISTIC if race.split == "val" else ""


def _percent(arm: ArmScore) -> str:
    return f"{format_percent(arm.mean)} right"


def _size(arm: ArmScore, split: str) -> str:
    images = f"n = {arm.n:,}" if split == "test" else count_images(arm.n, split)
    return f"{images}, {format_count(arm.seeds, 'seed')}"


def _evidence(interval: Interval, arm: ArmScore, split: str) -> str:
    ends = f"{format_points(interval.low)} to {format_points(interval.high)}"
    return f"{format_level(interval.level)} interval {ends}, {_size(arm, split)}"


def _need(race: RaceComparison, pair: PairComparison) -> str | None:
    """Roughly what would show a difference of this size, four times in five; None where no number is known."""
    level = 1 - (1 - pair.interval.level) / len(race.pairs)
    if isinstance(pair.basis, Difference):
        return _need_with_seeds(pair.basis, race.split, race.n, race.seeds, level)
    needed = images_needed(*pair.basis, race.n, level)
    return None if needed is None else f"roughly {count_images(round_up(needed), race.split)}"


def _need_with_seeds(found: Difference, split: str, n: int, seeds: int, level: float) -> str | None:
    from scipy.special import stdtrit  # takes a fifth of a second to import

    def wanted(degrees: float) -> float:
        """The variance at which the difference would be shown."""
        return (found.value / (float(stdtrit(degrees, (1 + level) / 2)) + _POWER_QUANTILE)) ** 2

    if found.by_seeds <= found.by_images:
        left = wanted(found.degrees) - found.by_seeds
        if left > 0:
            # the exact test needs at least so many images that differ, all to one side
            fewest = math.ceil(math.log2(2 / (1 - level)) / abs(found.value))
            needed = max(math.ceil(n * max(found.by_images / left, 1.0)), fewest)
            with_seeds = f" with {format_count(seeds, 'seed')}" if needed > n else ""
            return f"roughly {count_images(round_up(max(needed, n + 1)), split)}{with_seeds}"
    for more in range(seeds + 1, _MAX_SEEDS_NAMED + 1):
        if found.by_images + found.by_seeds * seeds / more <= wanted(found.degrees * (more - 1) / (seeds - 1)):
            return f"more seeds, roughly {more} for each arm, because seeds differ more than the arms do"
    return "more seeds and more pictures"
