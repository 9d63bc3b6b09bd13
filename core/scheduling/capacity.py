"""How many trainings run at the same time on this machine, and with what each."""

import dataclasses
import os
import shutil
import subprocess
import sys

from core.config.train_config import TrainConfig
from core.settings import Settings

GPU_MIB_EACH = 6000  # what fine-tuning one of the catalog's networks takes, with room to spare
MAX_ON_GPU = 4  # more would only wait for each other, and for the processor that feeds them
ASK_SECONDS = 10.0
PROCESS_BYTES = 400 * 2**20  # torch, and what a forked worker does not share
HELD_BYTES, LEARNING_BYTES = 8, 20  # of a parameter: weights and their copy; also gradient and Adam's two averages
IMAGE_BYTES = 100 * 2**20  # of an image of 224 x 224 pixels, between forward and backward, in the catalog's networks


def fit_to_machine(settings: Settings) -> Settings:
    """The settings with a number of workers: as chosen, else one, or as many as the GPU's memory allows.

    The processor's threads are shared out among them; where there is one, the arms of a race share it (`count_shares`).
    """
    if settings.workers is not None:
        return settings
    workers = 1
    if settings.device in ("auto", "cuda"):
        cores = os.cpu_count() or 1
        workers = max(1, min(gpu_memory_mib() // GPU_MIB_EACH, MAX_ON_GPU, cores // 2))
    return dataclasses.replace(settings, workers=workers, threads=max(1, settings.threads // workers))


def count_shares(settings: Settings) -> int:
    """How many arms of one race may run side by side, each with its share of the threads of one training.

    One where a number of workers was chosen, or where trainings run on a GPU: there the workers are the shares.
    """
    on_processor = settings.device == "cpu" or (
        settings.device == "auto" and sys.platform != "darwin" and not gpu_memory_mib()
    )
    return settings.threads if settings.workers is None and on_processor else 1


def memory_needed(config: TrainConfig) -> int:
    """A cautious guess at the bytes that a training takes: whether another one fits next to it."""
    parameters = config.entry().backbone_parameters
    if config.strategy == "head":
        return PROCESS_BYTES + HELD_BYTES * parameters
    side = config.entry().preprocessing.crop_px
    return PROCESS_BYTES + LEARNING_BYTES * parameters + config.batch_size * IMAGE_BYTES * side**2 // 224**2


def free_memory() -> int:
    """Bytes that new processes can have."""
    import psutil

    return int(psutil.virtual_memory().available)


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
