"""The room and its door: `room/room.json`, readable by the operator alone.

The passcode admits a person, the presenter's secret makes them the presenter. Admitted people are recorded
(`room/admitted/`), so that a browser is asked once; after a new passcode everyone is asked again.
"""

import functools
import hashlib
import hmac
import math
import re
import secrets
import time
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from core.actor import Actor
from core.errors import PeopleError
from core.locks import hold_lock
from core.room.passcode_attempts import Count, PasscodeAttempts, sources
from core.room.people import is_token, person_id
from core.settings import Settings
from core.storage import is_id, read_json, write_json

PASSCODE_DIGITS = 8
MAX_BROWSERS = 5000  # admitted; a script that enters again and again without its cookie must not fill the disk
LOCK_SECONDS = 10.0


@dataclass(frozen=True)
class Room:
    """The secrets of the room.

    Attributes:
        passcode: eight digits, for everyone.
        secret: for the presenter.
        key: makes tokens for people who sign in elsewhere; never shown.
        created: seconds since 1970.
    """

    passcode: str
    secret: str
    key: str
    created: float

    @property
    def shown_passcode(self) -> str:
        """The passcode as it is shown: `4821 7730`."""
        return f"{self.passcode[:4]} {self.passcode[4:]}"

    @property
    def ticket(self) -> str:
        """Recorded for each admitted person; a new passcode makes a new ticket."""
        return hmac.new(self.key.encode(), f"admitted {self.passcode}".encode(), hashlib.sha256).hexdigest()[:32]

    def signed_in_token(self, issuer: str, subject: str) -> str:
        """The token of a person who signed in with an identity provider: the same in every browser, hard to guess."""
        return hmac.new(self.key.encode(), f"{issuer}\n{subject}".encode(), hashlib.sha256).hexdigest()


class RoomStore:
    """The folder `room/` of a data root."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.folder = settings.room_dir
        self.path = self.folder / "room.json"
        self.attempts = PasscodeAttempts(self.folder / "attempts.json")

    def current(self) -> Room | None:
        """The room, or None if it was never opened; the file is read only when it has changed."""
        try:
            facts = self.path.stat()
        except OSError:
            return None
        return _read_room(self.path, facts.st_mtime_ns, facts.st_size)

    def open(self) -> Room:
        """The room, made now if there is none: passcode and secret survive a restart.

        Raises:
            PeopleError: if the room is locked for long.
        """
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._locked():
            known = self.current()
            return known if known is not None else self._write(_new_passcode(), secrets.token_urlsafe(16), None)

    def change_passcode(self, by: Actor, token: str) -> Room:
        """Make a new passcode: everyone is asked for it, except in the browser that holds `token`.

        Raises:
            RightsError: unless `by` is the presenter.
            PeopleError: if there is no room.
        """
        by.check_presenter("A new passcode")
        with self._locked():
            room = self._require()
            changed = self._write(_new_passcode(), room.secret, room.key)
            if is_token(token):
                self._admit(person_id(token), changed, presenter=True)
            return changed

    def enter(self, token: str, passcode: str, address: str | None) -> None:
        """Admit the holder of a token.

        Args:
            token: of the browser.
            passcode: as it was typed.
            address: of the browser; None on the machine itself.
        Raises:
            PeopleError: if the passcode is wrong, or too many were, with how long to wait.
        """
        person = _person(token)
        with self._locked():
            room = self._require()
            tried = sources("passcode", person, address)
            self._check(tried, re.sub(r"\D", "", passcode), room.passcode, "Wrong passcode: check the screen.")
            self._admit(person, room)

    def prove_presenter(self, token: str, secret: str, address: str | None) -> None:
        """Check the presenter's secret, and admit its holder.

        Raises:
            PeopleError: if it is wrong, or too many were, with how long to wait.
        """
        person = _person(token)
        with self._locked():
            room = self._require()
            tried = sources("secret", person, address)
            self._check(tried, secret, room.secret, "Wrong presenter address: copy it from the terminal again.")
            self._admit(person, room, presenter=True)

    def is_admitted(self, person: str) -> bool:
        """Whether a browser gave the passcode that is valid now. Cheap: call it on every refresh."""
        return self._noted(person)[0]

    def is_presenter(self, person: str) -> bool:
        """Whether a browser gave the presenter's secret, and the passcode has not been changed elsewhere since."""
        return all(self._noted(person))

    def _noted(self, person: str) -> tuple[bool, bool]:
        room = self.current()
        if room is None or not is_id(person):
            return False, False
        path = self._ticket_path(person)
        try:
            facts = path.stat()
        except OSError:
            return False, False
        ticket, presenter = _read_ticket(path, facts.st_mtime_ns, facts.st_ino)
        return hmac.compare_digest(ticket, room.ticket), presenter

    def _check(self, tried: list[Count], typed: str, right: str, sentence: str) -> None:
        """Compare in constant time, and count; under the lock, so that many tries at once are many tries."""
        wait = self.attempts.wait_seconds(tried)
        if wait > 0:
            raise PeopleError(f"Too many wrong attempts: wait {_waiting(wait)}, then try again.")
        if not hmac.compare_digest(typed.encode(), right.encode()):
            self.attempts.note_wrong(tried)
            raise PeopleError(sentence)
        self.attempts.forgive(tried[0])

    def _admit(self, person: str, room: Room, *, presenter: bool = False) -> None:
        path = self._ticket_path(person)
        path.parent.mkdir(mode=0o700, exist_ok=True)
        if not path.exists() and sum(1 for _ in path.parent.iterdir()) >= MAX_BROWSERS:
            raise PeopleError(f"{MAX_BROWSERS:,} browsers are admitted already: ask the presenter to tidy up.")
        write_json(path, {"ticket": room.ticket, "presenter": presenter}, private=True)

    def _ticket_path(self, person: str) -> Path:
        return self.folder / "admitted" / f"{person}.json"

    def _require(self) -> Room:
        room = self.current()
        if room is None:
            raise PeopleError("The room is not open: ask the presenter to start the app with --room.")
        return room

    def _write(self, passcode: str, secret: str, key: str | None) -> Room:
        room = Room(passcode, secret, key or secrets.token_hex(32), time.time())
        write_json(self.path, vars(room), private=True)
        return room

    def _locked(self) -> AbstractContextManager[None]:
        busy = PeopleError("Many people are entering: try again in a few seconds.")
        return hold_lock(self.settings.home / "room.lock", LOCK_SECONDS, busy)


def _person(token: str) -> str:
    if not is_token(token):
        raise PeopleError("Your browser blocks cookies for this page: allow them and reload.")
    return person_id(token)


def _new_passcode() -> str:
    return "".join(secrets.choice("0123456789") for _ in range(PASSCODE_DIGITS))


def _waiting(seconds: float) -> str:
    whole = math.ceil(seconds)
    return f"{whole} s" if whole < 90 else f"{math.ceil(whole / 60)} minutes"


@functools.lru_cache(maxsize=8)
def _read_room(path: Path, *_stamp: int) -> Room | None:
    try:
        values = read_json(path)
        room = Room(str(values["passcode"]), str(values["secret"]), str(values["key"]), float(values["created"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    complete = re.fullmatch(rf"[0-9]{{{PASSCODE_DIGITS}}}", room.passcode) and len(room.secret) > 15 and room.key
    return room if complete else None


@functools.lru_cache(maxsize=4096)
def _read_ticket(path: Path, *_stamp: int) -> tuple[str, bool]:
    try:
        values = read_json(path)
        return str(values["ticket"]), values["presenter"] is True
    except (OSError, ValueError, KeyError, TypeError):
        return "", False
