"""Walks everything under a data root and asks the owner of each format what is wrong with it. Writes nothing.

What a living process holds (core/locks.py) is looked at with patience: what it is about to finish is no finding.
"""

import logging
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import chain
from pathlib import Path

from core.batches.batch_check import verify_batches
from core.checkpoints.pretrained_check import FOLDER as WEIGHTS
from core.checkpoints.pretrained_check import verify_kept_weights
from core.checkpoints.weights_file import check_finite, read_header
from core.collection.collection_check import verify_collection
from core.datasets.dataset_check import verify_dataset
from core.datasets.downloads.transfer import FOLDER as DOWNLOADS
from core.datasets.downloads.transfer import verify_downloads
from core.datasets.drafts import DRAFT as DATASET_DRAFT
from core.datasets.drafts import DRAFT_LOCK
from core.doctor.doctor_findings import FOLDER as DOCTOR
from core.doctor.examination import verify_findings
from core.errors import TuneMyPetsError
from core.export.exports import verify_exports
from core.jobs.import_jobs import CANCEL, SAMPLES
from core.jobs.shared_job import verify_results
from core.maintenance.findings import Finding
from core.maintenance.meter import Meter, Report, bytes_below
from core.novelty.novelty_check import verify_novelty
from core.predict.explanations.explanation_cache import verify_explanations
from core.probes import ladder as probes
from core.revisions.corrections_check import verify_corrections
from core.runs.run import Run
from core.runs.run_check import CHECKPOINT_FILES, KnownDatasets, verify_run
from core.runs.run_files import BEST_SIDECAR, CHECKPOINTS, EVENTS, META, NOVELTY, RECORDS, RESULT, SNAPSHOT
from core.settings import Settings
from core.storage import DELETED, DRAFT, TEMPORARY, is_id
from core.stores.array_cache import EXPLANATIONS
from core.stores.cache_check import verify_cache
from core.sweeps.sweep_store import SweepFolder, verify_sweep
from core.verification import (
    REMOVE,
    SET_ASIDE,
    Count,
    Damage,
    Kind,
    Problem,
    age_seconds,
    held,
    ignore,
    is_file,
    is_folder,
    listed,
    reason,
    unknown,
    verify_json,
    verify_names,
    verify_temporary,
)

SET_ASIDE_FOLDER = "set-aside"  # what a repair took away: never looked at again
PATIENCE_SECONDS = 30.0  # for what is renamed to its name within a moment, and has neither lock nor process id
UPLOAD_SECONDS = 600.0  # a browser may still be sending it
IMPORT_START_SECONDS = 30.0
LOOKS = 4  # at a run that changes meanwhile

log = logging.getLogger("tunemypets.check")


def check(settings: Settings, report: Report | None = None) -> Iterator[Finding]:
    """Look at everything under the data root.

    Args:
        report: gets how far it is, now and then.
    """
    home = settings.home
    if not home.is_dir():
        return
    total = bytes_below(home) - bytes_below(home / SET_ASIDE_FOLDER) if report else 0
    for problem in _Walk(settings, Meter(total, report).add).problems():
        yield Finding.of(problem, home)


def verify_whole_run(settings: Settings, folder: Path) -> Iterator[Problem]:
    """Look at a run's folder: each package verifies the files that it writes."""
    yield from _verify_run_on(KnownDatasets(settings), Run(folder), ignore)


def _verify_run_on(datasets: KnownDatasets, run: Run, count: Count) -> Iterator[Problem]:
    yield from verify_exports(run, count)
    facts = yield from verify_run(run, datasets, count, live=held(run.lock_path))
    if facts is None:
        return
    yield from verify_novelty(facts, count)
    if is_file(run.checkpoints / BEST_SIDECAR) or is_file(run.checkpoints / SNAPSHOT):
        # torch costs seconds, and only weights need it
        from core.checkpoints.checkpoint_check import verify_checkpoint, verify_snapshot

        yield from verify_checkpoint(facts, count)
        yield from verify_snapshot(facts, count)


class _Walk:
    """One look at everything under a data root."""

    def __init__(self, settings: Settings, count: Count) -> None:
        self._settings = settings
        self._home = settings.home
        self._count = count
        self._datasets = KnownDatasets(settings)

    def problems(self) -> Iterator[Problem]:
        """Everything that is wrong; whatever is on the disk, all of it is looked at."""
        settings = self._settings
        yield from _guarded(self._home, self._verify_root)
        yield from _guarded(settings.datasets_dir, self._verify_drafts, settings.datasets_dir, DATASET_DRAFT)
        for folder in _folders(settings.datasets_dir):
            found = chain(verify_dataset(settings, folder, self._count), verify_corrections(folder, self._count))
            yield from _guarded(folder, _while_there, folder, found)
        yield from _guarded(settings.runs_dir, self._verify_drafts, settings.runs_dir, DRAFT)
        for folder in _folders(settings.runs_dir):
            yield from _guarded(folder, self._verify_run, Run(folder))
        yield from _guarded(settings.runs_dir, self._verify_races)
        yield from _guarded(settings.sweeps_dir, self._verify_drafts, settings.sweeps_dir, DRAFT)
        for folder in _folders(settings.sweeps_dir):
            yield from _guarded(folder, _while_there, folder, verify_sweep(SweepFolder(folder), self._count))
        yield from _guarded(settings.collections_dir, self._verify_drafts, settings.collections_dir, DRAFT)
        for folder in _folders(settings.collections_dir):
            yield from _guarded(folder, _while_there, folder, verify_collection(folder, self._count))
        yield from _guarded(settings.imports_dir, self._verify_imports)
        yield from _guarded(settings.batches_dir, verify_batches, settings.batches_dir, self._count)
        yield from _guarded(settings.cache_dir, self._verify_cache)
        yield from _guarded(self._home, self._verify_others)

    def _verify_root(self) -> Iterator[Problem]:
        """Files of the data root itself; other things there may not be ours, and folders links to other disks."""
        for entry in listed(self._home):
            path = self._home / entry.name
            if is_file(path) and TEMPORARY.fullmatch(entry.name):
                yield from verify_temporary(path)
            elif is_file(path) and entry.name.endswith(".json"):
                yield from verify_json(path, self._count)
        settings = self._settings
        own = {*self._own_folders(), settings.people_dir, settings.room_dir}
        for path in sorted(own):
            if os.path.lexists(path) and not path.is_dir():
                yield Problem(Kind.DAMAGED, path, "This should be a folder.", SET_ASIDE)

    def _own_folders(self) -> set[Path]:
        """The folders whose every file is known."""
        settings = self._settings
        folders = {settings.datasets_dir, settings.runs_dir, settings.imports_dir, settings.cache_dir}
        return folders | {
            settings.sweeps_dir,
            settings.collections_dir,
            settings.batches_dir,
            settings.logs_dir,
            self._home / SET_ASIDE_FOLDER,
        }

    def _verify_drafts(self, root: Path, draft: str) -> Iterator[Problem]:
        """What is not a run or dataset, or not one yet, or not any more."""
        for entry in listed(root):
            path = root / entry.name
            is_dir = entry.is_dir(follow_symlinks=False)
            if is_dir and entry.name.startswith(draft):
                lock = path / DRAFT_LOCK
                if not held(lock) and (is_file(lock) or age_seconds(path) > PATIENCE_SECONDS):
                    text = "The process that made this was killed."
                    yield Problem(Kind.LEFT_OVER, path, text, REMOVE, lock=lock)
            elif is_dir and entry.name.startswith(DELETED):
                if age_seconds(path) > PATIENCE_SECONDS:
                    yield Problem(Kind.LEFT_OVER, path, "The process that deleted this was killed.", REMOVE)
            elif not (is_dir and is_id(entry.name)):
                if is_file(path) and TEMPORARY.fullmatch(entry.name):
                    yield from verify_temporary(path)
                else:
                    yield unknown(path, "folder" if is_dir else "file")

    def _verify_run(self, run: Run) -> Iterator[Problem]:
        """Look at a run, and again if it began, continued or ended meanwhile."""
        found: list[Problem] = []
        for _ in range(LOOKS):
            before = _stamp(run)
            found = list(_verify_run_on(self._datasets, run, self._count))
            if not found or _stamp(run) == before:
                break
        yield from _while_there(run.folder, found)

    def _verify_races(self) -> Iterator[Problem]:
        """A race with one arm left cannot be compared."""
        arms: dict[str, list[Run]] = defaultdict(list)
        for folder in _folders(self._settings.runs_dir):
            with suppress(TuneMyPetsError):
                if race := Run(folder).meta().race:
                    arms[race].append(Run(folder))
        for run, *others in arms.values():
            if others or age_seconds(run.folder / META) < PATIENCE_SECONDS:
                continue
            plan = run.meta().plan
            if plan is not None and plan.kind == "curve" and len(plan.arms) == 1:
                continue  # it was never compared with another
            text = f"This run is the only one left of its race: start a race again to compare, or delete {run.id}."
            yield Problem(Kind.ORPHANED, run.folder, text)

    def _verify_imports(self) -> Iterator[Problem]:
        """Jobs and uploads."""
        root = self._settings.imports_dir
        for entry in listed(root):
            path = root / entry.name
            if entry.is_dir(follow_symlinks=False) and entry.name == DOWNLOADS:
                yield from verify_downloads(path)
            elif entry.is_dir(follow_symlinks=False) and is_id(entry.name):
                yield from _while_there(path, list(self._verify_import(path)))
            elif entry.name.startswith(".upload-") and is_file(path):
                if age_seconds(path) > UPLOAD_SECONDS:
                    yield Problem(Kind.LEFT_OVER, path, "This upload was never imported.", REMOVE)
            elif not entry.name.endswith(".lock"):
                yield unknown(path, "file or folder")

    def _verify_import(self, folder: Path) -> Iterator[Problem]:
        lock, upload = folder / "importer.lock", folder / "upload.zip"
        live = held(lock)
        yield from verify_names(
            folder, {"upload.zip", "importer.log", SAMPLES, CANCEL}, self._count, live=live, lock=lock
        )
        begun = is_file(folder / RESULT) or is_file(folder / "progress.json")
        if not live and is_file(upload) and (begun or age_seconds(folder) > IMPORT_START_SECONDS) and not held(lock):
            yield Problem(Kind.LEFT_OVER, upload, "The import of this upload has ended.", REMOVE, lock=lock)

    def _verify_cache(self) -> Iterator[Problem]:
        folder = self._settings.cache_dir
        found = [self._datasets.fingerprint(path.name) for path in _folders(self._settings.datasets_dir)]
        fingerprints = {fingerprint for fingerprint in found if fingerprint}
        yield from verify_cache(folder, fingerprints, self._count)
        yield from verify_findings(folder / DOCTOR, fingerprints, self._count)
        prefixes = {fingerprint[: probes.PREFIX] for fingerprint in fingerprints}
        yield from verify_results(folder / probes.FOLDER, prefixes, probes.check_text, "These probes", self._count)
        if is_folder(folder / WEIGHTS):
            yield from verify_kept_weights(folder / WEIGHTS, self._count)
        if is_folder(folder / EXPLANATIONS):
            runs = {path.name for path in _folders(self._settings.runs_dir)}
            yield from verify_explanations(folder / EXPLANATIONS, runs, self._count)

    def _verify_others(self) -> Iterator[Problem]:
        """People, the room, and folders that others made: JSON parses, weights are whole, no file is half written."""
        own = self._own_folders()
        for entry in listed(self._home):
            path = self._home / entry.name
            if path in own or not entry.is_dir(follow_symlinks=False):
                continue
            for place, _, files in os.walk(path):
                for file in sorted(files):
                    yield from self._verify_other(Path(place) / file)

    def _verify_other(self, path: Path) -> Iterator[Problem]:
        if not is_file(path):
            return
        if TEMPORARY.fullmatch(path.name):
            yield from verify_temporary(path)
        elif path.suffix == ".json":
            yield from verify_json(path, self._count)
        elif path.suffix == ".safetensors":
            try:
                check_finite(path, read_header(path), self._count)
            except FileNotFoundError:
                return
            except (Damage, OSError) as error:
                yield Problem(Kind.DAMAGED, path, f"This file of weights {reason(error)}.", SET_ASIDE)


def _guarded(path: Path, verify: Callable[..., Iterable[Problem]], *arguments: object) -> Iterator[Problem]:
    """Whatever is on the disk, the rest is looked at, too."""
    try:
        yield from verify(*arguments)
    except Exception as error:
        log.exception("%s could not be checked completely", path)
        why = error.strerror if isinstance(error, OSError) and error.strerror else type(error).__name__
        yield Problem(Kind.DAMAGED, path, f"This could not be checked completely ({why}).")


def _while_there(folder: Path, problems: Iterable[Problem]) -> Iterator[Problem]:
    """Problems of a folder that was not deleted meanwhile."""
    found = list(problems)
    if is_folder(folder):
        yield from found


def _folders(root: Path) -> list[Path]:
    """The folders below one whose names are ids."""
    return [root / entry.name for entry in listed(root) if is_id(entry.name) and entry.is_dir(follow_symlinks=False)]


def _stamp(run: Run) -> list[object]:
    """Changes when a run begins, continues or ends."""
    stamp: list[object] = [held(run.lock_path)]
    records = [name for name in RECORDS if name != EVENTS]
    for name in (*records, NOVELTY, "stop", CHECKPOINTS, *(f"{CHECKPOINTS}/{name}" for name in CHECKPOINT_FILES)):
        try:
            status = (run.folder / name).lstat()
            stamp.append((status.st_ino, status.st_mtime_ns, status.st_size))
        except OSError:
            stamp.append(None)
    return stamp
