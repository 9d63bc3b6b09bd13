"""Packs datasets and runs into one zip: streamed, whole or absent, also while trainings go on."""

import hashlib
import json
import os
import shutil
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import BinaryIO

from core.datasets.dataset import Dataset, thumbnail_of
from core.datasets.dataset_store import DatasetStore
from core.errors import CarryError, DatasetError, RunError
from core.formatting import format_bytes
from core.maintenance import path_names
from core.maintenance.file_reading import Meter, Tell, bytes_below, is_file
from core.maintenance.findings import Damage
from core.maintenance.manifest import FORMAT, MANIFEST, PackedFile, is_compressible
from core.maintenance.weights_check import read_header
from core.runs.run import Run, RunState
from core.runs.run_store import RunStore
from core.settings import Settings
from core.storage import atomic_open, read_json
from core.version import VERSION

COPY_BYTES = 2**20
MARGIN_BYTES = 64 * 2**20
LOOKS = 50  # at weights and their description, to catch both between two epochs
LOOK_SECONDS = 0.02
_START = (1980, 1, 1, 0, 0, 0)  # equal rooms make equal files


@dataclass
class Packed:
    """What was packed, and what could not be, with a sentence each."""

    datasets: list[str] = field(default_factory=list)
    runs: list[str] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    size: int = 0


def pack_room(
    settings: Settings,
    target: Path,
    *,
    runs: str = "all",
    datasets: Sequence[str] | None = None,
    tell: Tell | None = None,
) -> Packed:
    """Pack datasets and runs into a zip.

    Args:
        runs: `all`, or `finished` ones only.
        datasets: only these, and the runs on them.
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
    folders = [settings.datasets_dir / name for name in chosen] + [run.folder for run in wanted]
    needed = sum(bytes_below(folder) for folder in folders)
    free = shutil.disk_usage(target.parent).free
    if needed + MARGIN_BYTES > free:
        raise CarryError(
            f"The room takes up to {format_bytes(needed + MARGIN_BYTES)}, and {format_bytes(free)} are free: "
            "make room, or pack a part of it."
        )
    packed = Packed()
    try:
        with atomic_open(target) as file, zipfile.ZipFile(file, "w", allowZip64=True) as archive:
            writer = _Writer(archive, Meter(needed, tell))
            for name in chosen:
                try:
                    dataset = store.get(name)
                    files = list(_files_of(dataset))
                except DatasetError as error:
                    packed.left_out[f"datasets/{name}"] = str(error)
                    continue
                for path in files:
                    with path.open("rb") as source:
                        place = f"datasets/{name}/{path.relative_to(dataset.folder).as_posix()}"
                        writer.add(place, source, os.fstat(source.fileno()).st_size)
                packed.datasets.append(name)
            for run in wanted:
                with ExitStack() as stack:
                    try:
                        opened = list(_open_run(run, stack))
                    except RunError as error:
                        packed.left_out[f"runs/{run.id}"] = str(error)
                        continue
                    for name, part, size in opened:
                        writer.add(f"runs/{run.id}/{name}", part, size)
                packed.runs.append(run.id)
            writer.finish()
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise CarryError(f"{target.name} cannot be written ({why}): free space, or choose another place.") from error
    packed.size = target.stat().st_size
    return packed


def _dataset_of(run: Run) -> str | None:
    try:
        return run.config().dataset
    except RunError:
        return None


class _Writer:
    """Adds files to a zip, and remembers what its manifest has to say of them."""

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
            raise CarryError(f"{path} is damaged, or changed while it was packed: `python -m core fsck` tells more.")
        self._files.append(PackedFile(path, size, digest.hexdigest()))

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


def _files_of(dataset: Dataset) -> Iterator[Path]:
    """Every file that a dataset's table and report know.

    Raises:
        DatasetError: one is missing.
    """
    places = [*path_names.DATASET_FILES, *(row.path for row in dataset.rows)]
    places += [thumbnail_of(row.sha256) for row in dataset.rows]
    contradictory = {thumbnail for group in dataset.report().contradictory for _, _, thumbnail in group}
    for place in [*places, *sorted(contradictory - set(places))]:
        path = dataset.folder / place
        if not is_file(path):
            raise DatasetError(f"The dataset {dataset.id} is damaged ({place}): `python -m core fsck` tells more.")
        yield path


def _open_run(run: Run, stack: ExitStack) -> Iterator[tuple[str, BinaryIO, int]]:
    """Every file of a run that is packed: name, the open file, how many bytes of it.

    All are opened before one is read, in an order that fits together whatever a worker does meanwhile: a snapshot tells
    how much of the log belongs to it, so it comes before the log; the log tells of weights that were kept, so it comes
    before them. A file that is replaced stays what it was for whoever has it open.

    Raises:
        RunError: the run was deleted meanwhile, or cannot be packed just now.
    """

    def opened(name: str) -> tuple[str, BinaryIO, int] | None:
        if not is_file(run.folder / name):
            return None
        try:
            file = stack.enter_context((run.folder / name).open("rb"))
        except FileNotFoundError:
            return None
        return name, file, os.fstat(file.fileno()).st_size

    over = opened("result.json")
    records = [opened(name) for name in ("config.json", "meta.json", path_names.STARTED)]
    if records[0] is None or records[1] is None:
        raise RunError(f"Run {run.id} is damaged or was deleted: `python -m core fsck` tells more.")
    snapshot = None if over else opened(f"{path_names.CHECKPOINTS}/{path_names.SNAPSHOT}")
    log = opened("events.jsonl")
    if log is not None:
        log = (*log[:2], _whole_lines(log[1]))
    predictions = [opened(name) for name in (path_names.PREDICTIONS, path_names.VALIDATION)]
    found = [over, *records, snapshot, log, *predictions, *_open_best(run, opened)]
    yield from (item for item in found if item is not None)


def _open_best(
    run: Run, opened: Callable[[str], tuple[str, BinaryIO, int] | None]
) -> list[tuple[str, BinaryIO, int] | None]:
    """Weights and description of one epoch; a worker replaces them one after the other."""
    weights, facts = (
        f"{path_names.CHECKPOINTS}/{path_names.BEST_WEIGHTS}",
        f"{path_names.CHECKPOINTS}/{path_names.BEST_FACTS}",
    )
    for _ in range(LOOKS):
        pair = [opened(weights), opened(facts)]
        if pair[1] is None:
            return []  # weights without a description are of no use
        try:
            before = (run.folder / weights).stat().st_ino
            epochs = (
                read_header(run.folder / weights).metadata.get("epoch"),
                str(read_json(run.folder / facts)["epoch"]),
            )
            same = [os.fstat(item[1].fileno()).st_ino for item in pair if item is not None]
            now = [(run.folder / weights).stat().st_ino, (run.folder / facts).stat().st_ino]
            if epochs[0] == epochs[1] and same == now and before == now[0]:
                return pair
        except (OSError, Damage, ValueError, KeyError, TypeError):
            pass
        if not run.state().active:
            return pair  # whoever takes it in says what is wrong with it
        time.sleep(LOOK_SECONDS)
    raise RunError(f"Run {run.id} keeps new weights all the time: stop it, or pack the room when it has ended.")


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
