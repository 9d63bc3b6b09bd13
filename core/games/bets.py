"""Bets of a room on a race: by how many points one arm will win on the test split, give or take how many.

    room/bets/<id>/round.json       which race, or the settings of one that is not started yet
    room/bets/<id>/bets/<person>.json   one bet, made once
    room/bets/<id>/outcome.json     the result, once there is one: it stays when the race is deleted

Bets are taken until the first figure of any arm is in its event log, or until the presenter closes them. `closed` in
round.json then notes that moment, which stays when a training starts over.
"""

import dataclasses
import time
from collections.abc import Iterable
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path

from pydantic import ConfigDict, TypeAdapter

from core.actor import Actor
from core.config.arm_names import name_arms
from core.config.train_config import TrainConfig, load_config
from core.datasets.dataset_store import DatasetStore
from core.errors import GameError
from core.games.bet_outcome import Outcome, can_bet_on, find_outcome, first_figure
from core.games.bet_scores import score_bet
from core.games.game_files import newest, read_game
from core.locks import hold_lock
from core.races.demo import demo_config, demo_dataset, start_demo
from core.races.presets import plan_pair
from core.races.race import find_race
from core.races.race_actions import start_race
from core.runs.run_store import RunStore
from core.settings import Settings
from core.storage import list_ids, new_id, read_json, write_json

ROUND, BETS, OUTCOME = "round.json", "bets", "outcome.json"
MAX_LEAD, MAX_SPREAD = 100, 50  # points
MAX_ROUNDS = 200
LOCK_SECONDS = 5.0


@dataclass(frozen=True)
class Bet:
    """What one person expects.

    Attributes:
        lead: points of test accuracy by which the second arm wins; below 0, the first.
        spread: the standard deviation: the person expects the result within it two times in three.
        at: seconds since 1970.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    person: str
    lead: int
    spread: int
    at: float


@dataclass(frozen=True)
class BetRound:
    """The bets on one race.

    Attributes:
        dataset: its title.
        a, b: the arms that are compared, the first and the last of the race.
        config: settings of the second arm of a race that starts later, as JSON; empty for one that was queued already.
        demo: the race is the 60-second demo.
        race: empty until it is started.
        opened, closed: seconds since 1970; None while bets are taken.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    dataset: str
    a: str
    b: str
    config: str
    demo: bool
    race: str
    opened: float
    closed: float | None = None


@dataclass(frozen=True)
class BetView:
    """The bets on one race as they are now; `outcome` is None until the race has one."""

    id: str
    round: BetRound
    bets: tuple[Bet, ...]
    outcome: Outcome | None

    @property
    def open(self) -> bool:
        """Whether bets are taken."""
        return self.round.closed is None

    @property
    def scores(self) -> dict[str, float]:
        """Person -> score; empty until there is a result."""
        if self.outcome is None:
            return {}
        return {bet.person: score_bet(bet.lead, bet.spread, self.outcome.difference) for bet in self.bets}

    def bet_of(self, person: str) -> Bet | None:
        """A person's bet."""
        return next((bet for bet in self.bets if bet.person == person), None)


_ROUND, _BET, _OUTCOME = TypeAdapter(BetRound), TypeAdapter(Bet), TypeAdapter(Outcome)


class BetStore:
    """The folder `room/bets/` of a data root."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.folder = settings.room_dir / "bets"

    def all(self) -> list[BetView]:
        """Every round that can be read, newest first."""
        found = []
        for name in reversed(list_ids(self.folder)):
            with suppress(GameError):
                found.append(self.view(name))
        return found

    def current(self) -> BetView | None:
        """The newest round that can be read; None before the first."""
        return newest(self.folder, self.view)

    def view(self, round_id: str) -> BetView:
        """A round as it is now. Notes what has happened meanwhile: the first figure of the race, and its result.

        Raises:
            GameError: if there is none, or it is damaged.
        """
        found = self._read(round_id)
        folder = self.folder / round_id
        if found.closed is None and found.race and (moment := first_figure(self.settings, found.race)) is not None:
            found = self._close(round_id, moment)
        bets = tuple(sorted(_read_bets(folder / BETS, found.closed), key=lambda bet: (bet.at, bet.person)))
        return BetView(round_id, found, bets, self._settle(folder, found))

    def open_new(self, config: TrainConfig, *, by: Actor) -> str:
        """Take bets on a race of two arms that is started later: these settings against a network from scratch.

        Raises:
            RightsError: unless `by` is the presenter.
            ConfigError: if no network from scratch fits the settings.
            DatasetError: if the dataset is not there.
            GameError: there are too many rounds.
        """
        return self._open_plan(config, demo=False, by=by)

    def open_demo(self, *, by: Actor) -> str:
        """Take bets on the 60-second demo, whose pictures must be there.

        Raises:
            GameError: the pictures were not drawn yet, or there are too many rounds.
            RightsError: unless `by` is the presenter.
        """
        dataset = demo_dataset(self.settings)
        if dataset is None:
            raise GameError("The pictures of the demo are not drawn yet: start the demo once, then take bets on it.")
        return self._open_plan(demo_config(dataset), demo=True, by=by)

    def open_queued(self, race_id: str, *, by: Actor) -> str:
        """Take bets on a race that is queued already.

        Raises:
            RightsError: unless `by` is the presenter.
            RunError: if there is no such race.
            GameError: it is a learning curve, has shown a first figure, or there are too many rounds.
        """
        race = find_race(RunStore(self.settings).summaries(), race_id)
        if not can_bet_on(self.settings, race):
            raise GameError("This race has shown its first figures: take bets on a race that has not started yet.")
        title = race.meta.dataset_title
        return self._create(BetRound(title, race.arms[0], race.arms[-1], "", False, race_id, time.time()), by)

    def start_race(self, round_id: str, *, by: Actor) -> str:
        """Queue the race of a round; returns its id, also where it was queued before.

        Raises:
            RightsError: unless `by` is the presenter.
            GameError: there is no such round, or the demo runs already.
            ConfigError, DatasetError, QuotaError, RunError: as `core.races.race_actions.start_race`.
        """
        by.check_presenter("Starting the race")
        with self._locked():
            found = self._read(round_id)
            if found.race:
                return found.race
            config = load_config(found.config)
            race = (
                start_demo(self.settings, config.dataset, by=by)
                if found.demo
                else start_race(self.settings, *plan_pair(config), by=by)[0]
            )
            if first_figure(self.settings, race) is not None:  # the demo that someone else started
                raise GameError("The demo is running already: wait until it has ended, then start the race.")
            self._write(round_id, dataclasses.replace(found, race=race))
            return race

    def close(self, round_id: str, *, by: Actor) -> None:
        """Take no more bets.

        Raises:
            RightsError: unless `by` is the presenter.
            GameError: if there is no such round.
        """
        by.check_presenter("Closing the bets")
        self._close(round_id, time.time())

    def place(self, round_id: str, lead: int, spread: int, *, by: Actor) -> Bet:
        """Make a bet, once for all.

        Raises:
            GameError: bets are closed, this person has bet already, or the numbers are impossible.
        """
        if not -MAX_LEAD <= lead <= MAX_LEAD or not 1 <= spread <= MAX_SPREAD:
            raise GameError(f"Bet up to {MAX_LEAD} points, give or take 1 to {MAX_SPREAD}.")
        with self._locked():
            found = self._read(round_id)
            moment = first_figure(self.settings, found.race) if found.race else None
            if found.closed is not None or moment is not None:
                raise GameError("Bets are closed, because the race has shown its first figures: bet on the next one.")
            path = self.folder / round_id / BETS / f"{by.id}.json"
            if path.exists():
                raise GameError("Your bet is in already, and a bet is made once: bet again on the next race.")
            bet = Bet(by.id, lead, spread, time.time())
            write_json(path, dataclasses.asdict(bet))
            return bet

    def _open_plan(self, config: TrainConfig, *, demo: bool, by: Actor) -> str:
        _, arms = plan_pair(config)
        a, b = name_arms({arm.name: arm.config for arm in arms}).values()
        title = self._title(config.dataset)
        return self._create(BetRound(title, a, b, config.model_dump_json(), demo, "", time.time()), by)

    def _title(self, dataset: str) -> str:
        return DatasetStore(self.settings).get(dataset).title

    def _create(self, made: BetRound, by: Actor) -> str:
        by.check_presenter("Taking bets")
        if len(list(self.folder.glob("*"))) >= MAX_ROUNDS:
            raise GameError(f"There are {MAX_ROUNDS} rounds of bets already: remove some from {self.folder}.")
        with self._locked():
            made_id = new_id("bets-")
            (self.folder / made_id / BETS).mkdir(parents=True)
            self._write(made_id, made)
            return made_id

    def _close(self, round_id: str, moment: float) -> BetRound:
        with self._locked():
            found = self._read(round_id)
            if found.closed is None:
                found = dataclasses.replace(found, closed=moment)
                self._write(round_id, found)
            return found

    def _settle(self, folder: Path, found: BetRound) -> Outcome | None:
        """The result, noted when it is first seen."""
        with suppress(OSError, ValueError):
            return _OUTCOME.validate_json((folder / OUTCOME).read_bytes())
        outcome = (
            find_outcome(self.settings, found.race, found.a, found.b)
            if found.race and found.closed is not None
            else None
        )
        if outcome is not None:
            write_json(folder / OUTCOME, dataclasses.asdict(outcome))
        return outcome

    def _read(self, round_id: str) -> BetRound:
        return read_game(
            _ROUND,
            self.folder,
            round_id,
            ROUND,
            missing="There are no such bets: ask the presenter to take some.",
            damaged=f"The bets {round_id} are damaged: run `python -m core fsck`.",
        )

    def _write(self, round_id: str, found: BetRound) -> None:
        write_json(self.folder / round_id / ROUND, dataclasses.asdict(found))

    def _locked(self) -> AbstractContextManager[None]:
        busy = GameError("Many people are betting: try again in a few seconds.")
        return hold_lock(self.settings.home / "bets.lock", LOCK_SECONDS, busy)


def _read_bets(folder: Path, closed: float | None) -> Iterable[Bet]:
    """The bets that count: those made before the end."""
    for path in folder.glob("*.json"):
        with suppress(OSError, ValueError):
            bet = _BET.validate_python(read_json(path))
            if closed is None or bet.at <= closed:
                yield bet
