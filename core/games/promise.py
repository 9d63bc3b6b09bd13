"""The promise of *not sure*, tested by a room: everyone shows a network pictures that it should know, and strange ones.

    room/promises/<id>/test.json            the run, and the share of known pictures that it may refuse
    room/promises/<id>/answers/<digest>.json    one picture: whose, known or strange, and its p-value; not the picture

Each person decides what a picture is before the answer is there. The promise is about known pictures only: how many
strange ones are caught was never promised.
"""

import dataclasses
import hashlib
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import ConfigDict, TypeAdapter

from core.actor import Actor
from core.errors import GameError
from core.games.game_files import newest, read_game
from core.locks import hold_lock
from core.novelty.coverage import Share
from core.novelty.not_sure import NotSure, describe_promise
from core.novelty.novelty import read_novelty
from core.runs.run_files import NOVELTY
from core.runs.run_store import RunStore
from core.settings import Settings
from core.storage import new_id, read_json, write_json

TEST, ANSWERS = "test.json", "answers"
PROMISED = (0.05, 0.1, 0.2)
EACH = 3  # known and strange pictures of one person
MAX_TESTS = 100
LOCK_SECONDS = 5.0
DIGEST_DIGITS = 32

Verdict = Literal["kept", "broken", "open"]


@dataclass(frozen=True)
class PromiseTest:
    """What `test.json` holds; times in seconds since 1970."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    run: str
    dataset: str  # its title
    classes: tuple[str, ...]
    promise: float
    opened: float
    closed: float | None = None


@dataclass(frozen=True)
class Answer:
    """One picture.

    Attributes:
        known: what the person said before: it shows one of the classes, and is not strange.
        p_value: at most this share of known pictures looks as strange.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    person: str
    known: bool
    p_value: float
    at: float


@dataclass(frozen=True)
class PromiseView:
    """A test as it is now; answers in the order they came."""

    id: str
    test: PromiseTest
    answers: tuple[Answer, ...]

    @property
    def open(self) -> bool:
        """Whether pictures are taken."""
        return self.test.closed is None

    @property
    def refused(self) -> Share:
        """Known pictures that were called strange."""
        return self._count(known=True)

    @property
    def caught(self) -> Share:
        """Strange pictures that were called strange."""
        return self._count(known=False)

    @property
    def verdict(self) -> Verdict:
        """Whether the promise was kept or broken beyond chance; open while its interval holds the promised share."""
        interval = self.refused.interval
        if interval.low > self.test.promise:
            return "broken"
        return "kept" if interval.high <= self.test.promise else "open"

    def is_refused(self, answer: Answer) -> bool:
        """Whether the network called the picture strange."""
        return NotSure(answer.p_value, 0, ()).refused(self.test.promise)

    def of(self, person: str, *, known: bool) -> int:
        """How many pictures of this kind a person has shown."""
        return sum(answer.person == person and answer.known == known for answer in self.answers)

    def _count(self, *, known: bool) -> Share:
        asked = [answer for answer in self.answers if answer.known == known]
        return Share(sum(map(self.is_refused, asked)), len(asked))


_TEST, _ANSWER = TypeAdapter(PromiseTest), TypeAdapter(Answer)


class PromiseStore:
    """The folder `room/promises/` of a data root."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.folder = settings.room_dir / "promises"

    def current(self) -> PromiseView | None:
        """The newest test that can be read; None before the first."""
        return newest(self.folder, self.view)

    def view(self, test_id: str) -> PromiseView:
        """A test as it is now.

        Raises:
            GameError: if there is none, or it is damaged.
        """
        found = self._read(test_id)
        answers = sorted(_read_answers(self.folder / test_id / ANSWERS), key=lambda answer: (answer.at, answer.person))
        return PromiseView(test_id, found, tuple(answers))

    def start(self, run_id: str, promise: float, *, by: Actor) -> str:
        """Begin to test the promise of a run that knows what its pictures look like; returns the test's id.

        Raises:
            RightsError: unless `by` is the presenter.
            RunError: there is no such run.
            GameError: the run can make no such promise, or there are too many tests.
        """
        by.check_presenter("Testing a promise")
        run = RunStore(self.settings).get(run_id)
        meta = run.meta()
        novelty = read_novelty(run.folder / NOVELTY, meta.classes)
        if novelty is None:
            raise GameError("This run does not know yet what strange pictures are: open it on Predict once.")
        if not 0 < promise < 1 or (problem := NotSure(1.0, novelty.images, ()).why_not(promise)):
            raise GameError(problem if 0 < promise < 1 else "Promise a share of known pictures, such as 0.05.")
        if len(list(self.folder.glob("*"))) >= MAX_TESTS:
            raise GameError(f"There are {MAX_TESTS} tests already: remove some from {self.folder}.")
        made = new_id("promise-")
        (self.folder / made / ANSWERS).mkdir(parents=True)
        self._write(made, PromiseTest(run_id, meta.dataset_title, tuple(meta.classes), promise, time.time()))
        return made

    def close(self, test_id: str, *, by: Actor) -> None:
        """Take no more pictures.

        Raises:
            RightsError: unless `by` is the presenter.
            GameError: if there is no such test.
        """
        by.check_presenter("Ending the test")
        with self._locked():
            found = self._read(test_id)
            if found.closed is None:
                self._write(test_id, dataclasses.replace(found, closed=time.time()))

    def check_turn(self, test_id: str, picture: bytes, known: bool, *, by: Actor) -> None:
        """Refuse a picture before the network is asked about it.

        Raises:
            GameError: the test has ended, the picture was shown already, or the person has shown enough of this kind.
        """
        view = self.view(test_id)
        if not view.open:
            raise GameError("The test has ended: look at the screen for what became of the promise.")
        if self._path(test_id, picture).exists():
            raise GameError("This picture was shown already: take another one.")
        if view.of(by.id, known=known) >= EACH:
            raise GameError(f"You have shown {EACH} {'known' if known else 'strange'} pictures: show the other kind.")

    def add(self, test_id: str, picture: bytes, known: bool, answer: NotSure, *, by: Actor) -> Answer:
        """Keep what became of a picture.

        Args:
            known: what the person said before the answer.
        Raises:
            GameError: as `check_turn`.
        """
        with self._locked():
            self.check_turn(test_id, picture, known, by=by)
            made = Answer(by.id, known, answer.p_value, time.time())
            write_json(self._path(test_id, picture), dataclasses.asdict(made))
            return made

    def _path(self, test_id: str, picture: bytes) -> Path:
        digest = hashlib.sha256(picture).hexdigest()[:DIGEST_DIGITS]
        return self.folder / test_id / ANSWERS / f"{digest}.json"

    def _read(self, test_id: str) -> PromiseTest:
        return read_game(
            _TEST,
            self.folder,
            test_id,
            TEST,
            missing="There is no such test: ask the presenter to start one.",
            damaged=f"The test {test_id} is damaged: start another one.",
        )

    def _write(self, test_id: str, found: PromiseTest) -> None:
        write_json(self.folder / test_id / TEST, dataclasses.asdict(found))

    def _locked(self) -> AbstractContextManager[None]:
        busy = GameError("Many people are showing pictures: try again in a few seconds.")
        return hold_lock(self.settings.home / "promises.lock", LOCK_SECONDS, busy)


def describe_verdict(view: PromiseView) -> str:
    """What became of the promise, in a sentence."""
    said = describe_promise(view.test.promise)
    match view.verdict:
        case "kept":
            return f"The promise was kept: fewer than {said} known pictures are refused."
        case "broken":
            return f"The promise was broken: more than {said} known pictures are refused."
    return "Too few known pictures to decide whether the promise is kept."


def _read_answers(folder: Path) -> Iterator[Answer]:
    for path in folder.glob("*.json"):
        with suppress(OSError, ValueError):
            yield _ANSWER.validate_python(read_json(path))
