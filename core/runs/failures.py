"""What to try after a run has failed, where that can be said."""

import errno

from core.config.train_config import TrainConfig
from core.runs.run import RunResult

MEMORY = "memory"  # the causes of a result
DIVERGED = "diverged"
LEAST_BATCH = 2


def halved(config: TrainConfig) -> TrainConfig | None:
    """The same training with half the batch; None where it cannot be smaller."""
    if config.batch_size < 2 * LEAST_BATCH:
        return None
    return config.variant(batch_size=config.batch_size // 2)


def remedy(config: TrainConfig, result: RunResult | None) -> TrainConfig | None:
    """A configuration that may succeed where this one failed; None where none is known."""
    return halved(config) if result is not None and result.cause == MEMORY else None


def memory_sentence(config: TrainConfig) -> str:
    """What is said when memory ran out, with what to try."""
    smaller = halved(config)
    advice = (
        f"train again with half the batch ({smaller.batch_size} instead of {config.batch_size} pictures a step), "
        "or with a smaller network"
        if smaller is not None
        else "choose a smaller network"
    )
    return f"The memory of this machine ran out: {advice}."


# what torch, the system's loader and C++ say when memory ran out
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
    """One sentence for an error that nobody foresaw; the traceback is in the log."""
    if isinstance(error, OSError) and error.errno == errno.EFBIG:
        return "A file grew larger than this system lets it: raise the limit (`ulimit -f`) and train again."
    return f"Something unforeseen went wrong ({type(error).__name__}): the run's worker.log tells more."
