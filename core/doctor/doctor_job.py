"""Examines one dataset, in a process of its own.

    python -m core.doctor.doctor_job DATASET BACKBONE OWNER

OWNER is who started it. It ends at once when it is cancelled or killed, and its findings are then absent, never half.
"""

import logging
import time
from collections.abc import Callable, Generator
from contextlib import suppress

import numpy as np
import numpy.typing as npt

from core.coach.shortcuts import choose_rows, find_shortcuts
from core.config.events import Progress
from core.datasets.dataset import Dataset
from core.datasets.dataset_store import DatasetStore
from core.doctor.doctor_findings import FORMAT, CueLevel, Findings, Levels, write_findings
from core.doctor.examination import files_of, measured_by
from core.doctor.picture_quality import find_qualities
from core.errors import DatasetError
from core.jobs import shared_job
from core.jobs.launchers import NICENESS, leave, step_back, trim_memory
from core.settings import Settings
from core.steps import StopSignal, run_step
from core.stores.measurements import Measurements

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
    from core.doctor.dataset_features import open_features
    from core.doctor.held_out_scores import condense
    from core.doctor.neighbours import MAX_PAIRS, find_neighbours, group_copies, list_chains, misleading
    from core.doctor.suspicious_labels import review_labels

    features = yield from open_features(settings, dataset, backbone, signal)
    trim_memory()
    labels = np.array([row.label for row in dataset.rows], np.int64)
    neighbours = yield from find_neighbours(features.read(), signal)
    condensed = condense(features.read())
    trim_memory()
    pairs = neighbours.copies()
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
        list_chains(groups),
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


def run_examination(settings: Settings, dataset: Dataset, backbone: str, owner: str) -> int:
    """Examine a dataset and keep what was found; what goes wrong is noted as a sentence."""
    files = files_of(settings, dataset, backbone)

    def work(signal: StopSignal, note: Callable[[Progress], None]) -> None:
        step_back(NICENESS)
        found = run_step(examine(settings, dataset, backbone, signal), note)
        write_findings(files.result, dataset, found)
        figures = {"seconds_a_picture": found.seconds / found.pictures}
        with suppress(OSError):
            Measurements(settings).keep(measured_by(backbone), {"threads": settings.threads}, figures, replace=True)

    def explain(error: Exception) -> str:
        if isinstance(error, MemoryError):
            return f"There is not enough memory to examine {dataset.title}: close other programs, and try again."
        return f"{dataset.title} could not be examined ({type(error).__name__}): see logs/doctor.log."

    return shared_job.run_alone(settings, files, owner, "doctor", work, explain)


def main(arguments: list[str] | None = None) -> int:
    """Examine one dataset."""
    dataset, backbone, owner = shared_job.read_arguments(
        "core.doctor.doctor_job", ("dataset", "backbone", "owner"), arguments
    )
    settings = Settings.from_environment()
    return run_examination(settings, DatasetStore(settings).get(dataset), backbone, owner)


if __name__ == "__main__":
    leave(main())
