"""What the predictor answers: predictions, and how strange the pictures of a dataset are. Imports no torch.

Explanations are in `explanation_answers.py`.
"""

from dataclasses import asdict, dataclass
from typing import Any

from core.novelty.not_sure import NotSure


@dataclass(frozen=True)
class Prediction:
    """A network's answer for one image.

    Attributes:
        file: the image's name as given.
        label, probability: the most probable class; None when the image could not be used.
        top: (label, probability), most probable first.
        milliseconds: decoding and network together.
        error: one sentence when the image could not be used.
        notes: what was converted on reading.
        not_sure: whether the picture is strange, and what else it may be; None where the run does not know that yet.
    """

    file: str
    label: str | None
    probability: float | None
    top: tuple[tuple[str, float], ...]
    milliseconds: float
    error: str | None = None
    notes: tuple[str, ...] = ()
    not_sure: NotSure | None = None

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
        if self.not_sure is not None:
            record["not_sure"] = self.not_sure.to_json()
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
            NotSure.from_json(record["not_sure"]) if "not_sure" in record else None,
        )


@dataclass(frozen=True)
class Strangers:
    """How strange the pictures of another dataset are to a network.

    Attributes:
        p_values: of each picture, by its features.
        confidences: of each, the probability of the most probable class.
        total: pictures of the dataset; more than those here where an even sample was taken.
    """

    p_values: tuple[float, ...]
    confidences: tuple[float, ...]
    total: int

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, record: dict[str, Any]) -> "Strangers":
        return cls(
            tuple(float(value) for value in record["p_values"]),
            tuple(float(value) for value in record["confidences"]),
            int(record["total"]),
        )
