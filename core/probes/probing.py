"""Probes of a network on a dataset: started in the background, followed, cancelled. Imports no torch: pages read it."""

from collections.abc import Generator
from typing import Any

from core.actor import OPERATOR, Actor
from core.config.train_config import TrainConfig
from core.datasets.dataset import Dataset
from core.errors import ConfigError, DatasetError, WeightsError
from core.jobs import shared_job
from core.jobs.shared_job import JobFiles, JobState
from core.probes.ladder import Ladder, ladder_path, read_ladder
from core.settings import Settings
from models import weights
from models.catalog import CATALOG


def files_of(settings: Settings, dataset: Dataset, network: str) -> JobFiles:
    """The files of the probes of a network on a dataset."""
    return JobFiles(ladder_path(settings, dataset, network))


def check_network(dataset: Dataset, network: str) -> None:
    """Refuse a network that cannot be probed here, and a dataset without the splits for it.

    Raises:
        ConfigError: it is unknown, or has no pretrained weights.
        WeightsError: its weights are not on this machine.
        DatasetError: there are no training or no validation pictures.
    """
    entry = CATALOG.get(network)
    if entry is not None and entry.weights is None:
        text = f"{entry.title} has no pretrained weights to probe: choose a pretrained network."
        raise ConfigError({"network": text})
    if entry is None:
        names = ", ".join(name for name, known in CATALOG.items() if known.weights is not None)
        raise ConfigError({"network": f"Unknown network {network[:40]!r}: choose one of {names}."})
    if weights.find(entry) is None:
        raise WeightsError(weights.missing(entry))
    config = TrainConfig(dataset=dataset.id, model=network, strategy="head")
    pictures = {split: len(dataset.rows_of(split)) for split in ("train", "val")}
    for problem in config.problems_with(len(dataset.classes), pictures).values():
        raise DatasetError(problem)


def look(settings: Settings, dataset: Dataset, network: str) -> JobState[Ladder]:
    """How far the probes are."""
    files = files_of(settings, dataset, network)
    return shared_job.look(
        files,
        lambda: read_ladder(files.result),
        lambda: shared_job.expect_seconds(settings, measured_by(network), count_pictures(dataset)),
    )


def start_probes(settings: Settings, dataset: Dataset, network: str, *, by: Actor = OPERATOR) -> None:
    """Start to probe a network in a process of its own, unless that was done or is under way.

    Anyone who sees a dataset may: it changes nothing, and serves all.

    Raises:
        ConfigError, WeightsError, DatasetError: as `check_network`.
        QuotaError: the disk is too full.
    """
    check_network(dataset, network)
    state = look(settings, dataset, network)
    if state.result is None and not state.active:
        files = files_of(settings, dataset, network)
        shared_job.start(settings, files, "core.probes.probe_job", [dataset.id, network, by.id], "probes.log")


def cancel_probes(settings: Settings, dataset: Dataset, network: str, *, by: Actor = OPERATOR) -> None:
    """Ask a running one to end without a result.

    Raises:
        RightsError: neither the probes nor the dataset belongs to `by`.
    """
    shared_job.cancel(files_of(settings, dataset, network), "This computation", dataset.summary.owner, by=by)


def wait_for_probes(settings: Settings, dataset: Dataset, network: str) -> Generator[JobState[Ladder], None, Ladder]:
    """Probe a network if need be, and follow it; returns the ladder.

    Raises:
        as `start_probes`, and DatasetError with the reason where it failed.
    """
    start_probes(settings, dataset, network)
    failed = f"{CATALOG[network].title} was not probed on {dataset.title}."
    return shared_job.follow(
        lambda: look(settings, dataset, network),
        lambda reason: DatasetError(f"{failed} {reason or 'It was cancelled: start it again.'}"),
    )


def count_pictures(dataset: Dataset) -> int:
    """Pictures that pass through the network."""
    return len(dataset.rows_of("train")) + len(dataset.rows_of("val"))


def measured_by(network: str) -> dict[str, Any]:
    """What decides how long it takes, as `Measurements` keep it."""
    return {"what": "probes", "network": network}
