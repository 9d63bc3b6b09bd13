"""Exports datasets, runs and collections as one zip: streamed, whole or absent, also while trainings run."""

import hashlib
import json
import os
import shutil
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import BinaryIO

from core.checkpoints.weights_file import read_header
from core.collection.collection_store import CollectionStore
from core.datasets.dataset import FILES, SOME_HAVE, Dataset, thumbnail_of
from core.datasets.dataset_store import DatasetStore
from core.errors import CarryError, CollectionError, DatasetError, RunError, TuneMyPetsError
from core.formatting import format_bytes
from core.maintenance.collection_archive import files_of
from core.maintenance.manifest import FORMAT, MANIFEST, PackedFile, is_compressible
from core.maintenance.meter import Meter, Report, bytes_below
from core.runs.run import Run, RunState
from core.runs.run_files import (
    BEST_SIDECAR,
    BEST_WEIGHTS,
    CHECKPOINTS,
    EVENTS,
    NOVELTY,
    PREDICTIONS,
    RESULT,
    SNAPSHOT,
    STARTED,
    VALIDATION_PREDICTIONS,
)
from core.runs.run_store import RunStore
from core.settings import Settings
from core.storage import atomic_open, read_json
from core.verification import Damage, is_file
from core.version import VERSION

COPY_BYTES = 2**20
MARGIN_BYTES = 64 * 2**20
MAX_LOOKS = 50  # at weights and their description, to catch both between two epochs
LOOK_SECONDS = 0.02
_START = (1980, 1, 1, 0, 0, 0)  # equal rooms make equal files

Part = tuple[str, BinaryIO, int]  # name in the archive, the open file, how many bytes of it


@dataclass
class ExportResult:
    """What was exported, and what could not be, with a sentence each."""

    datasets: list[str] = field(default_factory=list)
    runs: list[str] = field(default_factory=list)
    collections: list[str] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    size: int = 0  # in bytes


def export_room(
    settings: Settings,
    target: Path,
    *,
    runs: str = "all",
    datasets: Sequence[str] | None = None,
    report: Report | None = None,
) -> ExportResult:
    """Export datasets, runs and collections as a zip.

    Args:
        runs: `all`, or `finished` ones only.
        datasets: only these, and the runs on them, without collections.
        report: gets how far it is, now and then.
    Raises:
        CarryError: the file is there already, cannot be written, or there is no room for it.
        DatasetError: one of `datasets` is not there.
    """
    if target.exists():
        raise CarryError(f"{target.name} is there already: choose another name.")
    if not target.parent.is_dir():
        raise CarryError(f"The folder of {target.name} is not there: make it first.")
    store = DatasetStore(settings)
    chosen = [store.get(name).id for name in datasets] if datasets is not None else store.ids()
    wanted = [
        run
        for run in reversed(RunStore(settings).all())
        if (runs == "all" or run.state() is RunState.FINISHED) and (datasets is None or _dataset_of(run) in chosen)
    ]
    collected = CollectionStore(settings)
    collections = collected.ids() if datasets is None else []
    folders = [store.folder / name for name in chosen] + [collected.folder / name for name in collections]
    needed = sum(bytes_below(folder) for folder in folders + [run.folder for run in wanted])
    free = shutil.disk_usage(target.parent).free
    if needed + MARGIN_BYTES > free:
        raise CarryError(
            f"The room takes up to {format_bytes(needed + MARGIN_BYTES)}, and {format_bytes(free)} are free: "
            "free space, or export a part of it."
        )
    result = ExportResult()
    try:
        with atomic_open(target) as file, zipfile.ZipFile(file, "w", allowZip64=True) as archive:
            writer = _Writer(archive, Meter(needed, report))
            for name in collections:
                with _left_out(result, f"collections/{name}", CollectionError):
                    writer.add_collection(collected.place(name))
                    result.collections.append(name)
            for name in chosen:
                with _left_out(result, f"datasets/{name}", DatasetError):
                    dataset = store.get(name)
                    for place in _files_of(dataset):
                        with (dataset.folder / place).open("rb") as source:
                            writer.add(f"datasets/{name}/{place}", source, os.fstat(source.fileno()).st_size)
                    result.datasets.append(name)
            for run in wanted:
                with _left_out(result, f"runs/{run.id}", RunError), ExitStack() as stack:
                    for name, part, size in _open_run(run, stack):
                        writer.add(f"runs/{run.id}/{name}", part, size)
                    result.runs.append(run.id)
            writer.finish()
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise CarryError(f"{target.name} cannot be written ({why}): free space, or choose another place.") from error
    result.size = target.stat().st_size
    return result


@contextmanager
def _left_out(result: ExportResult, thing: str, kind: type[TuneMyPetsError]) -> Iterator[None]:
    """Note what cannot be exported; the rest is."""
    try:
        yield
    except kind as error:
        result.left_out[thing] = str(error)


def _dataset_of(run: Run) -> str | None:
    with suppress(RunError):
        return run.config().dataset
    return None


class _Writer:
    """Adds files to a zip, and keeps what its manifest lists."""

    def __init__(self, archive: zipfile.ZipFile, meter: Meter) -> None:
        self._archive = archive
        self._meter = meter
        self._files: list[PackedFile] = []

    def add(self, path: str, source: BinaryIO, size: int) -> None:
        """Add the first `size` bytes of a file.

        Raises:
            CarryError: it has fewer, or is a picture that is not what was imported.
        """
        digest, left = hashlib.sha256(), size
        with self._archive.open(self._info(path, size), "w") as entry:
            while left and (data := source.read(min(left, COPY_BYTES))):
                digest.update(data)
                entry.write(data)
                self._meter.add(len(data))
                left -= len(data)
        damaged = path.split("/")[2] == "images" and Path(path).stem != digest.hexdigest()
        if left or damaged:
            raise CarryError(f"{path} is damaged, or changed while it was packed: run `python -m core fsck`.")
        self._files.append(PackedFile(path, size, digest.hexdigest()))

    def add_collection(self, folder: Path) -> None:
        """Add a collection; what people delete meanwhile is left out."""
        for name in files_of(folder):
            try:
                with (folder / name).open("rb") as source:
                    self.add(f"collections/{folder.name}/{name}", source, os.fstat(source.fileno()).st_size)
            except FileNotFoundError:
                continue

    def finish(self) -> None:
        """Add the manifest."""
        files = [asdict(item) for item in self._files]
        made = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        text = json.dumps({"format": FORMAT, "program": VERSION, "made": made, "files": files}, ensure_ascii=False)
        self._archive.writestr(self._info(MANIFEST, len(text)), text.encode())

    @staticmethod
    def _info(path: str, size: int) -> zipfile.ZipInfo:
        info = zipfile.ZipInfo(path, _START)
        info.compress_type = zipfile.ZIP_DEFLATED if is_compressible(path) else zipfile.ZIP_STORED
        info.external_attr = 0o100644 << 16
        info.file_size = size  # decides whether the entry needs 64 bits
        return info


def _files_of(dataset: Dataset) -> list[str]:
    """Every file that a dataset's table and report name.

    Raises:
        DatasetError: one is missing.
    """
    contradictory = {thumbnail for group in dataset.report().contradictory for _, _, thumbnail in group}
    places = [*FILES, *(row.path for row in dataset.rows), *(thumbnail_of(row.sha256) for row in dataset.rows)]
    places += sorted(contradictory - set(places))
    places += [name for name in SOME_HAVE if is_file(dataset.folder / name)]
    for place in places:
        if not is_file(dataset.folder / place):
            raise DatasetError(f"The dataset {dataset.id} is damaged ({place}): run `python -m core fsck`.")
    return places


def _open_run(run: Run, stack: ExitStack) -> list[Part]:
    """Every file of a run that is exported.

    All are opened before one is read, in an order that fits together whatever a worker does meanwhile: a snapshot notes
    how much of the log belongs to it, so it comes before the log; the log names the weights that were kept, so it comes
    before them. A file that is replaced stays what it was for whoever has it open.

    Raises:
        RunError: the run was deleted meanwhile, or cannot be exported just now.
    """

    def opened(*names: str) -> list[Part]:
        parts: list[Part] = []
        for name in names:
            if is_file(run.folder / name):
                with suppress(FileNotFoundError):
                    file = stack.enter_context((run.folder / name).open("rb"))
                    parts.append((name, file, os.fstat(file.fileno()).st_size))
        return parts

    ended = opened(RESULT)
    described = opened("config.json", "meta.json")
    if len(described) < 2:
        raise RunError(f"Run {run.id} is damaged or was deleted: run `python -m core fsck`.")
    parts = [*ended, *described, *opened(STARTED)]
    if not ended:
        parts += opened(f"{CHECKPOINTS}/{SNAPSHOT}")
    parts += [(name, file, _whole_lines(file)) for name, file, _ in opened(EVENTS)]
    return [*parts, *opened(PREDICTIONS, VALIDATION_PREDICTIONS, NOVELTY), *_open_best(run, opened)]


def _open_best(run: Run, opened: Callable[..., list[Part]]) -> list[Part]:
    """Weights and description of one epoch; a worker replaces them one after the other."""
    names = f"{CHECKPOINTS}/{BEST_WEIGHTS}", f"{CHECKPOINTS}/{BEST_SIDECAR}"
    weights, sidecar = (run.folder / name for name in names)
    for _ in range(MAX_LOOKS):
        parts = opened(*names)
        if not any(name == names[1] for name, _, _ in parts):
            return []  # weights without a description are of no use
        with suppress(OSError, Damage, ValueError, KeyError, TypeError):
            before = weights.stat().st_ino
            same_epoch = read_header(weights).metadata.get("epoch") == str(read_json(sidecar)["epoch"])
            now = [weights.stat().st_ino, sidecar.stat().st_ino]
            if same_epoch and before == now[0] and [os.fstat(part[1].fileno()).st_ino for part in parts] == now:
                return parts
        if not run.state().active:
            return parts  # an import reports what is wrong with it
        time.sleep(LOOK_SECONDS)
    raise RunError(f"Run {run.id} keeps saving new weights: stop it, or export the room when it has ended.")


def _whole_lines(file: BinaryIO) -> int:
    """Bytes up to the last end of a line."""
    end = file.seek(0, os.SEEK_END)
    while end:
        start = max(0, end - COPY_BYTES)
        file.seek(start)
        last = file.read(end - start).rfind(b"\n")
        if last >= 0:
            end = start + last + 1
            break
        end = start
    file.seek(0)
    return end
