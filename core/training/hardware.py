"""Device and number format: chosen by looking and by measuring, shown to the user, remembered per machine.

bf16 makes some networks faster on a CPU and halves others, so `precision: auto` times a few training steps of the
real network both ways. The answer is kept in `cache/precision.json`: equal runs on one machine take the same path.
"""

import copy
import platform
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
import torchvision
from torch.nn import functional

from core.settings import Settings
from core.storage import read_json, write_json
from core.training.config import TrainConfig
from core.training.events import Progress
from models.network import Network

PROBE_BATCH = 8
PROBE_STEPS = 2
WORTHWHILE = 1.1  # bf16 must be this much faster to be chosen


@dataclass(frozen=True)
class Hardware:
    """What a run computes with."""

    device: torch.device
    device_name: str
    threads: int
    precision: str  # fp32 or bf16
    reason: str  # why this precision

    def autocast(self) -> AbstractContextManager[Any]:
        """The context in which training steps run."""
        if self.precision == "bf16":
            return torch.autocast(self.device.type, dtype=torch.bfloat16)
        return nullcontext()

    def place(self, network: Network) -> None:
        """Move a network to the device, channels-last in memory."""
        network.to(self.device)
        network.to(memory_format=torch.channels_last)

    def to_json(self) -> dict[str, Any]:
        return {
            "device": self.device.type,
            "device_name": self.device_name,
            "threads": self.threads,
            "precision": self.precision,
            "precision_reason": self.reason,
            "memory_format": "channels_last",
            "torch": torch.__version__,
            "torchvision": torchvision.__version__,
        }


def choose_device(settings: Settings) -> torch.device:
    """CUDA, then MPS, then CPU, unless the settings name one."""
    if settings.device != "auto":
        return torch.device(settings.device)
    if torch.cuda.is_available():
        return torch.device("cuda")
    if torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


def device_name(device: torch.device) -> str:
    """The name of the processor that computes."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:  # noqa: PTH123 - one line of a pseudo file
            for line in file:
                if line.startswith("model name"):
                    return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def prepare_torch(settings: Settings, seed: int) -> None:
    """Threads, seed and deterministic kernels for this process."""
    torch.set_num_threads(settings.threads)
    torch.manual_seed(seed)
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.backends.cudnn.benchmark = False


def choose_hardware(
    settings: Settings, config: TrainConfig, network: Network, crop_px: int, freeze_point: str | None
) -> Iterator[Progress | Hardware]:
    """Decide device and precision; the last thing yielded is the `Hardware`.

    The network is not changed: the probe trains a copy.
    """
    device = choose_device(settings)
    name = device_name(device)

    def decided(precision: str, reason: str) -> Hardware:
        return Hardware(device, name, settings.threads, precision, reason)

    if config.precision != "auto":
        yield decided(config.precision, "chosen in the configuration")
        return
    if device.type == "mps":
        yield decided("fp32", "bf16 is not probed on MPS")
        return
    if device.type == "cuda" and not torch.cuda.is_bf16_supported(including_emulation=False):
        yield decided("fp32", "this GPU has no bf16")
        return
    key = "|".join(
        str(part)
        for part in (
            name, device.type, settings.threads, torch.__version__, config.model, freeze_point, crop_px,
            config.scratch_options() if config.model == "scratch_cnn" else "",
        )
    )  # fmt: skip
    path = settings.cache_dir / "precision.json"
    try:
        remembered = read_json(path)
    except (OSError, ValueError):
        remembered = {}
    times = remembered.get(key)
    if times is None:
        yield Progress("preparing", "Measuring which number format is faster here", 0, 2, None)
        times = {}
        for done, precision in enumerate(("fp32", "bf16"), start=1):
            for milliseconds in _probe(decided(precision, ""), network, crop_px, freeze_point):
                times[precision] = milliseconds
                yield Progress("preparing", "Measuring which number format is faster here", done, 2, None)
        settings.cache_dir.mkdir(parents=True, exist_ok=True)
        write_json(path, {**remembered, key: times})
    gain = times["fp32"] / times["bf16"]
    reason = f"measured on this machine: {times['fp32']:.1f} ms a picture in fp32, {times['bf16']:.1f} ms in bf16"
    yield decided("bf16" if gain >= WORTHWHILE else "fp32", reason)


def _probe(hardware: Hardware, network: Network, crop_px: int, freeze_point: str | None) -> Iterator[float]:
    """Yield after every step the fastest milliseconds per picture of a training step so far."""
    rng_state = torch.random.get_rng_state()
    trial = copy.deepcopy(network)
    hardware.place(trial)
    trial.freeze(freeze_point)
    trial.train()
    generator = torch.Generator().manual_seed(0)
    pictures = torch.randn(PROBE_BATCH, 3, crop_px, crop_px, generator=generator)
    pictures = pictures.to(hardware.device, memory_format=torch.channels_last)
    fastest = float("inf")
    for step in range(1 + PROBE_STEPS):
        started = time.perf_counter()
        with hardware.autocast():
            logits = trial(pictures)
        loss = functional.mse_loss(logits.float(), torch.zeros_like(logits, dtype=torch.float32))
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        if hardware.device.type == "cuda":
            torch.cuda.synchronize()
        if step > 0:
            fastest = min(fastest, (time.perf_counter() - started) / PROBE_BATCH * 1000)
            yield fastest
    torch.random.set_rng_state(rng_state)
