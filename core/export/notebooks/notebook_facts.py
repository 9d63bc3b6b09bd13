"""What both notebooks hold of a run: its split, its stages with their learning rates, its result, and what differs."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from core.checkpoints.checkpoint import read_sidecar
from core.config.stages import Allowance, Stage, fitted_rate, plan_stages, share_out
from core.datasets.splits import SPLITS
from core.export.source.description import ANY_PICTURE, describe_run
from core.export.source.exported_run import ExportedRun
from core.formatting import SPLIT_NAMES, format_count, format_duration, format_percent, format_points
from core.runs.history import RunHistory
from core.runs.run import RunState
from core.runs.run_files import BEST
from core.statistics.metrics import measure_accuracy
from core.stores.augmentation import FULL_STRENGTH_COLOUR, FULL_STRENGTH_RATIO, Augmentation
from core.training.optimization import class_weights

HASH_DIGITS = 16  # of a file's SHA-256: two of a million pictures share them once in ten million notebooks
OTHER_WORDS = (
    "Grey pictures of more than 8 bits, pictures of several frames, white drawings on transparency and damaged files "
    "are read by the app in ways of its own."
)


@dataclass(frozen=True)
class NotebookStage:
    """A stage of the training as a notebook's `STAGES` has it.

    Attributes:
        images: training pictures to see, repeats included.
        views: 0: a new random view in every epoch; 1: the plain one; more: one of so many, the first one plain.
    """

    freeze: str | None
    images: int
    rate: float
    backbone_rate: float
    views: int


def list_stages(source: ExportedRun) -> list[NotebookStage]:
    """The stages of the run, with the learning rates and numbers of pictures that it had."""
    config, history = source.config, source.run.history()
    stages = plan_stages(config, config.entry())
    count = len(source.dataset.rows_of("train"))
    allowances = share_out(config, stages, count)
    active = Augmentation.from_config(config).active
    factor = config.backbone_factor if config.pretrained else 1.0
    last_block = list(source.network.blocks)[-1]
    out = []
    for place, (stage, allowed) in enumerate(zip(stages, allowances, strict=True)):
        rate = config.learning_rate
        if place == 0 and history.rate is not None:
            rate = history.rate.chosen
        if rate is None:
            began = _end_of(history, stages[place - 1].name) if place and config.max_seconds else 0.0
            rate = fitted_rate(config, allowed.likely_steps(began), head_only=stage.freeze_point == last_block)
        views = (config.views if stage.freeze_point is not None else 0) if active else 1
        images = _images_seen(history, stages, place, allowed) if config.max_seconds else allowed.images
        out.append(NotebookStage(stage.freeze_point, images, rate, rate * factor, views))
    return out


def _end_of(history: RunHistory, stage: str) -> float:
    """When a stage ended, on the training's clock."""
    return max((epoch.seconds for epoch in history.epochs if epoch.stage == stage), default=0.0)


def _images_seen(history: RunHistory, stages: Sequence[Stage], place: int, allowed: Allowance) -> int:
    """Pictures that a stage saw before its seconds were used."""
    seen = [max((e.images_seen for e in history.epochs if e.stage == stage.name), default=0) for stage in stages]
    before = max(seen[:place], default=0)
    return seen[place] - before if seen[place] > before else allowed.images


def list_splits(source: ExportedRun) -> dict[str, list[str]]:
    """Split -> of each picture, in the order of the dataset, the start of its file's SHA-256 and its class."""
    return {
        split: [f"{row.sha256[:HASH_DIGITS]}:{row.label}" for row in rows]
        for split in SPLITS
        if (rows := source.dataset.rows_of(split))
    }


def count_splits(source: ExportedRun) -> str:
    """How many pictures each split has, in words."""
    counts = {split: len(source.dataset.rows_of(split)) for split in SPLITS}
    return ", ".join(f"{count:,} {SPLIT_NAMES[split]}" for split, count in counts.items() if count) + " pictures"


def list_transforms(source: ExportedRun) -> list[str]:
    """Random changes of training pictures, as calls of torchvision's transforms; none where none are made."""
    augmentation, config, size = Augmentation.from_config(source.config), source.config, source.spec.crop_px
    if not augmentation.active:
        return []
    strength, out = config.augment_strength, [f"v2.CenterCrop({size})"]
    if augmentation.crop and strength > 0:
        ratio = FULL_STRENGTH_RATIO**strength
        area = round(augmentation.smallest_area, 4)
        out = [
            f"v2.RandomResizedCrop({size}, scale=({area}, 1.0), ratio=({1 / ratio:.4f}, {ratio:.4f}), antialias=True)"
        ]
    if augmentation.flip:
        out.append("v2.RandomHorizontalFlip()")
    if augmentation.colour and strength > 0:
        spread = round(FULL_STRENGTH_COLOUR * strength, 4)
        out.append(f"v2.ColorJitter(brightness={spread}, contrast={spread}, saturation={spread})")
    return out


def describe_notebook(source: ExportedRun) -> dict[str, Any]:
    """Values that both templates take."""
    found = measure_accuracy(source.tested)
    spec, config = source.spec, source.config
    return {
        **describe_run(source),
        "never_strange": f"{ANY_PICTURE}.",
        "config": config,
        "optimizer_title": {"adam": "Adam", "adamw": "AdamW", "sgd": "SGD with momentum"}[config.optimizer],
        "dataset_id": source.dataset.id,
        "splits": list_splits(source),
        "counts": count_splits(source),
        "app": {
            "correct": found.correct,
            "images": found.n,
            "low": round(found.interval.low, 6),
            "high": round(found.interval.high, 6),
        },
        "scale": read_sidecar(source.run.checkpoints, BEST).feature_scale,
        "dropout": dropout_of(source),
        "class_weights": weights_of(source),
        "feature_width": config.entry().feature_width,
        "margin": spec.margin_px,
        "ground": tuple(round(255 * channel) for channel in spec.mean),
        "fit_words": _fit_words(source),
        "verdict": _verdict(source),
    }


def dropout_of(source: ExportedRun) -> float:
    """Share of the features that the head leaves out in training."""
    layer = getattr(source.network.head, "dropout", None)
    return float(layer.p) if layer is not None else 0.0


def weights_of(source: ExportedRun) -> list[float] | None:
    """How much a training picture of each class counted; None where all counted the same."""
    labels = np.array([row.label for row in source.dataset.rows_of("train")])
    found = class_weights(source.config, labels, torch.device("cpu"))
    return None if found is None else [float(f"{value:.7g}") for value in found.tolist()]


def _fit_words(source: ExportedRun) -> str:
    spec = source.spec
    if spec.fit == "squeeze":
        return f"squeezed to {spec.resize_px} x {spec.resize_px} pixels"
    if spec.fit == "pad":
        return f"made smaller to fit {spec.resize_px} x {spec.resize_px} pixels, with borders"
    return f"its short side resized to {spec.resize_px} pixels, the middle cut out"


def _verdict(source: ExportedRun) -> str:
    tested, history = source.tested, source.run.history()
    found = measure_accuracy(tested)
    label, most = Counter(tested.labels.tolist()).most_common(1)[0]
    best = history.best
    weights = f" with the weights of epoch {best.epoch} of {len(history.epochs)}" if best else ""
    return (
        f"In the app the run reached {format_percent(found.value or 0.0)} ({format_points(found.interval.low)} to "
        f"{format_points(found.interval.high)} %, n = {found.n:,}){weights}. Always answering "
        f"“{source.classes[label]}” would be right for {format_percent(most / tested.n)} of these pictures."
    )


def list_differences(source: ExportedRun) -> list[str]:
    """What either notebook does otherwise than the app did, as sentences."""
    config, history = source.config, source.run.history()
    out = []
    if config.max_seconds is not None:
        seen = history.epochs[-1].images_seen if history.epochs else 0
        out.append(
            f"The run had {format_duration(config.max_seconds)} and saw {format_count(seen, 'training picture')} in "
            "them. Here it sees as many, and the learning rate follows the steps instead of the clock."
        )
    if history.rate is not None:
        out.append("The app searched for the learning rate; the one that it found is written in below.")
    result = source.run.result()
    if result is not None and result.state is not RunState.FINISHED:
        out.append(
            f"The run was ended early, after {format_count(len(history.epochs), 'epoch')}; this trains to the end."
        )
    hardware = history.described.hardware if history.described is not None else {}
    used = sorted({str(hardware.get(name, "fp32")) for name in ("precision", "prefix_precision")} - {"fp32"})
    if used:
        out.append(f"The app computed partly in {' and '.join(used)}; here everything is float32.")
    return out
