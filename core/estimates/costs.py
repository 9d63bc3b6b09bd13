"""The costs of a run, by part: seconds, multiply-adds, memory, size. Imports no torch by itself: pages read it.

The seconds that decoding and frozen parts took are noted next to the stored results. A run that finds these is charged
for them too: so all arms of a race are charged alike, in whatever order they ran.
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
from core.estimates.estimate import prefix_seconds
from core.formatting import format_rough_duration
from core.settings import Settings

if TYPE_CHECKING:
    from models.network import Network

DECODING, FROZEN, SEARCHING, TRAINING, VALIDATION, TESTING = (
    "decoding", "frozen part", "finding the rate", "training", "validation", "testing",
)  # fmt: skip
PARTS: Mapping[str, str] = {
    DECODING: "Reading and resizing the picture files, once for all runs on them.",
    FROZEN: "Passing the pictures through the frozen part, once for all runs that share it.",
    SEARCHING: "Trying learning rates before the training, if chosen.",
    TRAINING: "Steps on training pictures: forward, backward, and updating the weights.",
    VALIDATION: "Predicting the validation pictures after every epoch.",
    TESTING: "Predicting test and validation pictures with the best weights, once, and some of the latter mirrored.",
}  # in the order they pass; what each is, in words


class Stored(Protocol):
    """What is kept of a frozen part for some images: `activations.Activations`."""

    @property
    def name(self) -> str: ...
    @property
    def seconds(self) -> float | None: ...
    @property
    def reused(self) -> bool: ...
    def __len__(self) -> int: ...


@dataclass
class Costs:
    """The costs of a run so far.

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
        """Note how long decoding the images took."""
        self.seconds[DECODING] = seconds or 0.0
        if reused:
            self.reused.add(DECODING)

    def charge_stage(
        self, settings: Settings, config: TrainConfig, precision: str, stored: Sequence[Stored]
    ) -> Message | None:
        """Charge a stage for its frozen part, unless an earlier stage was; returns a message about an unknown time."""
        new = [item for item in stored if item.name not in self.paid]
        self.paid.update(item.name for item in new)
        noted = sum(item.seconds for item in new if item.seconds is not None)
        images = sum(len(item) for item in new if item.seconds is None)
        guessed = prefix_seconds(settings, config, precision, images) if images else None
        seconds = noted + (guessed or 0.0)
        self.charges.append(seconds)
        self.seconds[FROZEN] += seconds
        if any(item.reused for item in new):
            self.reused.add(FROZEN)
        if not images:
            return None
        counted = f"about {format_rough_duration(guessed)} are counted" if guessed is not None else "nothing is counted"
        return Message(
            "info",
            "The activations of the frozen part were stored by an earlier version, which did not note its time: "
            f"{counted} for {images:,} pictures.",
        )

    def to_json(self) -> dict[str, Any]:
        """What a paused training has to remember."""
        return {
            "search_seconds": self.seconds[SEARCHING],
            "reused": sorted(self.reused),
            "peak_memory_bytes": max(self.peak_memory_bytes, peak_memory_bytes()),
        }

    def restore(self, values: Mapping[str, Any]) -> None:
        """Restore what `to_json` gave; what an earlier version did not write is left as it is."""
        self.seconds[SEARCHING] = float(values.get("search_seconds", 0.0))
        self.reused = {str(part) for part in values.get("reused", self.reused)}
        self.peak_memory_bytes = int(values.get("peak_memory_bytes", 0))

    def measured(self, multiply_adds: tuple[int, int], weights: Path) -> Measured:
        """All costs of the run.

        Args:
            multiply_adds: of the whole network, of its trainable part.
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
    """The most memory that this process ever held; 0 where the system does not report it.

    Its children do not count: a worker starts none. Pages that it shares with others do: a worker that was forked
    begins with torch and all else that its parent had imported, as one that was started afresh has after its imports.
    """
    if sys.platform == "linux":
        # getrusage would include the process that started this one
        with suppress(OSError, ValueError, IndexError):
            status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
            return 1024 * int(next(line for line in status.splitlines() if line.startswith("VmHWM:")).split()[1])
    if os.name == "nt":
        return int(getattr(psutil.Process().memory_info(), "peak_wset", 0))
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak if sys.platform == "darwin" else 1024 * peak)  # bytes on macOS, KiB elsewhere


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
