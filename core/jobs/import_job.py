"""One import, in a process of its own.

    python -m core.jobs.import_job JOB_DIR

It holds `importer.lock` while it lives, writes how far it is, and leaves a result, or a question with small pictures
(see `import_jobs.py`). Between two notes of its progress it looks whether it was cancelled.
"""

import dataclasses
import logging
import sys
from collections.abc import Generator, Sequence
from contextlib import closing
from pathlib import Path

from filelock import FileLock

from core.collection.collection_source import CollectionSource
from core.collection.collection_store import CollectionStore
from core.datasets.dataset_store import DatasetStore
from core.datasets.downloads.origin import import_from
from core.datasets.importing import ImportProgress, import_dataset
from core.datasets.layouts.placing import Choice, LayoutQuestionError
from core.datasets.pictures.decoder import Limits, render_preview
from core.datasets.splits import SplitPlan
from core.errors import ImageError, TuneMyPetsError
from core.jobs.import_jobs import CANCEL, SAMPLES, ImportChoice, ImportRequest, ImportStatus
from core.jobs.launchers import step_back
from core.jobs.shared_job import read_arguments
from core.quotas import is_full
from core.settings import Settings
from core.steps import Stopped, StopSignal, run_step
from core.storage import read_json, write_json

SAMPLE_PX = 128

log = logging.getLogger("tunemypets.importer")


def run_job(settings: Settings, folder: Path) -> None:
    """Carry out the import of a job folder; its result file holds how it ended."""
    signal = StopSignal((folder / CANCEL).exists)

    def write_progress(progress: ImportProgress) -> None:
        signal.check()
        values = _progress(progress.phase, progress.done, progress.total, progress.eta_seconds, progress.unit)
        write_json(folder / "progress.json", values)

    request = ImportRequest(**read_json(folder / "request.json"))
    try:
        write_json(
            folder / "progress.json",
            _progress("Reading" if request.path or request.collection else "Drawing pictures", 0, 0),
        )
        with closing(_steps(settings, request)) as steps:
            dataset = run_step(steps, write_progress)
        if (folder / CANCEL).exists():  # its last part, which compares all pictures, looks for no request
            DatasetStore(settings).delete(dataset)
            raise Stopped
        result = ImportStatus("finished", "Imported.", dataset=dataset)
    except Stopped:
        result = ImportStatus("cancelled", "The import was cancelled, and nothing of it was kept.")
    except LayoutQuestionError as question:
        _write_question(settings, folder, question.choices)
        result = ImportStatus("asking", "The pictures can be read in more than one way.")
    except TuneMyPetsError as error:
        result = ImportStatus("failed", str(error))
    except Exception as error:  # a job must always leave a result
        log.exception("the import failed")
        result = ImportStatus(
            "failed",
            "The disk is full and nothing was saved: free some space and import again."
            if isinstance(error, OSError) and is_full(error)
            else f"The import failed unexpectedly ({type(error).__name__}): see importer.log.",
        )
    write_json(folder / "result.json", dataclasses.asdict(result))
    if result.state != "asking":
        (folder / "upload.zip").unlink(missing_ok=True)


def _steps(settings: Settings, request: ImportRequest) -> Generator[ImportProgress, None, str]:
    plan = SplitPlan.parse(request.plan)
    if request.collection:
        store = CollectionStore(settings)
        source = CollectionSource(store.place(request.collection), store.view(request.collection))
        return import_dataset(settings, source, name=request.name, plan=plan, seed=request.seed, owner=request.owner)
    return import_from(
        settings,
        request.path,
        title=request.title,
        names=request.names,
        name=request.name,
        plan=plan,
        seed=request.seed,
        owner=request.owner,
        layout=request.layout,
        label_column=request.label_column,
        group_pattern=request.group_pattern,
    )


def _write_question(settings: Settings, folder: Path, choices: Sequence[Choice]) -> None:
    """Write the choices of a question, with a few small pictures for each."""
    limits = Limits.from_settings(settings)
    (folder / SAMPLES).mkdir(exist_ok=True)
    written: dict[str, str] = {}

    def write_sample(name: str, data: bytes) -> str | None:
        if name not in written:
            try:
                small = render_preview(data, limits, name, SAMPLE_PX)
            except ImageError:
                return None  # the import will name it
            written[name] = f"{len(written)}.jpg"
            (folder / SAMPLES / written[name]).write_bytes(small)
        return written[name]

    question = []
    for choice in choices:
        samples = {
            label: [found for name, data in files if (found := write_sample(name, data))]
            for label, files in choice.samples.items()
        }
        question.append(dataclasses.asdict(ImportChoice(choice.key, choice.title, choice.counts, samples)))
    write_json(folder / "question.json", question)


def _progress(text: str, done: int, total: int, eta_seconds: float | None = None, unit: str = "") -> dict[str, object]:
    return {"text": text, "done": done, "total": total, "eta_seconds": eta_seconds, "unit": unit}


def main(arguments: list[str] | None = None) -> int:
    """Run one import job."""
    folder = Path(*read_arguments("core.jobs.import_job", ("folder",), arguments))
    with FileLock(folder / "importer.lock").acquire(timeout=5):
        step_back(5)
        run_job(Settings.from_environment(), folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
