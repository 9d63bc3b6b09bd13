"""Ended runs, written in a moment: the files that a worker leaves, without any training."""

import json
from collections.abc import Sequence
from typing import Literal

import numpy as np

from core.config.events import Described, EpochDone, Event, PointDone, Tested, to_record
from core.config.race_plan import PAIR, RacePlan
from core.config.train_config import TrainConfig, parse_config
from core.datasets.dataset import Dataset
from core.runs.run import Run, RunState
from core.runs.run_store import Arm, RunStore
from core.settings import Settings
from core.statistics.predictions import PredictionTable, write_predictions
from core.storage import read_json, write_json

HARDWARE = {"device": "cpu", "device_name": "A processor", "threads": 2, "precision": "fp32", "torch": "2.14.1"}


def configure(dataset: str, arm: str, seed: int = 0, **values: object) -> TrainConfig:
    """A small scratch network, or the head of the backbone that comes with the program."""
    own = {"model": "scratch_cnn", "filters": (4, 8), "image_size": 32} if arm == "scratch" else {"model": "petnet"}
    return parse_config({"dataset": dataset, "strategy": arm, "seed": seed, "epochs": 3, **own, **values})


def start_race(
    settings: Settings,
    dataset: Dataset,
    arms: Sequence[str] = ("scratch", "head"),
    seeds: Sequence[int] = (0, 1),
    *,
    names: Sequence[str] | None = None,
    title: str = "",
    **values: object,
) -> tuple[str, list[Run]]:
    """A race with a plan; its runs are queued, seed by seed."""
    names = names or arms
    plan = RacePlan("race", tuple(names), tuple(seeds), "epochs", 3, (), title)
    wanted = [
        Arm(name, configure(dataset.id, arm, seed, **values))
        for seed in seeds
        for name, arm in zip(names, arms, strict=True)
    ]
    return RunStore(settings).create_race(plan, wanted)


def create_pair(store: RunStore, first: TrainConfig, second: TrainConfig) -> list[Run]:
    """The queued runs of a plain race, its arms with these configurations."""
    plan = RacePlan("race", PAIR, (first.seed,), "epochs", first.epochs)
    return store.create_race(plan, [Arm(name, config) for name, config in zip(PAIR, (first, second), strict=True)])[1]


def forget_plan(run: Run) -> None:
    """Make a run of a race one that was started before plans were stored."""
    path = run.folder / "meta.json"
    values = read_json(path)
    del values["plan"]
    write_json(path, values)


def finish(run: Run, dataset: Dataset, right: float = 0.7, epochs: int = 3) -> PredictionTable:
    """End a run, with this share of its held-out images right; the seed decides which."""
    seed = run.config().seed
    split = "test" if dataset.rows_of("test") else "val"
    table = predict(dataset, split, right, seed)
    events: list[Event] = [_described(dataset)]
    for epoch in range(1, epochs + 1):
        reached = right * (1 - 0.5**epoch) + 0.01 * seed
        seen = epoch * len(dataset.rows_of("train"))
        events.append(
            EpochDone(
                epoch, "head", 1 / epoch, reached, 1.1 / epoch, reached, 1e-3, 1.5, 1.5 * epoch + 0.1 * seed, seen,
                80.0, epoch == epochs,
            )
        )  # fmt: skip
    correct = int(table.correct.sum())
    events.append(Tested("test" if split == "test" else "val", correct, table.n, correct / table.n, 0.5, epochs, 0.2))
    log(run, events)
    write_predictions(run.folder / "predictions.csv", table)
    run.write_result(RunState.FINISHED, "Finished.", 5.0)
    return table


def predict(dataset: Dataset, split: str, right: float, seed: int) -> PredictionTable:
    """Predictions with this share right, in table order."""
    rows, count = dataset.rows_of(split), len(dataset.classes)
    generator = np.random.default_rng(seed)
    labels = np.array([row.label for row in rows])
    answers = np.where(generator.random(len(rows)) < right, labels, (labels + 1) % count)
    probabilities = np.full((len(rows), count), 0.3 / max(1, count - 1))
    probabilities[np.arange(len(rows)), answers] = 0.7
    hashes = tuple(row.pixel_hash for row in rows)
    return PredictionTable(split, dataset.classes, hashes, np.array([row.index for row in rows]), labels, probabilities)


def add_points(
    run: Run, dataset: Dataset, sizes: Sequence[int], seeds: Sequence[int], split: Literal["test", "val"] = "test"
) -> None:
    """End the run of a learning curve."""
    images = len(dataset.rows_of(split))
    events: list[Event] = [_described(dataset)]
    for place, size in enumerate(sizes, start=1):
        for seed in seeds:
            correct = min(images, images * place // (len(sizes) + 1) + seed)
            right = np.packbits(np.arange(images) < correct).tobytes().hex()
            pictures = size * len(dataset.classes)
            events.append(PointDone(size, pictures, seed, correct, images, correct / images, 2.0 * place, right, split))
    log(run, events)
    run.write_result(RunState.FINISHED, "Finished.", 5.0)


def log(run: Run, events: Sequence[Event]) -> None:
    """Write a run's event log."""
    lines = [json.dumps({"time": 1000.0 + place, **to_record(event)}) for place, event in enumerate(events)]
    (run.folder / "events.jsonl").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _described(dataset: Dataset) -> Described:
    pictures = {split: len(dataset.rows_of(split)) for split in ("train", "val", "test")}
    stages = [{"name": "head", "freeze_point": "top", "epochs": 3, "trainable": 2562}]
    return Described(1_858_834, 2562, stages, {**HARDWARE, "host": "secret-host"}, pictures, [], "none")
