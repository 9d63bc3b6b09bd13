"""The facts of an arm that its comparison with others depends on, from its runs."""

from collections.abc import Mapping, Sequence
from statistics import median_low
from typing import Protocol

from core.config.train_config import TrainConfig
from core.datasets.dataset import Dataset
from core.datasets.dataset_store import DatasetStore
from core.errors import DatasetError
from core.formatting import format_count
from core.runs.history import RunHistory
from core.runs.run import RunMeta, RunState
from core.runs.summary import is_curve
from core.settings import Settings
from core.statistics.caveats import ArmFacts, name_seeds

ENDS = {RunState.STOPPED: "was stopped", RunState.INTERRUPTED: "was interrupted", RunState.FAILED: "failed"}


class Trained(Protocol):
    """What is read of a run besides its history; a summary has it."""

    @property
    def config(self) -> TrainConfig: ...
    @property
    def meta(self) -> RunMeta: ...
    @property
    def state(self) -> RunState: ...


def gather_arm(name: str, runs: Sequence[tuple[Trained, RunHistory]]) -> ArmFacts:
    """The facts of an arm, from at least one run; of several the median of those that have trained counts."""
    first = runs[0][0]
    trained = [history.epochs for _, history in runs if history.epochs]
    last = [epochs[-1] for epochs in trained]
    return ArmFacts(
        name=name,
        config=first.config,
        classes=tuple(first.meta.classes),
        fingerprint=first.meta.dataset_fingerprint,
        seeds=tuple(sorted({run.config.seed for run, _ in runs})),
        epochs=median_low([len(epochs) for epochs in trained]) if trained else 0,
        images_seen=median_low([epoch.images_seen for epoch in last]) if last else None,
        seconds=median_low([epoch.seconds for epoch in last]) if last else None,
        cut_short=_describe_ends(runs),
    )


def _describe_ends(runs: Sequence[tuple[Trained, RunHistory]]) -> tuple[str, ...]:
    """How the runs ended that were cut short, with their seeds where there are several runs."""
    seeds: dict[str, list[int]] = {}
    for run, history in runs:
        ending = _describe_end(run, len(history.epochs))
        if ending:
            seeds.setdefault(ending, []).append(run.config.seed)
    if len(runs) == 1:
        return tuple(seeds)
    return tuple(f"{ending} ({name_seeds(found)})" for ending, found in seeds.items())


def _describe_end(run: Trained, epochs: int) -> str:
    """How a run ended before its budget was used, such as `was stopped after 2 of 5 epochs`; empty if it did not."""
    if run.state not in ENDS or is_curve(run.meta):
        return ""
    if run.config.budgeted:
        return f"{ENDS[run.state]} after {format_count(epochs, 'epoch')}, before its budget was used"
    return f"{ENDS[run.state]} after {epochs} of {run.config.epochs} epochs" if epochs < run.config.epochs else ""


def count_copies(dataset: Dataset | None) -> Mapping[str, int]:
    """Split -> number of its pictures that look like copies of training pictures; nothing where that is not known."""
    if dataset is None:
        return {}
    try:
        found: Mapping[str, int] = getattr(dataset.report(), "straddling", {})
    except DatasetError:
        return {}
    return found


def read_copies(settings: Settings, run: Trained) -> Mapping[str, int]:
    """`count_copies` of the dataset of a run; nothing where it is gone or has changed since."""
    try:
        dataset = DatasetStore(settings).get(run.config.dataset)
    except DatasetError:
        return {}
    return count_copies(dataset) if dataset.fingerprint == run.meta.dataset_fingerprint else {}
