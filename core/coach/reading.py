"""What the coach says: one thing seen in a run or a comparison, the figures it rests on, and one thing to try.

This file knows no rule. The rules live in `curve_rules`, `result_rules`, `fairness` and `shortcuts`; `coach` puts their
readings in order.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Level = Literal["alarm", "warning", "note", "fine"]
LEVELS: Mapping[Level, str] = {
    "alarm": "Act on this",
    "warning": "Look at this",
    "note": "Good to know",
    "fine": "As it should be",
}  # most important first, with what people read


@dataclass(frozen=True)
class Reading:
    """One thing that the coach has seen.

    Attributes:
        kind: a short name that never changes, such as `overfitting`.
        title: the reading in a few words.
        evidence: the figures that it rests on, with their units, and what they mean; one or two sentences.
        advice: one thing to try, as a whole sentence; empty where there is nothing to do.
        change: fields of TrainConfig with the values to try, so that a form can be filled in; empty where the advice is
            about something else.
        lesson: name of the explanation that goes with it, or empty.
    """

    kind: str
    level: Level
    title: str
    evidence: str
    advice: str = ""
    change: Mapping[str, Any] = field(default_factory=dict)
    lesson: str = ""

    @property
    def alarming(self) -> bool:
        """Whether something should be done about it."""
        return self.level in ("alarm", "warning")

    def to_json(self) -> dict[str, Any]:
        """The reading as JSON."""
        return {**asdict(self), "change": dict(self.change)}


def order_readings(readings: list[Reading], ranks: tuple[str, ...], most: int | None) -> list[Reading]:
    """The most important first: by level, then by the place of their kind in `ranks`; at most `most`."""
    levels = list(LEVELS)
    ranked = sorted(readings, key=lambda reading: (levels.index(reading.level), ranks.index(reading.kind)))
    return ranked if most is None else ranked[:most]
