"""What a prediction is, for processes with and without torch."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Prediction:
    """A network's answer for one picture.

    Attributes:
        file: the picture's name as given.
        label, probability: the most probable class; None when the picture could not be used.
        top: (label, probability), most probable first.
        milliseconds: decoding and network together.
        error: one sentence when the picture could not be used.
        notes: what was converted on reading.
    """

    file: str
    label: str | None
    probability: float | None
    top: tuple[tuple[str, float], ...]
    milliseconds: float
    error: str | None = None
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        record: dict[str, Any] = {
            "file": self.file,
            "label": self.label,
            "probability": self.probability,
            "top": [list(item) for item in self.top],
            "milliseconds": round(self.milliseconds, 2),
        }
        if self.error is not None:
            record["error"] = self.error
        if self.notes:
            record["notes"] = list(self.notes)
        return record

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> "Prediction":
        return cls(
            record["file"],
            record["label"],
            record["probability"],
            tuple((str(label), float(p)) for label, p in record["top"]),
            record["milliseconds"],
            record.get("error"),
            tuple(record.get("notes", ())),
        )
