"""Rankings that show ties as ties."""

import numpy as np
import pytest
from numpy.typing import NDArray

from core.statistics.comparison import compare
from core.statistics.leaderboard import rank, shown_better
from core.statistics.predictions import PredictionTable


def table(
    right: NDArray[np.bool_], split: str = "test", prefix: str = "p", order: list[int] | None = None
) -> PredictionTable:
    """Predictions of two classes that are right where asked."""
    n = len(right)
    rows = list(range(n)) if order is None else order
    labels = np.arange(n) % 2
    predicted = np.where(right, labels, 1 - labels)
    probabilities = np.zeros((n, 2))
    probabilities[np.arange(n), predicted] = 1.0
    return PredictionTable(
        split,
        ("cat", "dog"),
        tuple(f"{prefix}{row}" for row in rows),
        np.asarray(rows),
        labels[rows],
        probabilities[rows],
    )


def right_but(wrong: int, n: int = 200, start: int = 0) -> NDArray[np.bool_]:
    """Right everywhere but on `wrong` pictures from `start` on."""
    out = np.ones(n, dtype=bool)
    out[start : start + wrong] = False
    return out


def test_a_run_shown_to_be_better_is_placed_first() -> None:
    (places,) = rank({"good": table(right_but(10)), "poor": table(right_but(80))})
    assert [(item.id, item.place, item.tied, item.worse) for item in places] == [
        ("good", 1, False, 1),
        ("poor", 2, False, 0),
    ]
    assert places[0].accuracy.text() == "95.0 % (95 % interval 91.0 to 97.3, n = 200)"


def test_runs_that_chance_can_tell_apart_share_a_place() -> None:
    (places,) = rank({"a": table(right_but(20)), "b": table(right_but(24, start=100)), "c": table(right_but(120))})
    assert [(item.id, item.place, item.tied) for item in places] == [("a", 1, True), ("b", 1, True), ("c", 3, False)]


def test_two_runs_are_placed_as_their_paired_comparison_shows() -> None:
    random = np.random.default_rng(0)
    for _ in range(50):
        first, second = random.random(60) < 0.8, random.random(60) < 0.65
        (places,) = rank({"a": table(first), "b": table(second)})
        found = compare(table(first), table(second), "a", "b")
        if found.p_value < 0.049 or found.p_value > 0.051:
            assert (places[0].place != places[1].place) == (found.p_value < 0.05)
            if found.p_value < 0.05:
                assert places[0].id == ("b" if found.difference > 0 else "a")


def test_the_order_of_pictures_in_a_table_does_not_matter() -> None:
    shuffled = np.random.default_rng(1).permutation(200).tolist()
    (places,) = rank({"a": table(right_but(10)), "b": table(right_but(10), order=shuffled)})
    assert [item.tied for item in places] == [True, True]
    better = shown_better([right_but(10), right_but(10)])
    assert not better.any()


def test_many_runs_that_only_guess_rarely_differ_in_place() -> None:
    random = np.random.default_rng(2)
    torn = sum(bool(shown_better([random.random(100) < 0.5 for _ in range(20)]).any()) for _ in range(40))
    assert torn <= 6  # of 40 rankings; without Holm's correction nearly all would show some difference


def test_runs_on_other_pictures_have_a_ranking_of_their_own() -> None:
    found = rank(
        {
            "a": table(right_but(10)),
            "b": table(right_but(80)),
            "other": table(right_but(10), prefix="q"),
            "val": table(right_but(10), split="val"),
        }
    )
    assert [[item.id for item in places] for places in found] == [["a", "b"], ["other"], ["val"]]


@pytest.mark.parametrize("wrong", [0, 200])
def test_runs_that_are_all_right_or_all_wrong_tie(wrong: int) -> None:
    (places,) = rank({name: table(right_but(wrong)) for name in ("a", "b", "c")})
    assert [(item.place, item.tied) for item in places] == [(1, True)] * 3


def test_nothing_to_rank_gives_no_ranking() -> None:
    assert rank({}) == []
    assert rank({"empty": table(np.ones(0, dtype=bool))}) == []
    ((only,),) = rank({"one": table(right_but(3))})
    assert (only.place, only.tied) == (1, False)


def test_places_never_contradict_what_was_shown() -> None:
    random = np.random.default_rng(3)
    rows = [random.random(150) < chance for chance in np.linspace(0.5, 0.95, 12)]
    better = shown_better(rows)
    assert not (better & better.T).any()
    (places,) = rank({f"r{number:02d}": table(row) for number, row in enumerate(rows)})
    by_id = {item.id: item.place for item in places}
    for i, j in zip(*np.nonzero(better), strict=True):
        assert rows[i].sum() > rows[j].sum()
    assert by_id["r11"] == 1
