"""How many trainings run at the same time on this machine."""

import dataclasses
import os
import shutil
import subprocess

from core.settings import Settings

GPU_MIB_EACH = 6000  # what fine-tuning one of the catalog's networks takes, with room to spare
MAX_ON_GPU = 4  # more would only wait for each other, and for the processor that feeds them
ASK_SECONDS = 10.0


def fit_to_machine(settings: Settings) -> Settings:
    """The settings with a number of workers: as chosen, else one, or as many as the GPU's memory allows.

    The processor's threads are shared out among them.
    """
    if settings.workers is not None:
        return settings
    workers = 1
    if settings.device in ("auto", "cuda"):
        cores = os.cpu_count() or 1
        workers = max(1, min(gpu_memory_mib() // GPU_MIB_EACH, MAX_ON_GPU, cores // 2))
    return dataclasses.replace(settings, workers=workers, threads=max(1, settings.threads // workers))


def gpu_memory_mib() -> int:
    """Memory of the largest GPU, in MiB, according to NVIDIA's own tool; 0 without one."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return 0
    try:
        answer = subprocess.run(
            [tool, "--query-gpu=memory.total", "--format=csv,noheader,nounits"],
            capture_output=True,
            text=True,
            timeout=ASK_SECONDS,
            check=True,
        )
        return max((int(line) for line in answer.stdout.split()), default=0)
    except (OSError, ValueError, subprocess.SubprocessError):
        return 0
