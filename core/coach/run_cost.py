"""The cost of a run: time by part, parameters, multiply-adds, memory, size, and an estimate of its energy.

What a run did not measure is None here and "not measured" on the screen, never 0: older versions recorded less.

Assumptions, also shown next to the figures:
* The backward pass through trainable parts costs twice the forward pass (one product for inputs, one for weights).
* Frozen parts only run forward: once for each stored view of a picture, or in every epoch where no views are stored.
* Multiply-adds count training pictures; validation and test are left out.
* Energy is seconds times watts. The watts are an assumption, not a measurement: hence one digit only.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from subprocess import SubprocessError, run
from typing import Any

from core.config.train_config import TrainConfig
from core.formatting import describe_cost, format_number
from core.runs.history import RunHistory
from core.runs.run import RunResult
from core.settings import Settings

BACKWARD = 2  # times the forward pass
# A busy core draws 4 to 8 W in a laptop, 8 to 15 W in a desktop, 4 to 8 W in a server, including its share of memory,
# board and power supply.
WATTS_PER_THREAD = 8.0
ASSUMED = "assumed"
NOT_MEASURED = "not measured"


@dataclass(frozen=True)
class Energy:
    """An estimate of one digit.

    Attributes:
        watt_hours: seconds times watts.
        watts: of the whole machine while it trained.
        source: where the watts come from, in words.
    """

    watt_hours: float
    watts: float
    source: str

    def text(self) -> str:
        """Such as `about 0.02 Wh`."""
        return f"about {_one_digit(self.watt_hours)} Wh"


@dataclass(frozen=True)
class Cost:
    """What one run cost; None where it is not known.

    Attributes:
        name: what the page calls it.
        seconds: from the worker's start to its end, plus what its reused parts took when they were computed.
        parts: seconds by part of the work; empty if not measured.
        reused: parts that an earlier run had computed already; their seconds and multiply-adds count all the same.
        parameters, trainable: numbers in the network, and those of them that were trained.
        multiply_adds: of the forward pass of one picture.
        training_multiply_adds: of all training pictures, forward and backward.
        images_seen: training pictures, repeats included.
        peak_memory_bytes: of the worker process.
        weights_bytes: of the saved network.
    """

    name: str
    seconds: float | None
    parts: Mapping[str, float]
    reused: tuple[str, ...]
    parameters: int | None
    trainable: int | None
    multiply_adds: int | None
    training_multiply_adds: int | None
    images_seen: int | None
    peak_memory_bytes: int | None
    weights_bytes: int | None
    energy: Energy | None


def add_up(
    settings: Settings, name: str, config: TrainConfig, history: RunHistory, result: RunResult | None = None
) -> Cost:
    """The cost of a run, from what it recorded.

    Args:
        result: how it ended; without it the seconds are those of its training so far.
    """
    described, measured = history.described, history.measured
    seconds = result.seconds if result is not None else None
    if seconds is None and history.epochs:
        seconds = history.epochs[-1].seconds  # frozen parts are included there already
    elif seconds is not None and measured is not None:
        seconds += sum(measured.seconds.get(part, 0.0) for part in measured.reused)
    images = history.epochs[-1].images_seen if history.epochs else None
    return Cost(
        name=name,
        seconds=seconds,
        parts=dict(measured.seconds) if measured else {},
        reused=tuple(measured.reused) if measured else (),
        parameters=described.parameters if described else None,
        trainable=described.trainable if described else None,
        multiply_adds=measured.multiply_adds if measured else None,
        training_multiply_adds=_count_training(config, history),
        images_seen=images,
        peak_memory_bytes=measured.peak_memory_bytes if measured else None,
        weights_bytes=measured.weights_bytes if measured else None,
        energy=estimate_energy(settings, seconds, described.hardware if described else None),
    )


def estimate_energy(settings: Settings, seconds: float | None, hardware: Mapping[str, Any] | None) -> Energy | None:
    """Seconds times watts; None where either is not known.

    Args:
        hardware: as the run recorded it: device and threads.
    """
    if seconds is None or hardware is None:
        return None
    if settings.watts:
        watts, source = float(settings.watts), f"{settings.watts} W, from TUNEMYPETS_WATTS"
    elif hardware.get("device") == "cpu":
        threads = int(hardware.get("threads", 1))
        watts = WATTS_PER_THREAD * threads
        used = f"each of {threads} processor threads" if threads > 1 else "one processor thread"
        source = f"{ASSUMED}: {WATTS_PER_THREAD:g} W for {used}"
    elif hardware.get("device") == "cuda" and (limit := gpu_watts()) is not None:
        watts, source = limit, f"at most: the graphics card’s power limit of {limit:g} W"
    else:
        return None
    return Energy(seconds * watts / 3600, watts, source)


@lru_cache(maxsize=1)
def gpu_watts() -> float | None:
    """The power limit of the first graphics card, in watts, as the driver's own program reports it."""
    command = ["nvidia-smi", "--query-gpu=power.limit", "--format=csv,noheader,nounits"]
    try:
        output = run(command, capture_output=True, text=True, timeout=5, check=True).stdout
        watts = float(output.splitlines()[0])
    except (OSError, SubprocessError, ValueError, IndexError):
        return None
    return watts if math.isfinite(watts) and watts > 0 else None


def _count_training(config: TrainConfig, history: RunHistory) -> int | None:
    """Multiply-adds of all training pictures; None if not measured."""
    described, measured, epochs = history.described, history.measured, history.epochs
    if described is None or measured is None or not epochs:
        return None
    total, seen = 0, 0
    train = described.pictures.get("train", 0)
    for place, stage in enumerate(described.stages):
        of_stage = [epoch.images_seen for epoch in epochs if epoch.stage == stage["name"]]
        images = max(of_stage, default=seen) - seen
        seen += images
        last = place == len(described.stages) - 1
        # an earlier stage trains the head only: a linear layer makes one multiply-add for each of its weights
        trainable = measured.multiply_adds_learning if last else min(stage["trainable"], measured.multiply_adds)
        frozen = measured.multiply_adds - trainable
        views = config.views * train if config.views and stage.get("freeze_point") else images
        total += images * (1 + BACKWARD) * trainable + min(views, images) * frozen
    return total


def format_ratio(first: Cost, second: Cost) -> str:
    """What the second cost compared with the first: `Compared with scratch, transfer took …`."""
    parts = []
    if first.seconds and second.seconds:
        parts.append(f"got its result {describe_cost(second.seconds, first.seconds)} (all parts counted)")
    if first.trainable and second.trainable:
        factor = first.trainable / second.trainable
        if factor >= 1.5:
            parts.append(f"trained {_times(factor)} fewer parameters")
        elif factor <= 1 / 1.5:
            parts.append(f"trained {_times(1 / factor)} more parameters")
        else:
            parts.append("trained about as many parameters")
    return f"Compared with {first.name}, {second.name} {' and '.join(parts)}." if parts else ""


def _times(factor: float) -> str:
    return f"{factor:.1f}".removesuffix(".0") + " times" if factor < 9.95 else f"{_tidy(factor)} times"


def _tidy(number: float) -> str:
    """Two significant digits: 1,234 -> 1,200."""
    step = 10 ** max(0, math.floor(math.log10(number)) - 1)
    return f"{round(number / step) * step:,}"


def _one_digit(value: float) -> str:
    if value <= 0:
        return "0"
    rounded = float(f"{value:.0e}")
    return f"{rounded:,.{max(0, -math.floor(math.log10(rounded)))}f}"


def format_large(count: float | None) -> str:
    """A count in words: `314 million`, `2.9 billion`, or `not measured`."""
    if count is None:
        return NOT_MEASURED
    for size, word in ((1e15, "quadrillion"), (1e12, "trillion"), (1e9, "billion"), (1e6, "million")):
        if count >= size:
            return f"{format_number(count / size, 3)} {word}"
    return f"{count:,.0f}"


def part_names(costs: Sequence[Cost]) -> list[str]:
    """Names of all parts that any of the runs measured, in the order of the first."""
    return list(dict.fromkeys(part for cost in costs for part in cost.parts))
