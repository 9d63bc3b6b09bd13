"""The exports of a run: `exports/<format>/` in its folder, with a manifest written last. Imports no torch."""

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, TypeAdapter

from core.errors import ExportError
from core.export.formats import FORMATS, ExportFormat, get_format
from core.export.source.export_check import ExportCheck
from core.jobs import shared_job
from core.jobs.shared_job import JobFiles, JobState
from core.locks import is_held
from core.runs.run import Run
from core.runs.run_files import BEST_WEIGHTS, EXPORTS, PREDICTIONS
from core.runs.run_store import RunStore
from core.settings import Settings
from core.storage import write_json
from core.stores.measurements import Measurements
from core.verification import REMOVE, Count, Kind, Problem, ignore, is_folder, unknown

MANIFEST = "manifest.json"
DRAFT = ".draft"  # ending of the folder in which an export is made
COPIES = 4  # of the weights that an export writes, at most


@dataclass(frozen=True)
class Manifest:
    """What was made, and how it answered.

    Attributes:
        files: name and bytes of what people take; the first one is what they want if they do not choose.
        seconds: from start to end, the check included.
        ms_per_picture: of the file's own runtime, one picture at a time on this processor; None if it runs elsewhere.
        versions: of the packages that made it.
        check: its answers against the run's.
        conversion: the same against the run's network in torch on the file's own pictures, where those are other ones.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    format: str
    version: int
    run: str
    files: dict[str, int]
    made: float  # seconds since 1970
    seconds: float
    ms_per_picture: float | None
    versions: dict[str, str]
    notes: tuple[str, ...]
    check: ExportCheck
    conversion: ExportCheck | None = None

    def to_json(self) -> dict[str, Any]:
        """For the command line."""
        return {
            "format": self.format,
            "run": self.run,
            "files": self.files,
            "seconds": self.seconds,
            "ms_per_picture": self.ms_per_picture,
            "versions": self.versions,
            "notes": list(self.notes),
            "check": self.check.to_json(),
            "conversion": None if self.conversion is None else self.conversion.to_json(),
        }

    @property
    def conversion_text(self) -> str:
        """How the file compares with torch on its own pictures; empty where those are the run's."""
        if self.conversion is None:
            return ""
        return f"The same network in torch answers its pictures within {self.conversion.largest:.1g}."

    def describe(self) -> str:
        """What the check found, in one or two sentences."""
        return f"{self.check.describe()} {self.conversion_text}".rstrip()


_MANIFEST = TypeAdapter(Manifest)


def folder_of(run: Run, kind: ExportFormat) -> Path:
    """Where an export lies, made or not."""
    return run.folder / EXPORTS / kind.name


def files_of(run: Run, kind: ExportFormat) -> JobFiles:
    """The files of the process that makes an export."""
    return JobFiles(folder_of(run, kind))


def look(settings: Settings, run: Run, kind: ExportFormat) -> JobState[Manifest]:
    """How far an export is."""
    return shared_job.look(
        files_of(run, kind),
        lambda: read_manifest(run, kind),
        lambda: (Measurements(settings).find(measured_by(run, kind)) or {}).get("seconds"),
    )


def read_manifest(run: Run, kind: ExportFormat) -> Manifest | None:
    """That of a finished export whose files are all there; None where it has to be made."""
    folder = folder_of(run, kind)
    try:
        found = _MANIFEST.validate_json((folder / MANIFEST).read_bytes())
        whole = all((folder / name).stat().st_size == size for name, size in found.files.items())
    except (OSError, ValueError):
        return None
    return found if whole and found.version == kind.version else None


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write the manifest of an export, which makes it whole."""
    write_json(folder / MANIFEST, _MANIFEST.dump_python(manifest, mode="json"))


def measured_by(run: Run, kind: ExportFormat) -> dict[str, Any]:
    """What decides how long an export takes, as `Measurements` keep it."""
    return {"what": "export", "format": kind.name, "model": run.config().model}


def check_exportable(run: Run) -> None:
    """Refuse a run that has no test result yet.

    Raises:
        ExportError: with what to do first.
    """
    state = run.state()
    if state.active:
        raise ExportError(f"Run {run.id} is {state.value}: export it when it has ended.")
    if not run.has_weights:
        raise ExportError(f"Run {run.id} has no saved weights: train it for at least one epoch.")
    if not (run.folder / PREDICTIONS).exists():
        raise ExportError(f"Run {run.id} has no test result to check an export against: evaluate it first.")


def start_export(settings: Settings, run_id: str, name: str) -> None:
    """Start to make an export in a process of its own, unless it is there or under way.

    Raises:
        ExportError: there is no such format, or the run cannot be exported yet.
        ExtraMissingError: a package is missing.
        QuotaError: the disk is too full.
        RunError: there is no such run.
    """
    kind, run = get_format(name), RunStore(settings).get(run_id)
    check_exportable(run)
    state = look(settings, run, kind)
    if state.active or state.result is not None:
        return
    kind.check_installed()
    kind.check_holds(run.config().entry())
    weights = run.checkpoints / BEST_WEIGHTS
    needed_bytes = COPIES * weights.stat().st_size if weights.exists() else 0
    arguments = [str(run.folder), kind.name]
    shared_job.start(settings, files_of(run, kind), "core.export.export_job", arguments, "exports.log", needed_bytes)


def wait_for_export(settings: Settings, run_id: str, name: str) -> Generator[JobState[Manifest], None, Manifest]:
    """Make an export if need be, and follow it; returns what was made.

    Raises:
        as `start_export`, and ExportError with the reason where it failed.
    """
    start_export(settings, run_id, name)
    kind, run = get_format(name), RunStore(settings).get(run_id)
    return shared_job.follow(
        lambda: look(settings, run, kind),
        lambda reason: ExportError(reason or f"The export of run {run.id} ended without a result: start it again."),
    )


def verify_exports(run: Run, count: Count = ignore) -> Iterator[Problem]:
    """What is wrong with the exports of a run; all of them can be made again."""
    root = run.folder / EXPORTS
    if not is_folder(root):
        return
    for path in sorted(root.iterdir()):
        count(0)
        name = path.name.removesuffix(DRAFT).removesuffix(".lock").removesuffix(".progress.json")
        if name not in FORMATS:
            yield unknown(path, "folder" if path.is_dir() else "file")
            continue
        lock = files_of(run, FORMATS[name]).lock
        if path.name.endswith(DRAFT) and not is_held(lock):
            yield Problem(Kind.LEFT_OVER, path, "The process that made this export was killed.", REMOVE, lock=lock)
        elif path.is_dir() and not path.name.endswith(DRAFT) and read_manifest(run, FORMATS[name]) is None:
            yield Problem(Kind.DAMAGED, path, "This export is not whole: it is made again on demand.", REMOVE)
