"""Failures of runs: their sentences, and what to try next."""

import errno

from core.config.field_rules import LEAST_PART
from core.config.train_config import TrainConfig
from core.runs.run import RunResult

MEMORY = "memory"  # the causes of a result
DIVERGED = "diverged"
LEAST_BATCH = 2


def halved(config: TrainConfig) -> TrainConfig | None:
    """The same training with half the batch; None where it cannot be smaller."""
    if config.batch_size < 2 * LEAST_BATCH:
        return None
    smaller = config.batch_size // 2
    return config.variant(batch_size=smaller, workers=min(config.workers, max(1, smaller // LEAST_PART)))


def remedy(config: TrainConfig, result: RunResult | None) -> TrainConfig | None:
    """A configuration that may succeed where this one failed; None if none is known."""
    return halved(config) if result is not None and result.cause == MEMORY else None


def memory_sentence(config: TrainConfig) -> str:
    """The sentence for a training that ran out of memory, with what to try."""
    smaller = halved(config)
    advice = (
        f"train again with half the batch size ({smaller.batch_size} instead of {config.batch_size} pictures per "
        "step), or with a smaller network"
        if smaller is not None
        else "choose a smaller network"
    )
    return f"This machine ran out of memory: {advice}."


# in the messages of torch, the system's loader and C++ when memory runs out
MEMORY_SIGNS = (
    "out of memory",
    "can't allocate memory",
    "cannot allocate memory",
    "bad_alloc",
    "failed to map segment",
)


def is_out_of_memory(error: Exception) -> bool:
    """Whether memory ran out, on the processor or a GPU."""
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return True
    text = str(error).lower()
    return any(sign in text for sign in MEMORY_SIGNS)


def failure_sentence(error: Exception) -> str:
    """One sentence for an unexpected error; the traceback is in the log."""
    if isinstance(error, OSError) and error.errno == errno.EFBIG:
        return "A file reached this system's size limit: raise the limit (`ulimit -f`) and train again."
    return f"The training failed unexpectedly ({type(error).__name__}): see the run's worker.log."
