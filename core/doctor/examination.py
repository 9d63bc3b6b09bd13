"""Examinations of datasets: started in the background, followed, cancelled. Imports no torch: pages read it.

Next to the findings in `cache/doctor/` lie, while one is made, its lock, its progress (a sentence, if it failed) and,
if it was cancelled, `….stop`. The held lock is the only sign that one runs.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.actor import LOCAL_OWNER, OPERATOR, Actor
from core.config.events import Progress
from core.datasets.dataset import Dataset
from core.doctor.doctor_findings import PREFIX, Findings, check_text, findings_path, read_findings
from core.errors import ConfigError, DatasetError, WeightsError
from core.jobs.launchers import start_detached
from core.locks import is_held
from core.quotas import check_space
from core.settings import Settings
from core.storage import read_json
from core.stores.measurements import Measurements
from core.verification import REMOVE, Count, Kind, Problem, held, ignore, irregular, is_folder, listed, verify_names
from models import weights
from models.catalog import CATALOG

UP_SECONDS = 20.0  # that a process may take to have the examination, on a busy machine
POLL_SECONDS = 0.1
ENDINGS = (".lock", ".progress.json", ".stop", ".json")


@dataclass(frozen=True)
class ExaminationFiles:
    """Where one examination keeps what it finds, and how far it is."""

    findings: Path
    backbone: str

    @property
    def lock(self) -> Path:
        """Held while it runs."""
        return self.findings.with_suffix(".lock")

    @property
    def progress(self) -> Path:
        """How far it is, or why it failed."""
        return self.findings.with_suffix(".progress.json")

    @property
    def stop(self) -> Path:
        """Is there when it was cancelled."""
        return self.findings.with_suffix(".stop")


@dataclass(frozen=True)
class ExaminationState:
    """How far an examination is: finished with findings, running, failed with a sentence, or not begun.

    Attributes:
        owner: who started the one that runs.
        estimate: seconds that it will take; None where none was made on this machine.
    """

    active: bool = False
    findings: Findings | None = None
    progress: Progress | None = None
    problem: str | None = None
    owner: str = LOCAL_OWNER
    estimate: float | None = None


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


def files_of(settings: Settings, dataset: Dataset, backbone: str) -> ExaminationFiles:
    """The files of the examination of a dataset by a backbone."""
    return ExaminationFiles(findings_path(settings, dataset, backbone), backbone)


def look(settings: Settings, dataset: Dataset, backbone: str) -> ExaminationState:
    """How far an examination is."""
    files = files_of(settings, dataset, backbone)
    if (found := read_findings(files.findings, dataset)) is not None:
        return ExaminationState(findings=found)
    active = is_held(files.lock)
    if (found := read_findings(files.findings, dataset)) is not None:  # it may have ended between the two looks
        return ExaminationState(findings=found)
    figures = Measurements(settings).find(measured_by(backbone)) or {}
    each = figures.get("seconds_a_picture")
    estimate = each * len(dataset.rows) if each else None
    owner, progress, problem = LOCAL_OWNER, None, None
    try:
        noted = read_json(files.progress)
        owner, problem = str(noted["owner"]), noted.get("problem")
        progress = None if problem else Progress(**noted["progress"])
    except (OSError, ValueError, TypeError, AttributeError, KeyError):
        return ExaminationState(active, estimate=estimate)
    if active:
        return ExaminationState(True, None, progress, None, owner, estimate)
    return ExaminationState(problem=problem or "The examination was interrupted: start it again.", estimate=estimate)


def start_examination(settings: Settings, dataset: Dataset, backbone: str, *, by: Actor = OPERATOR) -> None:
    """Start to examine a dataset in a process of its own, unless that was done or is under way.

    Anyone who sees a dataset may: it changes nothing, and serves all.

    Raises:
        ConfigError, WeightsError: the backbone cannot be used.
        QuotaError: the disk is too full.
    """
    check_backbone(backbone)
    files = files_of(settings, dataset, backbone)
    state = look(settings, dataset, backbone)
    if state.active or state.findings is not None:
        return
    check_space(settings)
    files.findings.parent.mkdir(parents=True, exist_ok=True)
    for path in (files.progress, files.stop):  # what an earlier one left; not the findings: another may just have ended
        path.unlink(missing_ok=True)
    process = start_detached(
        settings, "core.doctor.doctor_job", [dataset.id, backbone, by.id], settings.logs_dir / "doctor.log"
    )
    until = time.monotonic() + UP_SECONDS
    while time.monotonic() < until and process.poll() is None and not is_held(files.lock):
        time.sleep(POLL_SECONDS)


def cancel_examination(settings: Settings, dataset: Dataset, backbone: str, *, by: Actor = OPERATOR) -> None:
    """Ask a running examination to end without findings.

    Raises:
        RightsError: neither the examination nor the dataset belongs to `by`.
    """
    state = look(settings, dataset, backbone)
    if not state.active:
        return
    if not by.may_change(dataset.summary.owner):
        by.check_may_change(state.owner, "This examination")
    files_of(settings, dataset, backbone).stop.touch()


def wait_for_findings(settings: Settings, dataset: Dataset, backbone: str) -> Iterator[ExaminationState]:
    """Examine a dataset if need be, and follow it; the last state has the findings.

    Raises:
        as `start_examination`, and DatasetError with the reason where it failed.
    """
    start_examination(settings, dataset, backbone)
    while (state := look(settings, dataset, backbone)).active:
        yield state
        time.sleep(POLL_SECONDS)
    if state.findings is None:
        raise DatasetError(state.problem or f"The examination of {dataset.title} was cancelled: start it again.")
    yield state


def measured_by(backbone: str) -> dict[str, Any]:
    """What decides how long an examination takes, as `Measurements` keep it."""
    return {"what": "doctor", "backbone": backbone}


def verify_findings(folder: Path, fingerprints: set[str], count: Count = ignore) -> Iterator[Problem]:
    """What is wrong with findings; all of them can be made again.

    Args:
        fingerprints: of the datasets that are there.
    """
    if not is_folder(folder):
        return
    prefixes = {fingerprint[:PREFIX] for fingerprint in fingerprints}
    names = {entry.name for entry in listed(folder) if entry.name.endswith(ENDINGS)}
    yield from verify_names(folder, names, count, live=any(held(path) for path in folder.glob("*.lock")))
    for name in sorted(names - irregular(folder, names)):
        path = folder / name
        stem = name.removesuffix(".json").removesuffix(".progress").removesuffix(".stop").removesuffix(".lock")
        lock = folder / f"{stem}.lock"
        if held(lock) or name.endswith(".lock"):
            continue
        if name.partition("-")[0] not in prefixes:
            yield Problem(Kind.ORPHANED, path, "The dataset that was examined is gone.", REMOVE, lock=lock)
        elif name.endswith(".stop"):
            yield Problem(Kind.LEFT_OVER, path, "The examination that this cancelled has ended.", REMOVE, lock=lock)
        elif not name.endswith(".progress.json"):
            try:
                whole = check_text(path.read_bytes())
                count(path.stat().st_size)
            except OSError:
                whole = False
            if not whole:
                text = "These findings are damaged: examine the dataset again."
                yield Problem(Kind.DAMAGED, path, text, REMOVE, lock=lock)
