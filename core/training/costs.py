"""What a run costs, by part: seconds, multiply-adds, memory, size. Imports no torch.

Seconds of the pictures' decoding and of frozen parts are noted beside what is kept of them: a run that finds it there
is charged what it took to compute, so that all arms of a race are charged alike, in whatever order they ran.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import psutil

from core.config.events import Measured, Message
from core.config.train_config import TrainConfig
from core.formatting import format_duration
from core.settings import Settings
from core.training.estimate import prefix_seconds

if TYPE_CHECKING:
    from models.network import Network

DECODING, FROZEN, SEARCHING, TRAINING, VALIDATION, TESTING = (
    "decoding", "frozen part", "finding the rate", "training", "validation", "testing",
)  # fmt: skip
PARTS: Mapping[str, str] = {
    DECODING: "Reading the picture files and making them small, once for all runs on them.",
    FROZEN: "Looking at the pictures through the part that never changes, once for all runs that share it.",
    SEARCHING: "Trying learning rates before the training, where that was asked for.",
    TRAINING: "Steps on training pictures: forward, backward, and moving the weights.",
    VALIDATION: "A look at the validation pictures after every epoch.",
    TESTING: "The one look at the test pictures with the best weights, and one more at the validation pictures.",
}  # in the order in which they pass; what each is, in words


class Stored(Protocol):
    """What is kept of a frozen part for some pictures: `activations.Activations`."""

    @property
    def name(self) -> str: ...
    @property
    def seconds(self) -> float | None: ...
    @property
    def reused(self) -> bool: ...
    def __len__(self) -> int: ...


@dataclass
class Costs:
    """What is known of a run's costs while it goes on.

    Attributes:
        seconds: by part, those of `PARTS`.
        charges: of each stage, what its frozen part took.
        reused: parts that were found in the stores.
        peak_memory_bytes: of an earlier process that worked on the run.
        paid: names of what is stored and was charged already.
    """

    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(PARTS, 0.0))
    charges: list[float] = field(default_factory=list)
    reused: set[str] = field(default_factory=set)
    peak_memory_bytes: int = 0
    paid: set[str] = field(default_factory=set)

    def charge_decoding(self, seconds: float | None, *, reused: bool) -> None:
        """Note what it took to decode the pictures."""
        self.seconds[DECODING] = seconds or 0.0
        if reused:
            self.reused.add(DECODING)

    def charge_stage(
        self, settings: Settings, config: TrainConfig, precision: str, stored: Sequence[Stored]
    ) -> Message | None:
        """Charge a stage what its frozen part took; returns what people should know of it.

        What an earlier stage was charged for is not charged again.
        """
        new = [item for item in stored if item.name not in self.paid]
        self.paid.update(item.name for item in new)
        told = sum(item.seconds for item in new if item.seconds is not None)
        pictures = sum(len(item) for item in new if item.seconds is None)
        guessed = prefix_seconds(settings, config, precision, pictures) if pictures else None
        seconds = told + (guessed or 0.0)
        self.charges.append(seconds)
        self.seconds[FROZEN] += seconds
        if any(item.reused for item in new):
            self.reused.add(FROZEN)
        if not pictures:
            return None
        counted = f"about {format_duration(guessed)} are counted" if guessed is not None else "nothing is counted"
        return Message(
            "info",
            "An earlier version kept what leaves the frozen part, and did not note how long that took: "
            f"{counted} for {pictures:,} pictures.",
        )

    def to_json(self) -> dict[str, Any]:
        """What a training that is put aside has to remember."""
        return {
            "search_seconds": self.seconds[SEARCHING],
            "reused": sorted(self.reused),
            "peak_memory_bytes": max(self.peak_memory_bytes, peak_memory_bytes()),
        }

    def restore(self, values: Mapping[str, Any]) -> None:
        """Take up what `to_json` gave; what an earlier version did not write is left as it is."""
        self.seconds[SEARCHING] = float(values.get("search_seconds", 0.0))
        self.reused = {str(part) for part in values.get("reused", self.reused)}
        self.peak_memory_bytes = int(values.get("peak_memory_bytes", 0))

    def measured(self, multiply_adds: tuple[int, int], weights: Path) -> Measured:
        """All of it.

        Args:
            multiply_adds: of the whole network, of the part that learns.
            weights: the file of the saved network.
        """
        size = 0
        with suppress(OSError):
            size = weights.stat().st_size
        return Measured(
            seconds={part: round(seconds, 3) for part, seconds in self.seconds.items()},
            reused=[part for part in PARTS if part in self.reused],
            multiply_adds=multiply_adds[0],
            multiply_adds_learning=multiply_adds[1],
            peak_memory_bytes=max(self.peak_memory_bytes, peak_memory_bytes()),
            weights_bytes=size,
        )


def peak_memory_bytes() -> int:
    """The most memory that this process ever held; 0 where the system does not tell.

    Its children do not count: a worker starts none. Pages that it shares with others do: a worker that was forked
    begins with torch and all else that its parent had imported, as one that was started afresh has after its imports.
    """
    if sys.platform == "linux":
        # getrusage would tell what the process that started this one had, where that was more
        with suppress(OSError, ValueError, IndexError):
            status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
            return 1024 * int(next(line for line in status.splitlines() if line.startswith("VmHWM:")).split()[1])
    if os.name == "nt":
        return int(getattr(psutil.Process().memory_info(), "peak_wset", 0))
    import resource

    told = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(told if sys.platform == "darwin" else 1024 * told)  # macOS tells bytes, the others KiB


def count_multiply_adds(network: "Network", side_px: int) -> tuple[int, int]:
    """Count the multiply-adds of one image's forward pass: of the whole network, and of the part that is not frozen.

    Counted on tensors without numbers, so that nothing is copied or computed. As in torchvision's figures,
    convolutions, matrix products and attention count; normalisation, activations and pooling do not.

    Args:
        side_px: width and height of the network's input.
    """
    import torch
    from torch.func import functional_call
    from torch.utils.flop_counter import FlopCounterMode

    state = {**dict(network.named_parameters()), **dict(network.named_buffers())}
    shapes = {name: torch.empty_like(value, device="meta") for name, value in state.items()}
    training = network.training
    network.eval()
    try:
        with torch.inference_mode(), FlopCounterMode(display=False) as counter:
            functional_call(network, shapes, (torch.empty(1, 3, side_px, side_px, device="meta"),))
    finally:
        network.train(training)
    by_module = counter.get_flop_counts()
    names = list(network.blocks)
    point = network.freeze_point
    frozen = names[: names.index(point) + 1] if point else []
    outer = type(network).__name__
    before = sum(sum(by_module.get(f"{outer}.blocks.{name}", {}).values()) for name in frozen)
    total = counter.get_total_flops()
    return total // 2, (total - before) // 2  # a multiply-add is two operations
