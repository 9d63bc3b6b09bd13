"""The most memory that a step takes."""

from collections.abc import Callable
from pathlib import Path

PEAK = Path("/proc/self/clear_refs")  # Linux: a 5 in it starts the peak of this process again


def peak_of(step: Callable[[], object]) -> int:
    """Bytes above those that the process has when it begins."""
    PEAK.write_text("5", encoding="ascii")
    before = _kilobytes("VmRSS")
    step()
    return 1024 * (_kilobytes("VmHWM") - before)


def _kilobytes(name: str) -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{name}:"))
