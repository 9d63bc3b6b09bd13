"""Imports an exported room from anywhere: an archive is hostile until every file of it was unpacked and verified.

Each dataset and each run appears whole, by a rename, or not at all. A process that is killed in between leaves a draft
whose lock is free: the next check finds it. A run that had not ended arrives as interrupted, and stays so until it is
resumed.
"""

import hashlib
import logging
import os
import secrets
import shutil
import time
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

from filelock import FileLock

from core.config.race_plan import MAX_TITLE
from core.datasets.dataset import FILES, SOME_HAVE, load_summary
from core.datasets.dataset_check import verify_dataset
from core.datasets.drafts import DRAFT as DATASET_DRAFT
from core.datasets.drafts import DRAFT_LOCK
from core.datasets.sources.archive import ZipSource
from core.datasets.sources.source import SourceEntry
from core.errors import CarryError, DatasetError, ImageError
from core.formatting import format_limit
from core.maintenance.check import verify_whole_run
from core.maintenance.collection_archive import compare_collection, verify_arrived
from core.maintenance.findings import Finding, printable
from core.maintenance.manifest import (
    MANIFEST,
    MAX_MANIFEST_BYTES,
    MAX_TEXT_BYTES,
    RUN_FILES,
    PackedFile,
    limit_of,
    parse_manifest,
)
from core.maintenance.meter import Meter, Report
from core.maintenance.repair import repair_finding
from core.quotas import check_room, check_space
from core.revisions.corrections_check import verify_corrections
from core.runs.attempts import MAX_AUTOMATIC, Attempts, write_attempts
from core.runs.run import Run, RunMeta
from core.runs.run_check import KnownDatasets, read_config, read_meta
from core.runs.run_files import RESULT, STARTED
from core.settings import Settings
from core.storage import DRAFT, is_id, sync_folder, write_json
from core.verification import Damage, Kind, Problem, is_file, parse_json, sha256_of

LATEST_TIME = 4e9  # seconds since 1970: no run was made later
MAX_FILES = 2_000_000  # of all datasets together
MAX_NAME = 1000

log = logging.getLogger("tunemypets.import")


@dataclass
class ImportResult:
    """What was imported, was there already, or was refused with a sentence each; names such as `runs/…`."""

    taken: list[str] = field(default_factory=list)
    there: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)


def import_room(settings: Settings, path: Path, report: Report | None = None) -> ImportResult:
    """Import every dataset, run and collection of an exported room that is not here yet.

    Args:
        report: gets how far it is, now and then.
    Raises:
        CarryError: the archive as a whole cannot be used; nothing of it was imported.
        QuotaError: there is no space for it.
    """
    if not path.is_file():
        raise CarryError(f"{path.name} is not there, or is not a file: give the .zip that export-room wrote.")
    if not zipfile.is_zipfile(path):
        raise CarryError(f"{path.name} is not a zip archive, or is cut off or damaged: copy it again.")
    try:
        source = ZipSource(path, max_files=MAX_FILES)
    except DatasetError as error:
        raise CarryError(str(error)) from error
    with closing(source):
        entries = {entry.name: entry for entry in source.entries()}
        files = _read_manifest(settings, source, entries, path.name)
        total = sum(item.size for item in files)
        check_space(settings, total)
        check_room(settings, total)
        importer = _Importer(settings, source, entries, Meter(total, report), path.name)
        # datasets come before runs: `datasets/` sorts before `runs/`
        for thing, group in groupby(sorted(files, key=lambda item: item.path), key=_thing):
            importer.take(thing, list(group))
        return importer.result


def _thing(item: PackedFile) -> str:
    return "/".join(item.path.split("/")[:2])


def _read_manifest(
    settings: Settings, source: ZipSource, entries: dict[str, SourceEntry], archive: str
) -> list[PackedFile]:
    """The files of an archive: exactly those that its manifest lists, of the names and sizes that are allowed."""
    again = "export the room again"
    if source.ignored or len(entries) != len(source.entries()):
        raise CarryError(f"{archive} has files that no exported room has: {again}.")
    if MANIFEST not in entries:
        raise CarryError(
            f"{archive} is not an exported room (it has no {MANIFEST}): give the .zip that export-room wrote."
        )
    try:
        files = parse_manifest(source.read(entries[MANIFEST], MAX_MANIFEST_BYTES))
    except Damage as error:
        raise CarryError(f"{MANIFEST} of {archive} {error}.") from error
    except ImageError as error:
        raise CarryError(f"{archive}: {error}") from error
    differing = sorted({item.place for item in files} ^ (set(entries) - {MANIFEST}))
    if differing:
        raise CarryError(f"{archive} does not match its list of files ({_short(differing[0])}): {again}.")
    for item in files:
        name, limit = _short(item.path), limit_of(settings, item.path)
        if limit is None:
            raise CarryError(f"{archive} has a file that no exported room has ({name}): {again}.")
        if item.size > limit:
            raise CarryError(f"{name} in {archive} is larger than {format_limit(limit)}: leave it out.")
        if entries[item.place].bytes_claimed != item.size:
            raise CarryError(f"{name} in {archive} does not have the size in its list of files: {again}.")
    return files


def _short(name: str) -> str:
    return printable(name[:100])


class _Importer:
    """Imports one thing after the other."""

    def __init__(
        self, settings: Settings, source: ZipSource, entries: dict[str, SourceEntry], meter: Meter, archive: str
    ) -> None:
        self.result = ImportResult()
        self._settings = settings
        self._source = source
        self._entries = entries
        self._meter = meter
        self._archive = archive

    def take(self, thing: str, files: list[PackedFile]) -> None:
        """Import a dataset, run or collection, all of it or nothing."""
        target = self._settings.home / thing
        is_dataset = target.parent == self._settings.datasets_dir
        is_collection = target.parent == self._settings.collections_dir
        draft_name = DATASET_DRAFT if is_dataset else DRAFT
        try:
            if os.path.lexists(target):
                if is_dataset:
                    self._compare_dataset(target)
                elif is_collection:
                    compare_collection(target, files)
                else:
                    _compare_run(target, files)
                self.result.there.append(thing)
                self._meter.add(sum(item.size for item in files))
                return
            with self._draft(target.parent, draft_name) as draft:
                self._unpack(draft, files)
                if is_dataset:
                    self._verify_dataset(draft, target.name, files)
                elif is_collection:
                    verify_arrived(self._settings, draft, target.name)
                else:
                    self._verify_run(draft, target.name)
                _publish(draft, target)
            self.result.taken.append(thing)
        except Damage as error:
            self.result.refused[thing] = f"{thing} of {self._archive} {error}."
        except ImageError as error:
            self.result.refused[thing] = f"{self._archive}: {error}"
        except OSError as error:
            log.exception("%s could not be imported", thing)
            raise CarryError(
                f"{thing} could not be written ({error.strerror}): free space, and import again."
            ) from error

    @contextmanager
    def _draft(self, folder: Path, prefix: str) -> Iterator[Path]:
        """A hidden folder; it is gone afterwards unless it was renamed."""
        draft = folder / f"{prefix}{secrets.token_hex(6)}"
        draft.mkdir(parents=True)
        lock = FileLock(draft / DRAFT_LOCK)
        lock.acquire()
        try:
            yield draft
        finally:
            lock.release()
            shutil.rmtree(draft, ignore_errors=True)

    def _unpack(self, draft: Path, files: list[PackedFile]) -> None:
        """Write files to the names that `limit_of` knows; sizes and hashes are those of the manifest."""
        for item in files:
            path = draft / item.name
            path.parent.mkdir(parents=True, exist_ok=True)
            digest, size = hashlib.sha256(), 0
            pieces = self._source.stream(self._entries[item.place], item.size)
            with path.open("wb") as file, closing(pieces):
                for data in pieces:
                    digest.update(data)
                    size += len(data)
                    file.write(data)
                    self._meter.add(len(data))
                if path.suffix in (".safetensors", ".json"):
                    file.flush()
                    os.fsync(file.fileno())
            if size != item.size or digest.hexdigest() != item.sha256:
                raise Damage(f"has a file that differs from its list of files ({item.name}): export it again")

    def _verify_dataset(self, draft: Path, identity: str, files: list[PackedFile]) -> None:
        settings = self._settings
        if sum(item.size for item in files) > settings.max_dataset_bytes + 2 * len(files) * 2**16:
            raise Damage("is larger than TUNEMYPETS_MAX_DATASET_MB allows")
        if len(files) > 2 * settings.max_images + 2 * len((*FILES, *SOME_HAVE)):
            raise Damage("has more pictures than TUNEMYPETS_MAX_PICTURES allows")
        _refuse(verify_dataset(settings, draft, hostile=True), draft, identity)
        _refuse(verify_corrections(draft), draft, identity)
        summary = load_summary(draft)
        texts = [(summary.title, MAX_TITLE), (summary.source, MAX_NAME), (summary.created, 40)]
        if any(len(text) > most for text, most in [*texts, *((name, MAX_NAME) for name in summary.classes)]):
            raise Damage("has names that are too long")

    def _verify_run(self, draft: Path, identity: str) -> None:
        settings, run = self._settings, Run(draft)
        try:
            config, meta = read_config(run), read_meta(run)
        except (Damage, OSError) as error:
            raise Damage("has no configuration that can be read") from error
        if f"datasets/{config.dataset}" in self.result.refused:
            raise Damage(f"was trained on the dataset {config.dataset}, which was refused")
        if KnownDatasets(settings).fingerprint(config.dataset) not in (None, meta.dataset_fingerprint):
            raise Damage(f"was trained on another dataset than the one that is called {config.dataset} here")
        if not _is_sane(meta):
            raise Damage("has a file meta.json that the program never wrote")
        if not is_file(draft / RESULT):
            # never begins by itself: it is no longer queued, and was tried often enough
            if not is_file(draft / STARTED):
                write_json(draft / STARTED, {"pid": 0, "time": time.time()})
            write_attempts(draft, Attempts(MAX_AUTOMATIC, time.time()))
        for problem in list(verify_whole_run(settings, draft)):
            if problem.kind is Kind.LEFT_OVER:  # a run that was killed there may arrive as it would resume
                repair_finding(settings, Finding.of(problem, settings.home))
        _refuse(verify_whole_run(settings, draft), draft, identity)
        result = run.result()
        if result is not None and not (0 <= result.ended < LATEST_TIME and 0 <= (result.seconds or 0) < LATEST_TIME):
            raise Damage("has a file result.json that the program never wrote")

    def _compare_dataset(self, here: Path) -> None:
        """Raises Damage unless what is here is the same."""
        entry = self._entries.get(f"datasets/{here.name}/dataset.json")
        theirs = parse_json(self._source.read(entry, MAX_TEXT_BYTES)) if entry else None
        with suppress(DatasetError):
            if isinstance(theirs, dict) and theirs.get("fingerprint") == load_summary(here).fingerprint:
                return
        raise Damage("has the name of another dataset that is here already: delete that one first")


def _compare_run(here: Path, files: list[PackedFile]) -> None:
    """Raises Damage unless what is here is the same."""
    packed = {item.name: item for item in files}
    for name in RUN_FILES:
        item = packed.get(name)
        if name == STARTED:
            continue
        if is_file(here / name) != (item is not None):
            raise Damage("is here already and differs: delete one of them")
        if item and ((here / name).stat().st_size != item.size or sha256_of(here / name) != item.sha256):
            raise Damage("is here already and differs: delete one of them")


def _publish(draft: Path, target: Path) -> None:
    (draft / DRAFT_LOCK).unlink(missing_ok=True)
    Run(draft).lock_path.unlink(missing_ok=True)
    try:
        draft.replace(target)
    except OSError as error:
        if target.exists():
            raise Damage("has just appeared here: import again") from error
        raise
    sync_folder(target.parent)


def _is_sane(meta: RunMeta) -> bool:
    """Whether a run's names and its place in a race are ones that this program could have given it."""
    if not (is_id(meta.owner) and 0 <= meta.created < LATEST_TIME and len(meta.dataset_title) <= MAX_TITLE):
        return False
    if any(name is not None and not is_id(name) for name in (meta.race, meta.sweep)):
        return False
    plan = meta.plan
    if plan is None:
        return meta.arm is None or is_id(meta.arm)
    return (
        meta.race is not None
        and meta.arm in plan.arms
        and all(text.isprintable() for text in (*plan.arms, plan.title))
        and len(set(plan.arms)) == len(plan.arms)
        and len(set(plan.seeds)) == len(plan.seeds)
        and list(plan.sizes) == sorted(set(plan.sizes))
    )


def _refuse(problems: Iterable[Problem], draft: Path, identity: str) -> None:
    """Raises Damage for the first problem that counts."""
    for problem in problems:
        if problem.kind is Kind.ORPHANED and problem.path == draft:
            continue  # its dataset is not in the archive either: it can predict
        file = identity if problem.path == draft else problem.path.relative_to(draft).as_posix()
        why = problem.text.partition(":")[0].replace(draft.name, identity).rstrip(".")
        raise Damage(f"is damaged ({file}: {why}): repair it where it comes from, and export it again")
