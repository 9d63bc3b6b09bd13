"""Where the files of a full data root are."""

import os
from collections.abc import Callable
from pathlib import Path

from core.datasets.dataset_store import DatasetStore
from core.runs.run import Run, RunState
from core.runs.run_store import RunStore
from core.settings import Settings


def run_of(settings: Settings, state: RunState = RunState.FINISHED) -> Run:
    return next(run for run in RunStore(settings).all() if run.state() is state)


def first(folder: Path, pattern: str) -> Path:
    return min(folder.glob(pattern))


PLACES: dict[str, Callable[[Settings], Path]] = {
    "dataset.json": lambda s: s.datasets_dir / "drawn" / "dataset.json",
    "pictures.csv": lambda s: s.datasets_dir / "drawn" / "pictures.csv",
    "report.json": lambda s: s.datasets_dir / "drawn" / "report.json",
    "picture": lambda s: first(s.datasets_dir / "drawn", "images/*/*"),
    "thumbnail": lambda s: DatasetStore(s).get("drawn").thumbnail_path(DatasetStore(s).get("drawn").rows[3]),
    "config.json": lambda s: run_of(s).folder / "config.json",
    "meta.json": lambda s: run_of(s).folder / "meta.json",
    "started.json": lambda s: run_of(s).folder / "started.json",
    "events.jsonl": lambda s: run_of(s).folder / "events.jsonl",
    "predictions.csv": lambda s: run_of(s).folder / "predictions.csv",
    "result.json": lambda s: run_of(s).folder / "result.json",
    "best.json": lambda s: run_of(s).checkpoints / "best.json",
    "best.safetensors": lambda s: run_of(s).checkpoints / "best.safetensors",
    "last.safetensors": lambda s: run_of(s, RunState.INTERRUPTED).checkpoints / "last.safetensors",
    "validation.csv": lambda s: run_of(s).folder / "validation.csv",
    "novelty.safetensors": lambda s: run_of(s).folder / "novelty.safetensors",
    "pixels": lambda s: first(s.cache_dir, "pixels/*.npy"),
    "note": lambda s: first(s.cache_dir, "pixels/*.json"),
    "activations": lambda s: first(s.cache_dir, "activations/*.npy"),
    "recipe": lambda s: first(s.cache_dir, "activations/*.json"),
    "measurements.json": lambda s: s.cache_dir / "measurements.json",
    "request.json": lambda s: first(s.imports_dir, "*/request.json"),
    "person": lambda s: s.home / "people" / "visitor.json",
    "room": lambda s: s.home / "room" / "visitor.json",
}


def truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)
