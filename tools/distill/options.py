"""What a person chooses about a distillation. No torch."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from core.errors import ConfigError

PRECISIONS = ("bf16", "fp32")


@dataclass(frozen=True)
class DistillOptions:
    """One distillation; equal options give equal weights on one machine.

    Attributes:
        pictures: folder of pictures, searched with its subfolders; no labels are read.
        teacher: a network of the catalog whose pretrained weights are on this machine.
        rounds: in each, every picture gives one new view, and the teacher answers for it once.
        repeats: how often the student sees the views of a round.
        batch_size: views per training step.
        learning_rate: peak of the hidden convolutions' rate (Muon's); the other parameters follow in proportion.
        mixed_share: share of views in which two pictures are blended or pasted together.
        side_px: width and height of the student's views. Random crops enlarge what is on them, so a student that is
            used at a somewhat larger size meets things at the size that it learned them (Touvron et al., Fixing the
            train-test resolution discrepancy, 2019).
        hold_out: pictures that are never trained on; the distance to the teacher is measured on them.
        seed: of the student's first weights, the views and their order.
        precision: `bf16` or `fp32`, of the forward passes.
    """

    pictures: Path
    teacher: str = "mobilenet_v2"
    rounds: int = 40
    repeats: int = 4
    batch_size: int = 64
    learning_rate: float = 0.02
    mixed_share: float = 0.5
    side_px: int = 128
    hold_out: int = 300
    seed: int = 0
    precision: str = "bf16"

    def __post_init__(self) -> None:
        problems: dict[str, str] = {}
        for name, least in (
            ("rounds", 1),
            ("repeats", 1),
            ("batch_size", 2),
            ("hold_out", 2),
            ("side_px", 32),
            ("seed", 0),
        ):
            if getattr(self, name) < least:
                problems[name] = f"{name} is {getattr(self, name)}: choose {least} or more."
        if not 0 < self.learning_rate <= 1:
            problems["learning_rate"] = f"learning_rate is {self.learning_rate}: choose a number above 0, at most 1."
        if not 0 <= self.mixed_share <= 1:
            problems["mixed_share"] = f"mixed_share is {self.mixed_share}: choose a share from 0 to 1."
        if self.precision not in PRECISIONS:
            problems["precision"] = f"precision is {self.precision!r}: choose one of {', '.join(PRECISIONS)}."
        if problems:
            raise ConfigError(problems)

    def to_json(self) -> dict[str, Any]:
        """All that decides the result; where the pictures lie does not, what they hold is the fingerprint's matter."""
        return {name: value for name, value in asdict(self).items() if name != "pictures"}
