"""What a training that failed in an unforeseen way says of itself."""

import errno

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
