"""The data doctor: how many of its first 20 are wrong labels, whether it states that rightly, and what it costs.

    pip install -r bench/requirements.txt
    python -m bench.doctor FOLDER [FOLDER …] [--backbones petnet,mobilenet_v2] [--seeds 5]
    python -m bench.doctor --large [--pictures 25000] [--width 1280] [--classes 10]

Each FOLDER holds one folder of pictures per class; it is imported into an empty data root. Labels are flipped at random
in memory (2, 5 and 8 %), then `hit rate` is the share of flipped ones among the first 20 (or as many as the doctor
lists), next to that of logistic regression on the same features and folds, with the penalty that is best on average.
`stated` is what the doctor states of them without knowing, and `held` how often its 95 % interval holds the truth.
`found` counts what it lists without any flip: near-copies and pictures that are hard to see.

`--large` needs no pictures: features of so many are drawn at random, around one centre for each class, 5 % of the
labels wrong. Every step is timed; memory is the process's peak, above what its imports take.
"""

import argparse
import dataclasses
import resource
import statistics
import tempfile
import time
import warnings
from contextlib import closing
from pathlib import Path

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression

from core.datasets.dataset import Dataset
from core.datasets.dataset_store import DatasetStore
from core.datasets.importing import import_dataset
from core.datasets.sources.opening import open_source
from core.datasets.splits import SplitPlan
from core.doctor.dataset_features import Features, open_features
from core.doctor.held_out_scores import Labels, choose_folds, condense
from core.doctor.neighbours import Neighbours, find_neighbours, group_copies, misleading
from core.doctor.picture_quality import find_qualities
from core.doctor.suspicious_labels import FIRST, review_labels
from core.settings import Settings
from core.steps import StopSignal, run_step
from models import weights
from models.catalog import CATALOG

SHARES = (0.02, 0.05, 0.08)
PENALTIES = (0.0003, 0.003)  # C of scikit-learn
REGRESSED = 2  # seeds on which logistic regression is tried: it takes most of the time
MB = 2**20


def flip(labels: Labels, classes: int, share: float, seed: int) -> tuple[Labels, Labels]:
    """The labels with a share flipped at random, and the places of the flipped ones."""
    rng = np.random.default_rng([seed, 991])
    wrong = rng.choice(len(labels), round(share * len(labels)), replace=False)
    flipped = labels.copy()
    flipped[wrong] = (flipped[wrong] + rng.integers(1, classes, len(wrong))) % classes
    return flipped, wrong


def rank_by_regression(values: torch.Tensor, labels: Labels, groups: Labels, penalty: float, seed: int) -> Labels:
    """The first of a list by logistic regression: the probability of the label, lowest first."""
    folds, own = choose_folds(labels, groups, seed), np.empty(len(labels))
    for fold in np.unique(folds):
        held = folds == fold
        model = LogisticRegression(C=penalty, max_iter=300, class_weight="balanced")
        model.fit(values[~held].numpy(), labels[~held])
        found = model.predict_proba(values[held].numpy())
        own[held] = found[np.arange(held.sum()), np.searchsorted(model.classes_, labels[held])]
    return np.argsort(own, kind="stable")


def try_backbone(settings: Settings, dataset: Dataset, backbone: str, seeds: int) -> None:
    """Print what is found with one backbone."""
    signal = StopSignal()
    features = run_step(open_features(settings, dataset, backbone, signal))
    labels = np.array([row.label for row in dataset.rows], np.int64)
    neighbours = run_step(find_neighbours(features.read(), signal))
    pairs, values, classes = neighbours.copies(), condense(features.read()), len(dataset.classes)
    groups = group_copies(pairs, len(labels))
    print(f"  {backbone}: {len(pairs)} near-copies, {len(misleading(pairs, dataset.rows))} of them misleading")
    for share in SHARES:
        hits, others, stated, held, counted = [], {penalty: [] for penalty in PENALTIES}, [], [], []
        for seed in range(seeds):
            given, wrong = flip(labels, classes, share, seed)
            found = run_step(review_labels(values, given, groups, classes, neighbours, signal))
            first = [item.index for item in found.suspicions[:FIRST]]
            true = int(np.isin(first, wrong).sum())
            estimate = found.estimate
            assert estimate is not None
            hits.append(true / len(first))
            stated.append(estimate.wrong_first / estimate.first)
            held.append(estimate.low_first <= true <= estimate.high_first)
            counted.append(estimate.wrong)
            for penalty in PENALTIES if seed < REGRESSED else ():
                order = rank_by_regression(values, given, groups, penalty, seed)
                others[penalty].append(float(np.isin(order[:FIRST], wrong).mean()))
        regression = max(statistics.mean(found) for found in others.values())
        print(
            f"    {share:.0%} flipped ({round(share * len(labels))}): hit rate {statistics.mean(hits):.2f} "
            f"({min(hits):.2f} to {max(hits):.2f}), logistic regression {regression:.2f}; stated "
            f"{statistics.mean(stated):.2f}, held {sum(held)} of {seeds}; wrong labels estimated "
            f"{statistics.mean(counted):.0f} ({min(counted)} to {max(counted)})",
            flush=True,
        )


def try_folder(settings: Settings, folder: Path, backbones: list[str], seeds: int) -> None:
    """Import a folder and print what is found in it."""
    with closing(open_source(folder, max_files=settings.max_images, max_bytes=settings.max_dataset_bytes)) as source:
        steps = import_dataset(settings, source, name=folder.name, plan=SplitPlan(), seed=0)
        dataset = DatasetStore(settings).get(run_step(steps))
    print(f"{folder.name}: {len(dataset.rows):,} pictures, {len(dataset.classes)} classes")
    started = time.process_time()
    found, usual = run_step(find_qualities(dataset, settings.threads, StopSignal()))
    each = 1000 * (time.process_time() - started) / len(dataset.rows)
    kinds = {kind: sum(item.kind == kind for item in found) for kind in {item.kind for item in found}}
    print(f"  hard to see: {kinds or 'none'}, usual: {usual or 'none'}, {each:.1f} ms of processor each")
    for backbone in backbones:
        if weights.find(CATALOG[backbone]) is not None:
            try_backbone(settings, dataset, backbone, seeds)


def peak_mb() -> float:
    """The most memory that this process ever had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def try_large(pictures: int, width: int, classes: int) -> None:
    """Print seconds and memory of the steps after the features, for features that are drawn at random."""
    labels = np.random.default_rng(0).integers(0, classes, pictures)
    given, wrong = flip(labels, classes, 0.05, 0)
    before = peak_mb()

    def draw() -> Features:
        """The same each time: the steps overwrite them."""
        rng = np.random.default_rng(1)
        values = rng.standard_normal((pictures, width), dtype=np.float32)
        centres = rng.standard_normal((classes, width), dtype=np.float32) / 4
        for label, centre in enumerate(centres):
            values[labels == label] += centre
        return values

    size = 4 * pictures * width / MB
    print(f"{pictures:,} pictures, {width} features, {classes} classes: the features alone take {size:.0f} MB")
    took: dict[str, float] = {}

    def timed(name: str, began: float) -> None:
        took[name] = time.perf_counter() - began
        print(f"  {name}: {took[name]:.1f} s, peak {peak_mb() - before:.0f} MB", flush=True)

    began = time.perf_counter()
    neighbours: Neighbours = run_step(find_neighbours(draw(), StopSignal()))
    timed("neighbours", began)
    began = time.perf_counter()
    condensed = condense(draw())
    timed("condensing", began)
    began = time.perf_counter()
    groups = group_copies(neighbours.copies(), pictures)
    found = run_step(review_labels(condensed, given, groups, classes, neighbours, StopSignal()))
    timed("labels, with the trial", began)
    true = sum(item.index in set(wrong.tolist()) for item in found.suspicions[:FIRST])
    print(f"  of the first {FIRST}, {true} are wrong; stated {found.estimate}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="The data doctor: hit rates, what it states of them, its cost.")
    parser.add_argument("folders", nargs="*", type=Path)
    parser.add_argument("--backbones", default="petnet,mobilenet_v2")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--large", action="store_true")
    parser.add_argument("--pictures", type=int, default=25_000)
    parser.add_argument("--width", type=int, default=1280)
    parser.add_argument("--classes", type=int, default=10)
    options = parser.parse_args()
    warnings.filterwarnings("ignore", module="sklearn")
    settings = Settings.from_environment()
    torch.set_num_threads(settings.threads)
    if options.large:
        try_large(options.pictures, options.width, options.classes)
    with tempfile.TemporaryDirectory() as home:
        apart = dataclasses.replace(settings, home=Path(home))
        for folder in options.folders:
            try_folder(apart, folder, options.backbones.split(","), options.seeds)


if __name__ == "__main__":
    main()
