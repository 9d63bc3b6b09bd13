"""Examinations of datasets: started in the background, followed, cancelled. Imports no torch: pages read it."""

from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

from core.actor import OPERATOR, Actor
from core.datasets.dataset import Dataset
from core.doctor.doctor_findings import PREFIX, Findings, check_text, findings_path, read_findings
from core.errors import ConfigError, DatasetError, WeightsError
from core.jobs import shared_job
from core.jobs.shared_job import JobFiles, JobState
from core.settings import Settings
from core.verification import Count, Problem, ignore
from models import weights
from models.catalog import CATALOG


def list_backbones() -> list[str]:
    """The pretrained networks whose weights are on this machine, the default first."""
    first = weights.default_network()
    return [first, *(name for name, entry in CATALOG.items() if name != first and weights.find(entry) is not None)]


def check_backbone(name: str) -> None:
    """Refuse a network that cannot be used here.

    Raises:
        ConfigError: there is none of this name, or it has no pretrained weights.
        WeightsError: its weights are not on this machine.
    """
    entry = CATALOG.get(name)
    if entry is None or entry.weights is None:
        raise ConfigError(
            {"backbone": f"There is no pretrained network {name[:40]!r}: choose one of {', '.join(list_backbones())}."}
        )
    if weights.find(entry) is None:
        raise WeightsError(weights.missing(entry))


def files_of(settings: Settings, dataset: Dataset, backbone: str) -> JobFiles:
    """The files of the examination of a dataset by a backbone."""
    return JobFiles(findings_path(settings, dataset, backbone))


def look(settings: Settings, dataset: Dataset, backbone: str) -> JobState[Findings]:
    """How far an examination is."""
    files = files_of(settings, dataset, backbone)
    return shared_job.look(
        files,
        lambda: read_findings(files.result, dataset),
        lambda: shared_job.expect_seconds(settings, measured_by(backbone), len(dataset.rows)),
    )


def start_examination(settings: Settings, dataset: Dataset, backbone: str, *, by: Actor = OPERATOR) -> None:
    """Start to examine a dataset in a process of its own, unless that was done or is under way.

    Anyone who sees a dataset may: it changes nothing, and serves all.

    Raises:
        ConfigError, WeightsError: the backbone cannot be used.
        QuotaError: the disk is too full.
    """
    check_backbone(backbone)
    state = look(settings, dataset, backbone)
    if not state.active and state.result is None:
        files = files_of(settings, dataset, backbone)
        shared_job.start(settings, files, "core.doctor.doctor_job", [dataset.id, backbone, by.id], "doctor.log")


def cancel_examination(settings: Settings, dataset: Dataset, backbone: str, *, by: Actor = OPERATOR) -> None:
    """Ask a running examination to end without findings.

    Raises:
        RightsError: neither the examination nor the dataset belongs to `by`.
    """
    shared_job.cancel(files_of(settings, dataset, backbone), "This examination", dataset.summary.owner, by=by)


def wait_for_findings(
    settings: Settings, dataset: Dataset, backbone: str
) -> Generator[JobState[Findings], None, Findings]:
    """Examine a dataset if need be, and follow it; returns what was found.

    Raises:
        as `start_examination`, and DatasetError with the reason where it failed.
    """
    start_examination(settings, dataset, backbone)
    return shared_job.follow(
        lambda: look(settings, dataset, backbone),
        lambda reason: DatasetError(reason or f"The examination of {dataset.title} was cancelled: start it again."),
    )


def read_near_copies(settings: Settings, dataset: Dataset) -> tuple[tuple[int, ...], ...]:
    """All chains of near-copies in an examined dataset, by the first network that has looked at it.

    Raises:
        DatasetError: it was not examined, or each chain is in one split already.
    """
    looked = (read_findings(findings_path(settings, dataset, name), dataset) for name in list_backbones())
    found = next(filter(None, looked), None)
    if found is None:
        raise DatasetError(f"{dataset.title} was not examined: run `python -m core doctor {dataset.id}` first.")
    if not found.divided(dataset):
        raise DatasetError(f"The near-copies of {dataset.title} are in one split already: nothing needs to move.")
    return found.chains


def measured_by(backbone: str) -> dict[str, Any]:
    """What decides how long an examination takes, as `Measurements` keep it."""
    return {"what": "doctor", "backbone": backbone}


def verify_findings(folder: Path, fingerprints: set[str], count: Count = ignore) -> Iterator[Problem]:
    """What is wrong with findings; all of them can be made again.

    Args:
        fingerprints: of the datasets that are there.
    """
    prefixes = {fingerprint[:PREFIX] for fingerprint in fingerprints}
    yield from shared_job.verify_results(folder, prefixes, check_text, "These findings", count)
