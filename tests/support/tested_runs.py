"""Finished runs without a training: their results are random numbers, and everything else is as it is for
real ones. For pages and measurements that need many runs, many pictures or odd names, in seconds."""

import dataclasses
from collections.abc import Sequence
from io import BytesIO

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from core.config.events import BatchDone, Described, EpochDone, Event, PhaseStarted, Tested
from core.datasets.dataset import Dataset
from core.datasets.dataset_store import DatasetStore
from core.datasets.importing import import_dataset
from core.datasets.sources.source import MemorySource
from core.datasets.splits import SplitPlan
from core.novelty.distances import Reference
from core.novelty.novelty import KINDS, Novelty, read_novelty, write_novelty
from core.runs.run import Run, RunState
from core.runs.run_files import NOVELTY
from core.settings import Settings
from core.statistics.predictions import PredictionTable, write_predictions
from core.steps import run_step
from tests.support.finished_runs import log

STEPS = 40


def make_dataset(
    settings: Settings,
    classes: Sequence[str],
    pictures: int,
    plan: str = "20/20/60",
    name: str = "many",
    size_px: int = 64,
) -> Dataset:
    """Import `pictures` small coloured patterns, shared out among the classes; patterns are far apart from each other,
    so that none counts as a copy."""
    entries = []
    for number in range(pictures):
        random = np.random.default_rng(number)
        label = number % len(classes)
        pattern = random.integers(0, 256, (9, 9, 3), dtype=np.uint8)
        pattern[..., label % 3] //= 2  # a hint of the class
        buffer = BytesIO()
        image = Image.fromarray(pattern).resize((size_px, size_px), Image.Resampling.BICUBIC)
        image.save(buffer, "JPEG", quality=85)
        entries.append((f"{classes[label]}/picture_{number:05d}.jpg", buffer.getvalue()))
    source = MemorySource("patterns", entries, drawn=True)
    return DatasetStore(settings).get(
        run_step(import_dataset(settings, source, name=name, plan=SplitPlan.parse(plan), seed=0))
    )


def finish(run: Run, dataset: Dataset, accuracy: float, *, seed: int = 0) -> PredictionTable:
    """Give a queued run everything that a finished one has, with about this accuracy; returns what it said."""
    split = "test" if dataset.rows_of("test") else "val"
    table = predict(dataset, split, accuracy, seed=seed)
    write_predictions(run.folder / "predictions.csv", table)
    write_predictions(run.folder / "validation.csv", predict(dataset, "val", accuracy, seed=seed + 1_000))
    events = _events(run, dataset, table)
    log(run, events)
    run.write_result(RunState.FINISHED, "Finished.", float(len(events)))
    return table


def know_pictures(run: Run, dataset: Dataset) -> Novelty:
    """Let a run know what its pictures look like: random features around one centre for each class."""
    random = np.random.default_rng(0)
    features = {}
    for split in ("train", "val", "test"):
        labels = np.array([row.label for row in dataset.rows_of(split)], dtype=np.int64)
        centres = 3 * np.eye(16)[labels]
        features[split] = labels, (centres + random.normal(size=(len(labels), 16))).astype(np.float32)
    indices = {split: np.array([row.index for row in dataset.rows_of(split)], dtype=np.int64) for split in features}
    reference = Reference.of(features["train"][1], indices["train"], features["train"][0])
    validation = run.validation_predictions()
    found = Novelty(
        run.config().epochs,
        dataset.classes,
        reference,
        validation.labels,
        validation.probabilities[np.arange(validation.n), validation.labels],
        reference.scores(features["val"][1]),
        indices["test"],
        reference.scores(features["test"][1]),
    )
    write_novelty(run.folder / NOVELTY, found)
    return found


def know_more_pictures(run: Run) -> None:
    """Let a run of few validation pictures have several times as many, by which a promise can be made."""
    known = read_novelty(run.folder / NOVELTY, run.meta().classes)
    assert known is not None
    parts = {name: np.repeat(getattr(known, name), 5, axis=0) for name in KINDS if name.startswith("val")}
    write_novelty(run.folder / NOVELTY, dataclasses.replace(known, **parts))


def predict(dataset: Dataset, split: str, accuracy: float, *, seed: int = 0) -> PredictionTable:
    """Random answers for a split: a picture that is hard for one seed is hard for the others too."""
    rows = dataset.rows_of(split)
    count = len(dataset.classes)
    labels = np.array([row.label for row in rows], dtype=np.int64)
    hardness = np.random.default_rng(7).random(len(rows))  # the same for all
    random = np.random.default_rng(seed)
    right = 0.6 * hardness + 0.4 * random.random(len(rows)) < accuracy
    said = np.where(right, labels, (labels + random.integers(1, max(count, 2), len(rows))) % count)
    scores = random.normal(size=(len(rows), count))
    scores[np.arange(len(rows)), said] = scores.max(axis=1) + random.exponential(
        3.0, len(rows)
    )  # how sure the answers are
    return PredictionTable(
        split,
        dataset.classes,
        tuple(row.pixel_hash for row in rows),
        np.array([row.index for row in rows], dtype=np.int64),
        labels,
        _softmax(scores),
    )


def _softmax(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), dtype=np.float64)


def _events(run: Run, dataset: Dataset, table: PredictionTable) -> list[Event]:
    config = run.config()
    pictures = {split: len(dataset.rows_of(split)) for split in ("train", "val", "test")}
    stage = {"name": "head", "freeze_point": None, "epochs": config.epochs, "trainable": 12_000}
    hardware = {"device": "cpu", "device_name": "no", "threads": 1, "precision": "fp32", "precision_reason": "drawn"}
    events: list[Event] = [
        PhaseStarted("training", "Training"),
        Described(2_000_000, 12_000, [stage], hardware, pictures, [], "none"),
    ]
    for epoch in range(1, config.epochs + 1):
        done, seconds = epoch / config.epochs, 10.0 * epoch
        for step in range(1, STEPS + 1):
            seen = ((epoch - 1) * STEPS + step) * config.batch_size
            events.append(
                BatchDone(epoch, step, STEPS, seen, 2 - done, done / 2, 0.001, 120.0, seconds + step / 10, 5.0, done)
            )
        events.append(
            EpochDone(
                epoch, "head", 2 - done, done / 2, 2.1 - done, done / 2, 0.001, 10.0, seconds, epoch * 400, 120.0,
                epoch == config.epochs,
            )
        )  # fmt: skip
    correct = int(table.correct.sum())
    tested = Tested(
        "test" if table.split == "test" else "val", correct, table.n, correct / table.n, 0.7, config.epochs, 1
    )
    return [*events, PhaseStarted("testing", "Testing"), tested]
