"""How good bets were: the continuous ranked probability score of a normal distribution, in points; lower is better.

The score rewards a bet that is near the result and as sure as it deserves: without a spread it would be the distance
alone, a spread that is too wide or too narrow costs. No other bet than what one believes is better on average.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist, fmean

_NORMAL = NormalDist()


@dataclass(frozen=True)
class Standing:
    """One person over all races that have a result.

    Attributes:
        score: mean of their bets, in points.
        bets: how many.
        last: of the newest race; None where they did not bet on it.
    """

    person: str
    score: float
    bets: int
    last: float | None


def score_bet(lead: float, spread: float, difference: float) -> float:
    """The score of a bet, in points: how far the bet is from the result, its spread taken into account.

    Args:
        lead, spread: mean and standard deviation that were bet, in points.
        difference: the result, in points.
    Source: Gneiting and Raftery 2007, JASA 102, equation 21.
    """
    z = (difference - lead) / spread
    return spread * (z * (2 * _NORMAL.cdf(z) - 1) + 2 * _NORMAL.pdf(z) - 1 / math.sqrt(math.pi))


def rank_people(races: Sequence[Mapping[str, float]]) -> list[Standing]:
    """Everyone who bet, the lowest mean score first; of equal ones, who bet more often.

    Args:
        races: person -> score, for each race that has a result, oldest first.
    """
    scores: dict[str, list[float]] = {}
    for race in races:
        for person, score in race.items():
            scores.setdefault(person, []).append(score)
    newest = races[-1] if races else {}
    found = [Standing(person, fmean(own), len(own), newest.get(person)) for person, own in scores.items()]
    return sorted(found, key=lambda item: (item.score, -item.bets, item.person))


def bin_leads(leads: Sequence[int], width: int) -> list[tuple[int, int]]:
    """A histogram: (lower end, count) of each bin from the first to the last that is not empty, empty ones included.

    Args:
        width: of a bin, in points; bins begin at multiples of it.
    """
    if not leads:
        return []
    places = [lead // width for lead in leads]
    return [(place * width, places.count(place)) for place in range(min(places), max(places) + 1)]
