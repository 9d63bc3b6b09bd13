"""Makes one export of a run, in a process of its own.

    python -m core.export.export_job RUN_DIR FORMAT

The files are made in a draft folder, then asked for their answers to test pictures; only an export that answers as the
run does gets its name. One process of a data root makes exports at a time: converters take memory and all threads.
"""

import shutil
import statistics
import sys
import time
import zipfile
from collections.abc import Callable, Generator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from core.actor import LOCAL_OWNER
from core.config.events import Progress
from core.errors import ExportError
from core.export.exports import DRAFT, Manifest, files_of, folder_of, measured_by, write_manifest
from core.export.formats import ExportFormat, get_format
from core.jobs import shared_job
from core.jobs.launchers import NICENESS, step_back
from core.runs.run import Run
from core.settings import Settings
from core.steps import StopSignal, run_step
from core.storage import remove_folder, sync_folder
from core.stores.measurements import Measurements

if TYPE_CHECKING:
    from core.export.source.exported_run import ExportedRun
    from core.export.source.written import Folder, Written

TIMED = 15  # pictures, one at a time
OTHER_OUTCOMES = 0.02  # share of pictures at the edge of being strange that rounding explains


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
    yield Progress("testing", "Checking its answers", 0, 1, None)
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
        yield Progress("testing", "Checking what it calls strange", 0, 1, None)
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


def export(settings: Settings, run: Run, kind: ExportFormat) -> int:
    """Make an export, and note how far it is; what goes wrong is noted as a sentence."""
    target = folder_of(run, kind)
    draft = target.with_name(target.name + DRAFT)

    def work(_: StopSignal, note: Callable[[Progress], None]) -> None:
        step_back(NICENESS)
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir()
        try:
            manifest = run_step(make_export(settings, run, kind, draft), note)
            if target.exists():
                remove_folder(target)
            draft.rename(target)
            sync_folder(target.parent)
        except Exception:
            shutil.rmtree(draft, ignore_errors=True)
            raise
        with suppress(OSError):
            machine = {"threads": settings.threads}
            Measurements(settings).keep(measured_by(run, kind), machine, {"seconds": manifest.seconds}, replace=True)

    def explain(error: Exception) -> str:
        if isinstance(error, MemoryError):
            return f"There is not enough memory to write {kind.title}: close other programs, and try again."
        return f"{kind.title} cannot hold the network of run {run.id} ({type(error).__name__}): choose another format."

    return shared_job.run_alone(settings, files_of(run, kind), LOCAL_OWNER, "exporter", work, explain)


def main(arguments: list[str] | None = None) -> int:
    """Make one export."""
    folder, name = shared_job.read_arguments("core.export.export_job", ("folder", "format"), arguments)
    return export(Settings.from_environment(), Run(Path(folder)), get_format(name))


if __name__ == "__main__":
    sys.exit(main())
