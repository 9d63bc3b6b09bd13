"""Which network to try a picture on, and which other one to compare it with. Imports no torch."""

from collections.abc import Sequence

from core.runs.run import RunState
from core.runs.summary import RunSummary


def suggest_run(usable: Sequence[RunSummary], datasets: Sequence[str]) -> RunSummary | None:
    """The finished run with the highest accuracy on the newest dataset; None while no run has ended.

    Args:
        usable: runs that can predict, newest first.
        datasets: ids, newest first.
    """
    finished = [item for item in usable if item.state is RunState.FINISHED and item.tested is not None]
    names = [item.config.dataset for item in finished]
    newest = next((name for name in [*datasets, *names] if name in names), None)
    if newest is not None:
        return max((item for item in finished if item.config.dataset == newest), key=_accuracy)
    return next((item for item in usable if not item.state.active), None)


def find_partner(chosen: RunSummary, usable: Sequence[RunSummary]) -> RunSummary | None:
    """The network to compare a run with: the other arm of its race with the same seed, or the best one on its pictures.

    A network from pretrained weights is compared with one from scratch, and the other way round.
    """

    def nearness(item: RunSummary) -> tuple[bool, bool, float]:
        same_race = chosen.meta.race is not None and item.meta.race == chosen.meta.race
        return same_race, same_race and item.config.seed == chosen.config.seed, _accuracy(item)

    others = [
        item
        for item in usable
        if not item.state.active
        and item.meta.dataset_fingerprint == chosen.meta.dataset_fingerprint
        and _is_scratch(item) != _is_scratch(chosen)
    ]
    return max(others, key=nearness, default=None)


def _accuracy(item: RunSummary) -> float:
    return (item.accuracy.value if item.accuracy else None) or 0.0


def _is_scratch(item: RunSummary) -> bool:
    return item.config.strategy == "scratch"
