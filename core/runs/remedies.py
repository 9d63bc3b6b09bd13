"""What to try after a run has failed, where that can be said."""

from core.runs.run import RunResult
from core.training.config import TrainConfig
from core.training.parsing import parse_config

MEMORY = "memory"  # the causes of a result
DIVERGED = "diverged"
LEAST_BATCH = 2


def halved(config: TrainConfig) -> TrainConfig | None:
    """The same training with half the batch; None where it cannot be smaller."""
    if config.batch_size < 2 * LEAST_BATCH:
        return None
    return parse_config({**config.model_dump(), "batch_size": config.batch_size // 2})


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
