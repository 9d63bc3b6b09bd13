"""The hardware of a run: device, threads, and the number formats that `benchmark` chose."""

import os
import platform
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Any

import torch
from torch.amp.grad_scaler import GradScaler

from core.settings import Settings
from models.network import Network

HALF_FORMATS = {"bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True)
class Hardware:
    """What a run computes with.

    Attributes:
        precision: of training steps, fp32, bf16 or fp16.
        reason: why this precision.
        prefix_precision: of the frozen prefix, where there is one.
        prefix_reason: why that one.
    """

    device: torch.device
    device_name: str
    threads: int
    precision: str
    reason: str
    prefix_precision: str = "fp32"
    prefix_reason: str = ""

    def autocast(self) -> AbstractContextManager[Any]:
        """The context for training steps."""
        return autocast(self.device, self.precision)

    def prefix_autocast(self) -> AbstractContextManager[Any]:
        """The context for a frozen prefix."""
        return autocast(self.device, self.prefix_precision)

    def scaler(self) -> GradScaler:
        """A gradient scaler for training steps: small gradients would be zero in fp16. It does nothing elsewhere."""
        return GradScaler(self.device.type, enabled=self.precision == "fp16")

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
            "prefix_precision": self.prefix_precision,
            "prefix_reason": self.prefix_reason,
            "memory_format": "channels_last",
            "torch": torch.__version__,
            "torchvision": version("torchvision"),  # importing it takes 170 MB, and petnet needs none of it
        }


def autocast(device: torch.device, precision: str) -> AbstractContextManager[Any]:
    """The context for computing in a number format."""
    return torch.autocast(device.type, dtype=HALF_FORMATS[precision]) if precision in HALF_FORMATS else nullcontext()


def number_formats(device: torch.device) -> tuple[str, ...]:
    """The number formats of a processor, fp32 first: one that it would emulate is 30 times as slow.

    GPUs before Ampere have fp16 and no bf16.
    """
    if device.type == "cuda":
        return ("fp32", "bf16") if torch.cuda.is_bf16_supported(including_emulation=False) else ("fp32", "fp16")
    if device.type == "cpu":
        there = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        if there and torch.ops.mkldnn._is_mkldnn_bf16_supported():
            return ("fp32", "bf16")
    return ("fp32",)


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


def with_threads_of(settings: Settings, earlier: dict[str, Any] | None) -> Settings:
    """The settings with as many threads as a training had before it was paused: another number gives other digits.

    Args:
        earlier: from `Hardware.to_json`; None of a new training.
    """
    if not earlier or "threads" not in earlier:
        return settings
    most = max(settings.threads, os.cpu_count() or 1)  # it may have begun on a larger machine
    return replace(settings, threads=min(int(earlier["threads"]), most))


def prepare_torch(settings: Settings, seed: int) -> None:
    """Threads, seed and deterministic kernels for this process."""
    torch.set_num_threads(settings.threads)
    torch.manual_seed(seed)
    torch.set_deterministic_debug_mode("warn")  # as `use_deterministic_algorithms`, which loads the whole compiler
    # filling fresh memory with NaN finds bugs in kernels, and costs a tenth of the time
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # a property of the module
    torch.backends.cudnn.benchmark = False
