"""What a check finds, and what a repair would do about it."""

import enum
from dataclasses import dataclass
from typing import Any

from core.maintenance.path_names import shown


class Kind(enum.StrEnum):
    """Damaged: something is lost. Orphaned: what it belongs to is gone. Left over: somebody was killed here."""

    DAMAGED = "damaged"
    ORPHANED = "orphaned"
    LEFT_OVER = "left over"


class Mending(enum.StrEnum):
    """What `--repair` does to a finding's target. Nothing of value is ever deleted: it is set aside."""

    NOTHING = "nothing"
    REMOVE = "remove"
    SET_ASIDE = "set aside"
    CUT_LINE = "cut line"
    BLANK_LINES = "blank lines"
    REWRITE = "rewrite"
    MATCH_WEIGHTS = "match weights"
    REDRAW = "redraw"


_WORDS = {
    Mending.NOTHING: "",
    Mending.REMOVE: "removes {}",
    Mending.SET_ASIDE: "moves {} to set-aside",
    Mending.CUT_LINE: "cuts the unfinished line off",
    Mending.BLANK_LINES: "keeps a copy in set-aside and blanks the damaged lines",
    Mending.REWRITE: "moves it to set-aside and writes it anew",
    Mending.MATCH_WEIGHTS: "lets the file tell of these weights",
    Mending.REDRAW: "draws it anew from its picture",
}


@dataclass(frozen=True)
class Finding:
    """Something that is not as it should be.

    Attributes:
        thing: relative name under the data root, forward slashes.
        text: one sentence.
        mending: what a repair does, to `target`.
        target: relative name of what is mended; `thing` unless the whole run or dataset is.
        lock: relative name of a lock that a living process would hold; None where there is none.
    """

    kind: Kind
    thing: str
    text: str
    mending: Mending = Mending.NOTHING
    target: str = ""
    lock: str | None = None

    @property
    def place(self) -> str:
        """What is mended."""
        return self.target or self.thing

    @property
    def repair(self) -> str | None:
        """What `--repair` would do, in words; None if it can do nothing."""
        if self.mending is Mending.NOTHING:
            return None
        return _WORDS[self.mending].format("it" if self.place == self.thing else shown(self.place))

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind.value, "thing": shown(self.thing), "text": shown(self.text), "repair": self.repair}


class Damage(Exception):
    """A file is not what it should be; the text is a sentence that may follow its name."""
