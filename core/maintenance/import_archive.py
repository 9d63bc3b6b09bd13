"""Takes in what `packing` packed, from anywhere: an archive is hostile until every file of it was looked at.

Each dataset and each run appears whole, by a rename, or not at all. Whoever is killed in between leaves a draft whose
lock nobody holds: the next check tells of it. A run that had not ended arrives as interrupted, and stays so until
somebody lets it go on.
"""

import hashlib
import logging
import os
import secrets
import shutil
import time
import zipfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

from filelock import FileLock

from core.datasets.dataset import load_summary
from core.datasets.sources import SourceEntry, ZipSource
from core.errors import CarryError, DatasetError, ImageError, TuneMyPetsError
from core.formatting import format_limit
from core.maintenance import path_names
from core.maintenance.data_root import RoomFolder
from core.maintenance.dataset_check import check_dataset
from core.maintenance.file_reading import Meter, Tell, is_file, parse_json, sha256_of
from core.maintenance.findings import Damage, Finding, Kind
from core.maintenance.manifest import MANIFEST, MAX_MANIFEST_BYTES, PackedFile, limit_of, parse_manifest
from core.maintenance.repair import mend
from core.maintenance.run_check import check_run, read_config, read_meta
from core.quotas import check_room, check_space
from core.runs.attempts import MAX_AUTOMATIC, Attempts, write_attempts
from core.runs.run import Run, RunMeta
from core.settings import Settings
from core.storage import is_id, sync_folder, write_json

LATEST = 4e9  # seconds since 1970: no run was made later
MAX_FILES = 2_000_000  # of all datasets together
MAX_TITLE = 80
MAX_NAME = 1000

log = logging.getLogger("tunemypets.arrival")


@dataclass
class Arrived:
    """What came in, was there already, or was refused with a sentence each; names such as `runs/…`."""

    taken: list[str] = field(default_factory=list)
    there: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)


def take_in_room(settings: Settings, path: Path, tell: Tell | None = None) -> Arrived:
    """Take in every dataset and run of a packed room that is not here yet.

    Raises:
        CarryError: the archive as a whole cannot be used; nothing of it was taken in.
        QuotaError: there is no room for it.
    """
    if not path.is_file():
        raise CarryError(f"{path.name} is not there, or is no file: give the .zip that export-room wrote.")
    if not zipfile.is_zipfile(path):
        raise CarryError(f"{path.name} is no zip archive, or is cut off or damaged: copy it again.")
    try:
        source = ZipSource(path, most_files=MAX_FILES)
    except DatasetError as error:
        raise CarryError(str(error)) from error
    try:
        files = _read_manifest(settings, source, path.name)
        total = sum(item.size for item in files)
        check_space(settings, total)
        check_room(settings, total)
        entries = {entry.name: entry for entry in source.entries()}
        arrival = _Arrival(settings, source, entries, Meter(total, tell), path.name)
        # datasets come first: `datasets/` sorts before `runs/`
        for thing, group in groupby(sorted(files, key=lambda item: item.path), key=_thing):
            arrival.take(thing, list(group))
        return arrival.outcome
    finally:
        source.close()


def _thing(item: PackedFile) -> str:
    return "/".join(item.path.split("/")[:2])


def _read_manifest(settings: Settings, source: ZipSource, archive: str) -> list[PackedFile]:
    """The files of an archive: exactly those that its manifest lists, of the names and sizes that are allowed."""
    entries = {entry.name: entry for entry in source.entries()}
    if source.ignored or len(entries) != len(source.entries()):
        raise CarryError(f"{archive} holds files that no packed room has: pack the room again.")
    if MANIFEST not in entries:
        raise CarryError(
            f"{archive} is not a packed room (it has no {MANIFEST}): give the .zip that export-room wrote."
        )
    try:
        files = parse_manifest(parse_json(source.read(entries[MANIFEST], MAX_MANIFEST_BYTES)))
    except Damage as error:
        raise CarryError(f"{MANIFEST} of {archive} {error}.") from error
    except ImageError as error:
        raise CarryError(f"{archive}: {error}") from error
    differing = sorted({item.path for item in files} ^ (set(entries) - {MANIFEST}))
    if differing:
        raise CarryError(f"{archive} and its list of files do not agree ({_short(differing[0])}): pack the room again.")
    for item in files:
        limit = limit_of(settings, item.path)
        if limit is None:
            raise CarryError(f"{archive} holds a file that no packed room has ({_short(item.path)}): pack it again.")
        if item.size > limit:
            raise CarryError(f"{_short(item.path)} in {archive} is larger than {format_limit(limit)}: leave it out.")
        if entries[item.path].bytes_claimed != item.size:
            raise CarryError(f"{_short(item.path)} in {archive} has not the size that its list says: pack it again.")
    return files


def _short(name: str) -> str:
    return path_names.shown(name[:100])


class _Arrival:
    """Takes in one thing after the other."""

    def __init__(
        self, settings: Settings, source: ZipSource, entries: dict[str, SourceEntry], meter: Meter, archive: str
    ) -> None:
        self.outcome = Arrived()
        self._settings = settings
        self._source = source
        self._entries = entries
        self._meter = meter
        self._archive = archive

    def take(self, thing: str, files: list[PackedFile]) -> None:
        """Take in a dataset or run, all of it or nothing."""
        kind, _, identity = thing.partition("/")
        target = self._settings.home / thing
        try:
            if os.path.lexists(target):
                self._compare(kind, target, files)
                self.outcome.there.append(thing)
                self._meter.add(sum(item.size for item in files))
                return
            with self._draft(kind) as draft:
                self._unpack(draft, files)
                if kind == path_names.DATASETS:
                    self._check_dataset(draft, identity, files)
                else:
                    self._check_run(draft, identity)
                self._publish(draft, target)
            self.outcome.taken.append(thing)
        except Damage as error:
            self.outcome.refused[thing] = f"{thing} of {self._archive} {error}."
        except ImageError as error:
            self.outcome.refused[thing] = f"{self._archive}: {error}"
        except OSError as error:
            log.exception("%s could not be taken in", thing)
            raise CarryError(
                f"{thing} could not be written ({error.strerror}): free space, and import again."
            ) from error

    @contextmanager
    def _draft(self, kind: str) -> Iterator[Path]:
        """A folder that nobody sees; it is gone afterwards unless it was renamed."""
        prefix = path_names.DATASET_DRAFT if kind == path_names.DATASETS else path_names.RUN_DRAFT
        draft = self._settings.home / kind / f"{prefix}{secrets.token_hex(6)}"
        draft.mkdir(parents=True)
        lock = FileLock(draft / path_names.DRAFT_LOCK)
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
            pieces = self._source.stream(self._entries[item.path], item.size)
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
                raise Damage(f"holds a file that is not what its list says ({item.name}): pack it again")

    def _publish(self, draft: Path, target: Path) -> None:
        (draft / path_names.DRAFT_LOCK).unlink(missing_ok=True)
        (draft / "worker.lock").unlink(missing_ok=True)
        try:
            draft.replace(target)
        except OSError as error:
            if target.exists():
                raise Damage("is here already, since a moment") from error
            raise
        sync_folder(target.parent)

    def _check_dataset(self, draft: Path, identity: str, files: list[PackedFile]) -> None:
        settings = self._settings
        if sum(item.size for item in files) > settings.max_dataset_bytes + 2 * len(files) * 2**16:
            raise Damage("is larger than TUNEMYPETS_MAX_DATASET_MB allows")
        if len(files) > 2 * settings.max_images + 2 * len(path_names.DATASET_FILES):
            raise Damage("has more pictures than TUNEMYPETS_MAX_PICTURES allows")
        _refuse(check_dataset(RoomFolder(settings), draft, hostile=True), draft, identity)
        summary = load_summary(draft)
        texts = [(summary.title, MAX_TITLE), (summary.source, MAX_NAME), (summary.created, 40)]
        texts += [(name, MAX_NAME) for name in summary.classes]
        if any(len(text) > most for text, most in texts):
            raise Damage("has names that are too long")

    def _check_run(self, draft: Path, identity: str) -> None:
        settings = self._settings
        room = RoomFolder(settings)
        try:
            config, meta = read_config(room, draft), read_meta(room, draft)
        except (Damage, OSError) as error:
            raise Damage("has no configuration that can be read") from error
        told = room.fingerprint(config.dataset)
        dataset = f"{path_names.DATASETS}/{config.dataset}"
        if dataset in self.outcome.refused:
            raise Damage(f"was trained on the dataset {config.dataset}, which was refused")
        if told is not None and told != meta.dataset_fingerprint:
            raise Damage(f"was trained on another dataset than the one that is called {config.dataset} here")
        sane = is_id(meta.owner) and (meta.race is None or is_id(meta.race)) and _is_sane(meta)
        if not (sane and 0 <= meta.created < LATEST and len(meta.dataset_title) <= MAX_TITLE):
            raise Damage("has a file meta.json that the program never wrote")
        if not is_file(draft / "result.json"):
            # never begins by itself: it is no more queued, and was tried often enough
            if not is_file(draft / path_names.STARTED):
                write_json(draft / path_names.STARTED, {"pid": 0, "time": time.time()})
            write_attempts(draft, Attempts(MAX_AUTOMATIC, time.time()))
        for finding in [item for item in check_run(room, draft) if item.kind is Kind.LEFT_OVER]:
            mend(settings, finding)  # a run that was killed there may arrive as it would go on
        _refuse(check_run(room, draft), draft, identity)
        result = Run(draft).result()
        if result is not None and not (0 <= result.ended < LATEST and 0 <= (result.seconds or 0) < LATEST):
            raise Damage("has a file result.json that the program never wrote")

    def _compare(self, kind: str, here: Path, files: list[PackedFile]) -> None:
        """Raises Damage unless what is here is the same."""
        if kind == path_names.DATASETS:
            entry = (
                self._entries[f"{path_names.DATASETS}/{here.name}/dataset.json"]
                if any(item.name == "dataset.json" for item in files)
                else None
            )
            theirs: Any = parse_json(self._source.read(entry, 2**26)) if entry else None
            try:
                mine = load_summary(here).fingerprint
            except TuneMyPetsError:
                mine = None
            if mine is None or not isinstance(theirs, dict) or theirs.get("fingerprint") != mine:
                raise Damage("has the name of another dataset that is here already: rename neither, delete one")
            return
        changing = {path_names.STARTED}
        packed = {item.name: item for item in files if item.name not in changing}
        for name in (*(name for name in path_names.RUN_RECORDS if name not in changing), *_CHECKPOINTS):
            if is_file(here / name) != (name in packed):
                raise Damage("is here already, and went another way: delete one of them")
        for name, item in packed.items():
            if (here / name).stat().st_size != item.size or sha256_of(here / name, Meter()) != item.sha256:
                raise Damage("is here already, and went another way: delete one of them")


def _is_sane(meta: RunMeta) -> bool:
    """Whether a run's place in a race is one that this program could have given it."""
    plan = meta.plan
    if plan is None:
        return meta.arm is None or is_id(meta.arm)
    texts = (*plan.arms, plan.title)
    return (
        meta.race is not None
        and meta.arm in plan.arms
        and all(text.isprintable() for text in texts)
        and len(set(plan.arms)) == len(plan.arms)
        and len(set(plan.seeds)) == len(plan.seeds)
        and list(plan.sizes) == sorted(set(plan.sizes))
    )


_CHECKPOINTS = tuple(f"{path_names.CHECKPOINTS}/{name}" for name in path_names.CHECKPOINT_FILES)


def _refuse(found: Iterator[Finding], draft: Path, identity: str) -> None:
    """Raises Damage for the first finding that counts."""
    for finding in found:
        if finding.kind is Kind.ORPHANED and finding.thing.endswith(draft.name):
            continue  # its dataset is not in the archive either: it can predict
        file = finding.thing.partition(draft.name)[2].lstrip("/") or identity
        why = finding.text.partition(":")[0].replace(draft.name, identity).rstrip(".")
        raise Damage(f"is damaged ({file}: {why}): pack it again where it is whole")
