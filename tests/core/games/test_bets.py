"""Bets on a race: who may, until when, and what is on the disk."""

import json
import time

import pytest

from core.actor import OPERATOR, Actor
from core.config.train_config import TrainConfig
from core.datasets.dataset import Dataset
from core.errors import GameError, RightsError
from core.games.bets import BetStore
from core.races.race import find_race
from core.races.race_actions import delete_race
from core.runs.run_store import RunStore
from core.settings import Settings
from core.storage import read_json
from tests.support.finished_runs import finish, start_race

ADA, BEN = Actor("p-ada", "Ada"), Actor("p-ben", "Ben")


@pytest.fixture
def store(settings: Settings, drawn: Dataset) -> BetStore:
    return BetStore(settings)


def open_new(store: BetStore) -> str:
    return store.open_new(TrainConfig(dataset="drawn", model="petnet", epochs=3), by=OPERATOR)


def show_figure(settings: Settings, race_id: str, moment: float) -> None:
    """The first training step of one arm, as its worker writes it."""
    run = RunStore(settings).race(race_id)[-1]
    lines = [{"time": moment - 1, "kind": "phase", "phase": "training", "text": ""}, {"time": moment, "kind": "batch"}]
    (run.folder / "events.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")


def test_a_round_begins_before_its_race_and_starts_it(store: BetStore, settings: Settings) -> None:
    round_id = open_new(store)
    view = store.view(round_id)
    assert (view.round.a, view.round.b, view.round.dataset, view.round.race) == ("Scratch", "Transfer", "drawn", "")
    store.place(round_id, 15, 10, by=ADA)
    race = store.start_race(round_id, by=OPERATOR)
    assert store.start_race(round_id, by=OPERATOR) == race
    assert find_race(RunStore(settings).summaries(), race).arms == ("Scratch", "Transfer")
    store.place(round_id, -5, 3, by=BEN)  # it is queued, and shows nothing yet
    assert [(bet.person, bet.lead, bet.spread) for bet in store.view(round_id).bets] == [
        ("p-ada", 15, 10),
        ("p-ben", -5, 3),
    ]


def test_the_first_figure_of_an_arm_ends_the_bets_for_good(store: BetStore, settings: Settings) -> None:
    round_id = open_new(store)
    race = store.start_race(round_id, by=OPERATOR)
    store.place(round_id, 15, 10, by=ADA)
    moment = time.time()
    show_figure(settings, race, moment)
    with pytest.raises(GameError, match="Bets are closed"):
        store.place(round_id, 20, 10, by=BEN)
    assert store.view(round_id).round.closed == moment
    (RunStore(settings).race(race)[-1].folder / "events.jsonl").unlink()  # the training starts over
    assert not BetStore(settings).view(round_id).open
    with pytest.raises(GameError, match="Bets are closed"):
        store.place(round_id, 20, 10, by=BEN)


def test_a_bet_that_was_written_after_the_first_figure_does_not_count(store: BetStore, settings: Settings) -> None:
    round_id = open_new(store)
    race = store.start_race(round_id, by=OPERATOR)
    store.place(round_id, 15, 10, by=ADA)
    show_figure(settings, race, time.time() - 60)
    assert store.view(round_id).bets == ()


def test_a_bet_is_made_once(store: BetStore) -> None:
    round_id = open_new(store)
    store.place(round_id, 15, 10, by=ADA)
    with pytest.raises(GameError, match="made once"):
        store.place(round_id, 16, 10, by=ADA)
    for lead, spread in ((101, 10), (0, 0), (0, 51)):
        with pytest.raises(GameError, match="give or take"):
            store.place(round_id, lead, spread, by=BEN)


def test_the_result_scores_the_bets_and_stays_when_the_race_is_deleted(
    store: BetStore, settings: Settings, drawn: Dataset
) -> None:
    race_id, runs = start_race(settings, drawn, seeds=(0,))
    round_id = store.open_queued(race_id, by=OPERATOR)
    store.place(round_id, 30, 10, by=ADA)
    store.place(round_id, -30, 5, by=BEN)
    store.close(round_id, by=OPERATOR)
    for run, right in zip(runs, (0.5, 0.95), strict=True):
        finish(run, drawn, right)
    view = store.view(round_id)
    assert view.outcome is not None
    accuracies = [run.result().tested.correct / view.outcome.n for run in runs]  # type: ignore[union-attr]
    assert view.outcome.difference == pytest.approx(100 * (accuracies[1] - accuracies[0]))
    assert view.outcome.low < view.outcome.difference < view.outcome.high
    assert view.scores["p-ada"] < view.scores["p-ben"]
    delete_race(settings, find_race(RunStore(settings).summaries(), race_id))
    assert BetStore(settings).view(round_id).scores == view.scores


def test_a_race_that_shows_figures_takes_no_bets(store: BetStore, settings: Settings, drawn: Dataset) -> None:
    race_id, runs = start_race(settings, drawn, seeds=(0,))
    finish(runs[0], drawn)
    with pytest.raises(GameError, match="has not started yet"):
        store.open_queued(race_id, by=OPERATOR)
    assert store.all() == []


def test_only_the_presenter_opens_starts_and_closes(store: BetStore) -> None:
    with pytest.raises(RightsError):
        store.open_new(TrainConfig(dataset="drawn"), by=ADA)
    round_id = open_new(store)
    for act in (store.start_race, store.close):
        with pytest.raises(RightsError):
            act(round_id, by=ADA)
    assert store.view(round_id).open


def test_the_demo_is_bet_on_only_when_it_can_start(store: BetStore) -> None:
    with pytest.raises(GameError, match="not drawn yet"):  # this sample has another split
        store.open_demo(by=OPERATOR)


def test_what_is_damaged_is_left_out(store: BetStore, settings: Settings) -> None:
    kept, broken = open_new(store), open_new(store)
    store.place(kept, 15, 10, by=ADA)
    (store.folder / kept / "bets" / "p-ben.json").write_text('{"person": "p-b', encoding="utf-8")
    (store.folder / broken / "round.json").write_text("{", encoding="utf-8")
    (found,) = store.all()
    assert [bet.person for bet in found.bets] == ["p-ada"]
    for name in ("../bets", "bets-1"):
        with pytest.raises(GameError, match="no such bets"):
            store.view(name)
    assert read_json(store.folder / kept / "round.json")["closed"] is None
