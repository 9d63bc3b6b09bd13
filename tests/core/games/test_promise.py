"""The test of a promise: what counts, who may, and when a promise was kept or broken."""

import pytest
from scipy.stats import binomtest

from core.actor import OPERATOR, Actor
from core.errors import GameError, RightsError
from core.games.promise import Answer, PromiseStore, PromiseTest, PromiseView, describe_verdict
from core.novelty.not_sure import NotSure
from core.runs.run_files import NOVELTY
from core.runs.run_store import RunStore
from core.settings import Settings

ADA, BEN = Actor("p-ada", "Ada"), Actor("p-ben", "Ben")
STRANGE, KNOWN = NotSure(0.01, 40, ()), NotSure(0.6, 40, ())


@pytest.fixture
def run_id(raced: Settings) -> str:
    return RunStore(raced).all()[0].id


@pytest.fixture
def store(raced: Settings) -> PromiseStore:
    return PromiseStore(raced)


def view_of(known: int, refused: int, promise: float = 0.1) -> PromiseView:
    answers = [Answer("p-ada", True, 0.01 if place < refused else 0.5, place) for place in range(known)]
    return PromiseView("promise-1", PromiseTest("r", "pets", ("cat", "dog"), promise, 0.0), tuple(answers))


def test_known_pictures_are_counted_against_the_promise_and_strange_ones_apart(
    store: PromiseStore, run_id: str
) -> None:
    made = store.start(run_id, 0.2, by=OPERATOR)
    for number, (known, answer) in enumerate([(True, KNOWN), (True, STRANGE), (False, STRANGE), (False, STRANGE)]):
        store.add(made, b"%d" % number, known, answer, by=ADA)
    store.add(made, b"ben", True, KNOWN, by=BEN)
    view = PromiseStore(store.settings).view(made)
    assert (view.refused.count, view.refused.n, view.caught.count, view.caught.n) == (1, 3, 2, 2)
    exact = binomtest(1, 3).proportion_ci(method="exact")
    assert (view.refused.interval.low, view.refused.interval.high) == pytest.approx((exact.low, exact.high), abs=1e-6)


def test_a_picture_counts_once_and_three_of_each_kind(store: PromiseStore, run_id: str) -> None:
    made = store.start(run_id, 0.2, by=OPERATOR)
    for number in range(3):
        store.add(made, b"%d" % number, True, KNOWN, by=ADA)
    with pytest.raises(GameError, match="shown 3 known pictures"):
        store.check_turn(made, b"4", True, by=ADA)
    with pytest.raises(GameError, match="shown already"):
        store.add(made, b"1", False, KNOWN, by=BEN)
    store.close(made, by=OPERATOR)
    with pytest.raises(GameError, match="has ended"):
        store.add(made, b"5", False, STRANGE, by=BEN)


def test_a_promise_is_kept_broken_or_open() -> None:
    assert view_of(60, 1).verdict == "kept"
    assert view_of(9, 1).verdict == "open"
    assert view_of(20, 9).verdict == "broken"
    assert view_of(0, 0).verdict == "open"
    assert "more than 1 in 10" in describe_verdict(view_of(20, 9))


def test_a_promise_that_the_run_cannot_make_is_refused(store: PromiseStore, run_id: str, raced: Settings) -> None:
    with pytest.raises(GameError, match="validation pictures"):
        store.start(run_id, 0.01, by=OPERATOR)  # it has eight
    with pytest.raises(GameError, match="such as 0"):
        store.start(run_id, 0.0, by=OPERATOR)
    (raced.runs_dir / run_id / NOVELTY).unlink()
    with pytest.raises(GameError, match="open it on Predict"):
        store.start(run_id, 0.2, by=OPERATOR)
    assert store.current() is None


def test_only_the_presenter_starts_and_ends_a_test(store: PromiseStore, run_id: str) -> None:
    with pytest.raises(RightsError):
        store.start(run_id, 0.2, by=ADA)
    made = store.start(run_id, 0.2, by=OPERATOR)
    with pytest.raises(RightsError):
        store.close(made, by=ADA)
    assert store.view(made).open
