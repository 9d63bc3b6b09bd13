"""Makes one export of a run, in a process of its own.

    python -m core.export.export_job RUN_DIR FORMAT

The files are made in a draft folder, then asked for their answers to test pictures; only an export that answers as the
run does gets its name. One process of a data root makes exports at a time: converters take memory and all threads.
"""

import argparse
import logging
import shutil
import statistics
import sys
import time
import zipfile
from collections.abc import Callable, Generator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from core.config.events import Progress
from core.errors import ExportError, TuneMyPetsError
from core.export.exports import (
    DRAFT,
    Manifest,
    folder_of,
    lock_of,
    measured_by,
    progress_of,
    write_manifest,
)
from core.export.formats import ExportFormat, get_format
from core.jobs.launchers import NICENESS, step_back
from core.quotas import FULL, is_full
from core.runs.run import Run
from core.settings import Settings
from core.steps import run_step
from core.storage import remove_folder, sync_folder, write_json
from core.stores.measurements import Measurements

if TYPE_CHECKING:
    from core.export.source.exported_run import ExportedRun
    from core.export.source.written import Folder, Written

TIMED = 15  # pictures, one at a time
NOTE_SECONDS = 0.3
OTHER_OUTCOMES = 0.02  # share of pictures at the edge of being strange that rounding explains

log = logging.getLogger("tunemypets.export")


def make_export(settings: Settings, run: Run, kind: ExportFormat, draft: Path) -> Generator[Progress, None, Manifest]:
    """Write the files of an export into `draft`, check them, and describe them there.

    Raises:
        ExportError: the file answers otherwise than the run.
        RunError, DatasetError, ImageError: what the run consists of is missing or damaged.
    """
    started = time.monotonic()
    yield Progress("preparing", "Loading the network", 0, 1, None)
    # torch costs seconds to import: the locks are taken before it
    from core.export.source.export_check import compare_answers, count_same_outcomes, is_stale
    from core.export.source.exported_run import choose_pictures, open_source, read_crops
    from core.export.source.written import Folder
    from core.stores.hardware import prepare_torch

    prepare_torch(settings, run.config().seed)
    source = open_source(settings, run)
    places = choose_pictures(source.tested)
    crops = yield from read_crops(source, places, source.spec)
    yield Progress("preparing", "Asking the run", 0, 1, None)
    own = source.answers(crops)
    if is_stale(source.tested, places, own):
        raise ExportError(
            f"The weights of run {run.id} no longer answer as they did when it was evaluated: train it again."
        )
    yield Progress("preparing", f"Writing {kind.title}", 0, 1, None)
    folder = Folder(draft)
    written = writer_of(kind)(source, folder)
    if isinstance(written, Generator):  # one that takes long reports how far it is
        written = yield from written
    yield Progress("testing", "Checking its answers", 0, len(places), None)
    if written.spec is not None and written.spec != source.spec:
        crops = yield from read_crops(source, places, written.spec)
    file = written.answers(crops)
    check = compare_answers(source.tested, places, own, file)
    conversion = None
    if written.reference is not None:
        conversion = compare_answers(source.tested, places, written.reference(crops), file)
    if written.judge is not None:
        problem = written.judge(check)
    elif conversion is None or written.rounded:
        problem = check.problem(rounded=written.rounded)
    else:
        problem = conversion.problem() or check.loss()
    if problem is not None:
        raise ExportError(f"The {kind.title} file of run {run.id} is not offered, because {problem}.")
    notes = written.notes
    if written.outcomes is not None and (expected := (written.expected or source.outcomes)(crops)) is not None:
        yield Progress("testing", "Checking what it calls strange", 0, len(places), None)
        same = count_same_outcomes(expected, written.outcomes(crops))
        if len(places) - same > max(1, OTHER_OUTCOMES * len(places)):
            raise ExportError(
                f"The {kind.title} file of run {run.id} is not offered, because it calls other pictures strange: "
                f"{len(places) - same} of {len(places):,} differ."
            )
        notes = (
            *notes,
            f"Calls the same pictures strange as the run: {same:,} of {len(places):,} test pictures agree.",
        )
    times = []
    for place in range(min(TIMED, len(places)) if written.timed else 0):
        began = time.perf_counter()
        written.answers(crops[place : place + 1])
        times.append(time.perf_counter() - began)
    files = _pack(source.file_stem, kind, draft, folder.names)
    manifest = Manifest(
        kind.name,
        kind.version,
        run.id,
        files,
        time.time(),
        round(time.monotonic() - started, 2),
        round(1000 * statistics.median(times), 3) if times else None,
        dict(written.versions),
        notes,
        check,
        conversion,
    )
    write_manifest(draft, manifest)
    return manifest


def writer_of(kind: ExportFormat) -> "Callable[[ExportedRun, Folder], Written | Generator[Progress, None, Written]]":
    match kind.name:
        case "pytorch":
            from core.export.files.pytorch_zip import write_pytorch

            return write_pytorch
        case "huggingface":
            from core.export.files.hugging_face_folder import write_hugging_face

            return write_hugging_face
        case "notebook":
            from core.export.files.notebook import write_notebook

            return write_notebook
        case "notebook-features":
            from core.export.files.feature_notebook import write_feature_notebook

            return write_feature_notebook
        case "phone":
            from core.export.files.phone_page import write_phone

            return write_phone
        case "tflite":
            from core.export.files.tflite_zip import write_tflite

            return write_tflite
        case "tflite-int8":
            from core.export.files.tflite_zip import write_tflite_int8

            return write_tflite_int8
        case _:
            from core.export.files.onnx_file import write_onnx

            return write_onnx


def _pack(stem: str, kind: ExportFormat, draft: Path, names: list[str]) -> dict[str, int]:
    """Give the files the names that people see: one zip, and the main file alone; returns their sizes."""
    kept = []
    if len(names) > 1:
        packed = draft / f"{stem}-{kind.name}.zip"
        place = "" if kind.bare else f"{packed.stem}/"
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            for name in names:
                archive.write(draft / name, f"{place}{name}")
        kept.append(packed)
    for name in names:
        if name == kind.main or len(names) == 1:
            _, dash, variant = kind.name.partition("-")  # -int8, -features: two formats have the same ending
            kept.append((draft / name).rename(draft / f"{stem}{dash}{variant}{Path(name).suffix}"))
        else:
            (draft / name).unlink()
    return {path.name: path.stat().st_size for path in kept}


def export(settings: Settings, run: Run, kind: ExportFormat) -> None:
    """Make an export, and note how far it is; what goes wrong is noted as a sentence."""
    note = _Note(progress_of(run, kind))
    target = folder_of(run, kind)
    draft = target.with_name(target.name + DRAFT)
    try:
        note(Progress("preparing", "Waiting for another export", 0, 1, None))
        settings.cache_dir.mkdir(parents=True, exist_ok=True)
        with FileLock(settings.cache_dir / "exporter.lock"):
            step_back(NICENESS)
            shutil.rmtree(draft, ignore_errors=True)
            draft.mkdir()
            manifest = run_step(make_export(settings, run, kind, draft), note)
            if target.exists():
                remove_folder(target)
            draft.rename(target)
            sync_folder(target.parent)
        progress_of(run, kind).unlink(missing_ok=True)
        with suppress(OSError):
            machine = {"threads": settings.threads}
            Measurements(settings).keep(measured_by(run, kind), machine, {"seconds": manifest.seconds}, replace=True)
    except Exception as error:  # a sentence is always left behind
        log.exception("the export failed")
        shutil.rmtree(draft, ignore_errors=True)
        note.problem(_explain(error, kind, run))


def _explain(error: Exception, kind: ExportFormat, run: Run) -> str:
    if isinstance(error, TuneMyPetsError):
        return str(error)
    if isinstance(error, OSError) and is_full(error):
        return FULL
    if isinstance(error, MemoryError):
        return f"There is not enough memory to write {kind.title}: close other programs, and try again."
    return f"{kind.title} cannot hold the network of run {run.id} ({type(error).__name__}): choose another format."


class _Note:
    """Writes progress to a file, now and then."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._last = 0.0
        self._text = ""

    def __call__(self, progress: Progress) -> None:
        now = time.monotonic()
        if now - self._last < NOTE_SECONDS and progress.text == self._text:
            return
        self._last, self._text = now, progress.text
        with suppress(OSError):  # a full disk ends the export where its own files are written
            write_json(self._path, vars(progress))

    def problem(self, text: str) -> None:
        """Leave a sentence for people."""
        with suppress(OSError):
            write_json(self._path, {"problem": text})


def main(arguments: list[str] | None = None) -> int:
    """Make one export."""
    parser = argparse.ArgumentParser(prog="python -m core.export.export_job", description="Export one run.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("format")
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s", stream=sys.stderr)
    run, kind = Run(options.folder), get_format(options.format)
    try:
        with FileLock(lock_of(run, kind)).acquire(timeout=0):
            export(Settings.from_environment(), run, kind)
    except Timeout:
        log.info("another process makes this export")
    return 0


if __name__ == "__main__":
    sys.exit(main())
