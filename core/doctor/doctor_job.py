"""Examines one dataset, in a process of its own.

    python -m core.doctor.doctor_job DATASET BACKBONE OWNER

OWNER is who started it. One process of a data root examines at a time: each takes all threads. It ends at once when it
is cancelled or killed, or when the app is shut down, and its findings are then absent, never half.
"""

import argparse
import logging
import sys
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path

import numpy as np
import numpy.typing as npt
from filelock import FileLock, Timeout

from core.coach.shortcuts import choose_rows, find_shortcuts
from core.config.events import Progress
from core.datasets.dataset import Dataset
from core.datasets.dataset_store import DatasetStore
from core.doctor.doctor_findings import FORMAT, CueLevel, Findings, Levels, write_findings
from core.doctor.examination import ExaminationFiles, files_of, measured_by
from core.doctor.picture_quality import find_qualities
from core.errors import DatasetError, TuneMyPetsError
from core.jobs.launchers import NICENESS, step_back
from core.jobs.states import is_closing
from core.quotas import FULL, is_full
from core.settings import Settings
from core.steps import Stopped, StopSignal, run_step
from core.storage import write_json
from core.stores.measurements import Measurements

NOTE_SECONDS = 0.3
WAIT_SECONDS = 0.5

log = logging.getLogger("tunemypets.doctor")


def examine(
    settings: Settings, dataset: Dataset, backbone: str, signal: StopSignal
) -> Generator[Progress, None, Findings]:
    """Look for everything that the doctor knows.

    Raises:
        DatasetError, WeightsError: pictures or weights are missing.
        Stopped: `signal` was set.
    """
    started = time.monotonic()
    yield Progress("preparing", "Loading the network", 0, 1, None)
    # torch costs seconds to import: the locks are taken before it
    from core.doctor.dataset_features import read_features
    from core.doctor.held_out_scores import condense
    from core.doctor.neighbours import MAX_PAIRS, find_neighbours, group_copies, misleading
    from core.doctor.suspicious_labels import review_labels

    values = yield from read_features(settings, dataset, backbone, signal)
    labels = np.array([row.label for row in dataset.rows], np.int64)
    neighbours = yield from find_neighbours(values, signal)
    pairs = neighbours.copies()
    condensed = condense(values)
    del values
    groups = group_copies(pairs, len(labels))
    review = yield from review_labels(condensed, labels, groups, len(dataset.classes), neighbours, signal)
    copies = misleading(pairs, dataset.rows)
    qualities, usual = yield from find_qualities(dataset, settings.threads, signal)
    yield Progress("testing", "Measuring shortcuts", 0, 1, None)
    levels = _measure_levels(dataset, condensed.numpy())
    signal.check()
    return Findings(
        FORMAT,
        backbone,
        len(dataset.rows),
        review.agreeing,
        review.suspicions,
        review.suspicious,
        review.unexamined,
        review.trial,
        review.estimate,
        tuple(copies[:MAX_PAIRS]),
        len(copies),
        qualities,
        usual,
        levels,
        time.time(),
        round(time.monotonic() - started, 2),
    )


def _measure_levels(dataset: Dataset, values: npt.NDArray[np.float32]) -> Levels | None:
    """What cues alone reach, and what the backbone's features reach on the same pictures."""
    import torch

    from core.doctor.held_out_scores import fit, predict

    try:
        report = find_shortcuts(dataset)
    except DatasetError as error:
        log.info("no shortcuts: %s", error)
        return None
    train, held_out = choose_rows(dataset)
    seen, asked = ([row.index for row in rows] for rows in (train, held_out))
    weights = fit(torch.from_numpy(values[seen]), np.array([row.label for row in train]), len(dataset.classes))
    answers = predict(weights, torch.from_numpy(values[asked])).argmax(axis=1)
    right = int((answers == np.array([row.label for row in held_out])).sum())
    cues = tuple(
        CueLevel(item.cue.name, item.accuracy.correct, item.baseline.correct, item.found) for item in report.shortcuts
    )
    return Levels(len(held_out), right, cues) if report.held_out == len(held_out) else None


def run_examination(settings: Settings, dataset: Dataset, files: ExaminationFiles, owner: str) -> None:
    """Examine a dataset and keep what was found; what goes wrong is noted as a sentence."""
    note = _Note(files.progress, owner)
    signal = StopSignal(lambda: files.stop.exists() or is_closing(settings))
    try:
        note(Progress("preparing", "Waiting for another examination", 0, 1, None))
        with _turn(settings, signal):
            step_back(NICENESS)
            found = run_step(examine(settings, dataset, files.backbone, signal), note)
            write_findings(files.findings, dataset, found)
        files.progress.unlink(missing_ok=True)
        with suppress(OSError):
            machine = {"threads": settings.threads}
            figures = {"seconds_a_picture": found.seconds / found.pictures}
            Measurements(settings).keep(measured_by(files.backbone), machine, figures, replace=True)
    except Stopped:
        files.progress.unlink(missing_ok=True)
    except Exception as error:  # a sentence is always left behind
        log.exception("the examination failed")
        note.problem(_explain(error, dataset))
    finally:
        files.stop.unlink(missing_ok=True)


@contextmanager
def _turn(settings: Settings, signal: StopSignal) -> Iterator[None]:
    """Hold the lock of the one examination that computes; a cancelled one does not wait for it."""
    lock = FileLock(settings.cache_dir / "doctor.lock")
    while not lock.is_locked:
        signal.check()
        with suppress(Timeout):
            lock.acquire(timeout=WAIT_SECONDS)
    try:
        yield
    finally:
        lock.release()


def _explain(error: Exception, dataset: Dataset) -> str:
    if isinstance(error, TuneMyPetsError):
        return str(error)
    if isinstance(error, OSError) and is_full(error):
        return FULL
    if isinstance(error, MemoryError):
        return f"There is not enough memory to examine {dataset.title}: close other programs, and try again."
    return f"{dataset.title} could not be examined ({type(error).__name__}): see logs/doctor.log."


class _Note:
    """Writes progress to a file, now and then."""

    def __init__(self, path: Path, owner: str) -> None:
        self._path, self._owner = path, owner
        self._last, self._text = 0.0, ""

    def __call__(self, progress: Progress) -> None:
        now = time.monotonic()
        if now - self._last < NOTE_SECONDS and progress.text == self._text:
            return
        self._last, self._text = now, progress.text
        with suppress(OSError):  # a full disk ends the examination where it writes its own files
            write_json(self._path, {"owner": self._owner, "progress": asdict(progress)})

    def problem(self, text: str) -> None:
        """Leave a sentence for people."""
        with suppress(OSError):
            write_json(self._path, {"owner": self._owner, "problem": text})


def main(arguments: list[str] | None = None) -> int:
    """Examine one dataset."""
    parser = argparse.ArgumentParser(prog="python -m core.doctor.doctor_job", description="Examine one dataset.")
    for name in ("dataset", "backbone", "owner"):
        parser.add_argument(name)
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s", stream=sys.stderr)
    settings = Settings.from_environment()
    dataset = DatasetStore(settings).get(options.dataset)
    files = files_of(settings, dataset, options.backbone)
    try:
        with FileLock(files.lock).acquire(timeout=0):
            run_examination(settings, dataset, files, options.owner)
    except Timeout:
        log.info("another process examines this dataset")
    return 0


if __name__ == "__main__":
    sys.exit(main())
