"""The people of a room: `people/<id>.json`, one small file for each nickname.

A browser keeps a random token; only its hash is ever written, as the person's id. The holder of the token is that
person: this protects runs against other attendees' slips and pranks, not against anyone who can read the network
(without https), this machine's disk or that browser.
"""

import functools
import hashlib
import re
import secrets
import time
from dataclasses import dataclass
from pathlib import Path

from core.actor import Actor
from core.errors import PeopleError
from core.locks import hold_lock
from core.settings import Settings
from core.storage import is_id, read_json, write_json

TOKEN_BYTES = 24
TOKEN_PATTERN = re.compile(r"[A-Za-z0-9_-]{32,86}")
ID_DIGITS = 16
MAX_NICKNAME = 24
MAX_PEOPLE = 2000  # of one data root: a script that asks for thousands of names must not fill the disk
LOCK_SECONDS = 10.0


@dataclass(frozen=True)
class Person:
    """A person with a nickname."""

    id: str
    nickname: str
    created: float  # seconds since 1970
    presenter: bool = False

    @property
    def actor(self) -> Actor:
        """This person's rights."""
        return Actor(self.id, self.nickname, self.presenter)


def new_token() -> str:
    """A secret for a new browser."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def is_token(text: str) -> bool:
    """Whether `text` looks like a token."""
    return TOKEN_PATTERN.fullmatch(text) is not None


def person_id(token: str) -> str:
    """The public id of the holder of a token."""
    return "p-" + hashlib.sha256(token.encode()).hexdigest()[:ID_DIGITS]


class PeopleStore:
    """The folder `people/` of a data root."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.folder = settings.people_dir

    def holder(self, token: str) -> Person | None:
        """The holder of a token; None if unknown."""
        return self.get(person_id(token)) if is_token(token) else None

    def get(self, identity: str) -> Person | None:
        """A person by id; None if unknown, or the file is damaged."""
        if not is_id(identity):
            return None
        path = self._path(identity)
        try:
            facts = path.stat()
        except OSError:
            return None
        return _read_person(path, facts.st_mtime_ns, facts.st_ino)  # asked at every refresh of every page

    def all(self) -> list[Person]:
        """Everyone, in the order they came."""
        try:
            names = [path.stem for path in self.folder.glob("*.json") if is_id(path.stem)]
        except OSError:
            return []
        found = [person for person in map(self.get, names) if person is not None]
        return sorted(found, key=lambda person: (person.created, person.id))

    def name(self, token: str, nickname: str) -> Person:
        """Give the holder of a token a nickname, or change it.

        Raises:
            PeopleError: if the name is empty, too long or taken, or too many people are here.
        """
        if not is_token(token):
            raise PeopleError("Your browser blocks cookies for this page: allow them and reload.")
        shown = _readable(nickname)
        if not shown:
            raise PeopleError("The nickname is empty: enter at least one letter.")
        if len(shown) > MAX_NICKNAME:
            raise PeopleError(f"The nickname is too long: use at most {MAX_NICKNAME} letters.")
        identity = person_id(token)
        self.folder.mkdir(parents=True, exist_ok=True)
        busy = PeopleError("Many people are entering: try again in a few seconds.")
        with hold_lock(self.settings.home / "people.lock", LOCK_SECONDS, busy):
            others = [person for person in self.all() if person.id != identity]
            if any(person.nickname.casefold() == shown.casefold() for person in others):
                raise PeopleError(f"The nickname {shown} is taken: choose another.")
            if len(others) >= MAX_PEOPLE:
                raise PeopleError(f"{MAX_PEOPLE} people are here already: ask the presenter to tidy up.")
            known = self.get(identity)
            return self._write(
                Person(identity, shown, known.created if known else time.time(), bool(known and known.presenter))
            )

    def appoint(self, identity: str) -> Person:
        """Make a person a presenter; call it only after the presenter's secret was checked.

        Raises:
            PeopleError: if there is no such person.
        """
        known = self.get(identity)
        if known is None:
            raise PeopleError("Choose a nickname first: the presenter needs one too.")
        return self._write(Person(known.id, known.nickname, known.created, presenter=True))

    def _write(self, person: Person) -> Person:
        values = {"nickname": person.nickname, "created": person.created, "presenter": person.presenter}
        write_json(self._path(person.id), values)
        return person

    def _path(self, identity: str) -> Path:
        return self.folder / f"{identity}.json"


@functools.lru_cache(maxsize=MAX_PEOPLE)
def _read_person(path: Path, *_stamp: int) -> Person | None:
    try:
        values = read_json(path)
        return Person(path.stem, str(values["nickname"]), float(values["created"]), values["presenter"] is True)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _readable(text: str) -> str:
    """One line without invisible characters, which could reverse the letters around them."""
    shown = "".join(letter for letter in text if letter.isprintable() or letter.isspace())
    return " ".join(shown.split())
