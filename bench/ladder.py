"""Linear probes after each block: what they take, whether scikit-learn agrees, and whether their forecasts hold.

    pip install -r bench/requirements.txt
    python -m bench.ladder FOLDER [FOLDER …] [--networks petnet,mobilenet_v2] [--train EPOCHS]

Each FOLDER holds one folder of pictures per class; it is imported into an empty data root. `accuracy` is that of the
probe after each block, next to it how far scikit-learn's LogisticRegression with the same penalty on the same
standardised features is from it at most, and how many answers are equal. `--train` then trains a head, `partial` at
each block, and everything, and prints forecasts next to test accuracies.
"""

import argparse
import dataclasses
import os
import tempfile
import time
import warnings
from contextlib import closing
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression

from core.checkpoints.checkpoint import build_network
from core.config.stages import plan_stages
from core.config.train_config import TrainConfig
from core.datasets.dataset import Dataset
from core.datasets.dataset_store import DatasetStore
from core.datasets.importing import import_dataset
from core.datasets.sources.opening import open_source
from core.datasets.splits import SplitPlan
from core.estimates.benchmark import SAMPLE, choose_hardware
from core.jobs.workers.worker import Worker
from core.probes.block_features import Features, read_block_features
from core.probes.forecast_score import describe_score, find_truths, score
from core.probes.ladder import ladder_path, write_ladder
from core.probes.linear_probe import PENALTY, probe
from core.probes.probe_job import measure
from core.runs.run_store import RunStore
from core.settings import Settings
from core.steps import StopSignal, run_step
from core.stores.hardware import prepare_torch
from core.stores.pixels import open_store, preprocessing_of
from core.stores.training_data import SplitData
from models.catalog import CATALOG


def read_folder(settings: Settings, folder: Path) -> Dataset:
    """Import a folder."""
    with closing(open_source(folder, max_files=settings.max_images, max_bytes=settings.max_dataset_bytes)) as source:
        steps = import_dataset(settings, source, name=folder.name, plan=SplitPlan(), seed=0)
        return DatasetStore(settings).get(run_step(steps))


def try_network(settings: Settings, dataset: Dataset, network: str) -> None:
    """Print what the probes take and find; the second time pixels and measurements of speed are there."""
    signal, took = StopSignal(), []
    for _ in range(2):
        began, busy = time.perf_counter(), time.process_time()
        ladder = run_step(measure(settings, dataset, network, signal))
        took.append((time.perf_counter() - began, time.process_time() - busy))
    path = ladder_path(settings, dataset, network)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_ladder(path, ladder)
    (first, first_cpu), (again, again_cpu) = took
    print(f"  {network}: {first:.1f} s (processor {first_cpu:.1f}), again {again:.1f} s ({again_cpu:.1f})")
    places = range(len(ladder.blocks))
    print("    block    " + " ".join(f"{item.block:>7}" for item in ladder.blocks))
    print("    accuracy " + " ".join(f"{100 * (ladder.accuracy(place).value or 0):7.1f}" for place in places))
    print("    random   " + " ".join(f"{100 * (ladder.untrained(place).value or 0):7.1f}" for place in places))
    compare_with_sklearn(settings, dataset, network)


def compare_with_sklearn(settings: Settings, dataset: Dataset, network: str) -> None:
    """Print how far this program's probes and scikit-learn's are apart, and what each fit takes."""
    signal = StopSignal()
    config = TrainConfig(dataset=dataset.id, model=network, strategy="head")
    prepare_torch(settings, 0)
    spec, train, val = preprocessing_of(config, dataset), SplitData.of(dataset, "train"), SplitData.of(dataset, "val")
    store = run_step(open_store(settings, dataset, spec, signal))
    built = build_network(settings, config, len(dataset.classes))
    stages, some = plan_stages(config, config.entry()), store.take(train.indices[:SAMPLE])
    hardware = run_step(choose_hardware(settings, config, built, stages, some, signal))
    hardware.place(built)
    indices = np.concatenate([train.indices, val.indices])
    features = run_step(read_block_features(built, store, indices, spec, hardware, "", signal))
    apart, agree, ours, theirs = 0.0, [], 0.0, 0.0
    for values in features:
        seen, asked = values[: len(train)], values[len(train) :]
        began = time.process_time()
        answers = probe(seen, train.labels, asked, len(dataset.classes))
        ours += time.process_time() - began
        began = time.process_time()
        others = answer_by_sklearn(seen, train.labels, asked)
        theirs += time.process_time() - began
        apart = max(apart, abs(float((answers == val.labels).mean() - (others == val.labels).mean())))
        agree.append(float((answers == others).mean()))
    print(
        f"    scikit-learn: at most {100 * apart:.1f} points apart, {100 * np.mean(agree):.1f} % equal answers; "
        f"fits {ours:.2f} s of the processor, its {theirs:.2f} s",
        flush=True,
    )


def answer_by_sklearn(train: Features, labels: np.ndarray, asked: Features) -> np.ndarray:
    """The same question to another program."""
    centre, spread = train.mean(axis=0), train.std(axis=0)
    scale = 1 / np.where(spread > 1e-6 * spread.max(), spread, np.inf)
    # of two classes scikit-learn has one vector of weights, the difference of ours, whose square is penalised half
    strength = (2 if len(np.unique(labels)) == 2 else 1) / (len(train) * PENALTY)
    model = LogisticRegression(C=strength, max_iter=1000, tol=1e-6)
    model.fit((train - centre) * scale, labels)
    answers: np.ndarray = model.predict((asked - centre) * scale)
    return answers


def train_all(settings: Settings, dataset: Dataset, network: str, epochs: int) -> None:
    """Train every strategy once, and print forecasts and results."""
    points = CATALOG[network].freeze_points
    ways: list[dict[str, str | None]] = [{"strategy": "head"}, {"strategy": "full"}]
    ways += [{"strategy": "partial", "freeze_point": point} for point in points[:-1]]
    for way in ways:
        config = TrainConfig.model_validate({"dataset": dataset.id, "model": network, "epochs": epochs, **way})
        Worker(settings, RunStore(settings).create(config)).work()
    for arm in find_truths(settings, RunStore(settings).summaries()):
        if (arm.fingerprint, arm.network) == (dataset.fingerprint, network):
            expected, reached = 100 * (arm.expected.value or 0), 100 * (arm.measured.value or 0)
            print(f"    {arm.name}: forecast {expected:.1f} %, test {reached:.1f} %", flush=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Linear probes: cost, agreement with scikit-learn, forecasts.")
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--networks", default="petnet,mobilenet_v2")
    parser.add_argument("--train", type=int, metavar="EPOCHS")
    options = parser.parse_args()
    warnings.filterwarnings("ignore", module="sklearn")
    with tempfile.TemporaryDirectory() as home:
        os.environ["TUNEMYPETS_HOME"] = home
        settings = dataclasses.replace(Settings.from_environment(), home=Path(home))
        for folder in options.folders:
            dataset = read_folder(settings, folder)
            print(f"{dataset.id}: {len(dataset.rows):,} pictures, {len(dataset.classes)} classes")
            for network in options.networks.split(","):
                try_network(settings, dataset, network)
                if options.train:
                    train_all(settings, dataset, network, options.train)
        print(describe_score(score(find_truths(settings, RunStore(settings).summaries()))))


if __name__ == "__main__":
    main()
