"""The score of a bet against its definition, and what a fair score must do."""

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from core.games.bet_scores import bin_leads, rank_people, score_bet


@pytest.mark.parametrize(
    ("lead", "spread", "result"), [(15, 10, 15), (15, 10, -4.5), (-60, 1, 30), (0, 50, 3.2), (99, 7, 100)]
)
def test_the_score_is_the_integral_that_defines_it(lead: int, spread: int, result: float) -> None:
    below, _ = quad(lambda x: norm.cdf(x, lead, spread) ** 2, lead - 12 * spread - 200, result, limit=400)
    above, _ = quad(lambda x: norm.sf(x, lead, spread) ** 2, result, lead + 12 * spread + 200, limit=400)
    assert score_bet(lead, spread, result) == pytest.approx(below + above, abs=1e-5)


def test_who_bets_what_they_believe_scores_best_on_average() -> None:
    results = np.random.default_rng(0).normal(12, 8, 4000)

    def mean_score(lead: float, spread: float) -> float:
        return float(np.mean([score_bet(lead, spread, result) for result in results]))

    honest = mean_score(12, 8)
    assert all(honest < mean_score(*bet) for bet in ((20, 8), (4, 8), (12, 2), (12, 25)))


def test_a_sure_bet_that_is_wrong_costs_about_its_distance() -> None:
    assert score_bet(30, 1, 10) == pytest.approx(20, abs=0.6)


def test_people_are_ranked_by_their_mean_over_all_races() -> None:
    found = rank_people([{"ada": 2.0, "ben": 6.0}, {"ada": 8.0, "chidi": 5.0}])
    assert [(item.person, item.score, item.bets, item.last) for item in found] == [
        ("ada", 5.0, 2, 8.0),
        ("chidi", 5.0, 1, 5.0),
        ("ben", 6.0, 1, None),
    ]


def test_a_histogram_shows_its_empty_bins_too() -> None:
    assert bin_leads([-7, 12, 14], 5) == [(-10, 1), (-5, 0), (0, 0), (5, 0), (10, 2)]
    assert bin_leads([], 5) == []
