"""Not sure: known pictures refused against the promise, strangers caught, and what it costs.

    pip install -r bench/requirements.txt
    python -m bench.not_sure DATA [--seeds 3] [--only "NAME; …"]
    python -m bench.not_sure --costs [--pictures 25000] [--width 1280]

DATA holds `ten_classes`, `cats_dogs`, `leaves` and `flowers`, each with one folder of pictures per class. For each seed
five of the ten classes are known and the others strangers (near), or cats and dogs are known and leaves or flowers
strangers (far). The splits differ by the seed too. `both` is what the program does; `neighbour` and `mean` are its two
tests alone; `softmax` and `energy` are the network's confidence and the energy of its raw outputs (Liu et al., NeurIPS
2020). All are calibrated in the same way, by conformal p-values on the validation split.

`--costs` needs no pictures: features are drawn at random.
"""

import argparse
import dataclasses
import shutil
import statistics
import tempfile
import time
from collections import defaultdict
from contextlib import closing
from pathlib import Path

import numpy as np

from core.checkpoints.checkpoint import load_network
from core.config.train_config import TrainConfig
from core.datasets.dataset import Dataset
from core.datasets.dataset_store import DatasetStore
from core.datasets.importing import import_dataset
from core.datasets.pictures.decoder import Limits
from core.datasets.sources.opening import open_source
from core.datasets.splits import SplitPlan
from core.novelty.conformal import ClassSets, combine, p_values
from core.novelty.coverage import Share
from core.novelty.distances import MAX_BYTES, MAX_PICTURES, Reference, choose_training
from core.novelty.novelty import Novelty, read_novelty, write_novelty
from core.runs.run_files import BEST, CHECKPOINTS, NOVELTY
from core.settings import Settings
from core.steps import StopSignal, run_step
from core.stores.pixels import square_pixels
from core.training.evaluation import exact_hardware
from core.training.feature_tap import tapped
from core.training.inference import logits_of
from core.training.session import train
from models.folding import fold_network

PROMISES = (0.01, 0.05, 0.1, 0.2)
SCORES = ("both", "neighbour", "mean", "softmax", "energy")
MAX_STRANGERS = 120
NETWORKS = {
    "petnet, head": {"model": "petnet", "strategy": "head", "epochs": 15},
    "mobilenet_v2, head": {"model": "mobilenet_v2", "strategy": "head", "epochs": 15},
    "scratch CNN": {"model": "scratch_cnn", "strategy": "scratch", "epochs": 8, "image_size": 64},
    "petnet, full": {"model": "petnet", "strategy": "full", "epochs": 3},
}
FAR = ("cats_dogs", ("leaves", "flowers"))


def import_classes(settings: Settings, name: str, folders: list[Path], seed: int) -> Dataset:
    """Import folders of pictures as the classes of a dataset."""
    with tempfile.TemporaryDirectory() as scratch:
        for folder in folders:
            shutil.copytree(folder, Path(scratch) / "pictures" / folder.name)
        with closing(open_source(Path(scratch) / "pictures", Limits.from_settings(settings))) as source:
            step = import_dataset(settings, source, name=name, plan=SplitPlan.parse("60/20/20"), seed=seed)
            return DatasetStore(settings).get(run_step(step))


class Looker:
    """What a trained network says of pictures."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self.network, checkpoint = load_network(folder / CHECKPOINTS, BEST)
        self.spec, self.folded = checkpoint.preprocessing, fold_network(self.network)
        self.hardware, self.limits = exact_hardware(settings, None), Limits.from_settings(settings)

    def __call__(self, dataset: Dataset, rows) -> tuple[np.ndarray, np.ndarray, np.ndarray]:  # type: ignore[type-arg]
        """Features, raw outputs and probabilities."""
        logits = []
        with tapped(self.folded) as seen:
            for row in rows:
                pixels = square_pixels(dataset.read_image(row), row.name, self.limits, self.spec)
                logits.append(logits_of(self.folded, pixels[np.newaxis], self.spec, self.hardware))
        found = np.concatenate([item.double().numpy() for item in logits])
        probabilities = np.concatenate([self.network.probabilities(item.double()).numpy() for item in logits])
        return seen.features(), found, probabilities


def score(reference: Reference, looked) -> dict[str, np.ndarray]:  # type: ignore[type-arg,no-untyped-def]
    features, logits, probabilities = looked
    each = reference.scores(features)
    top = logits.max(axis=1)
    energy = -(top + np.log(np.exp(logits - top[:, None]).sum(axis=1)))
    return {"neighbour": each[:, 0], "mean": each[:, 1], "softmax": -probabilities.max(axis=1), "energy": energy}


def p_of(scores: dict[str, np.ndarray], known: dict[str, np.ndarray]) -> dict[str, np.ndarray]:  # type: ignore[type-arg]
    found = {name: p_values(scores[name], np.sort(known[name])) for name in known}
    both = np.stack([found["neighbour"], found["mean"]], axis=1)
    return {"both": combine(both, len(known["mean"])), **found}


def compare_with_reference(reference: Reference, features: np.ndarray, own: np.ndarray) -> float | None:  # type: ignore[type-arg]
    """Largest difference to pytorch-ood's k-nearest-neighbour detector, where that is installed."""
    try:
        import torch
        from pytorch_ood.detector import KNN
    except ImportError:
        return None
    detector = KNN(None, k=reference.neighbours)
    detector.fit_features(torch.from_numpy(reference.features.astype(np.float32)), torch.zeros(len(reference.labels)))
    theirs = detector.predict_features(torch.from_numpy(features)).numpy() ** 2 / 2  # of length 1: 1 minus the cosine
    return float(np.abs(theirs - own).max())


def report(known_refused, strangers_caught, counts, sets, apart) -> None:  # type: ignore[no-untyped-def]
    """Print the shares of all seeds so far."""
    for key in dict.fromkeys(item[0] for item in counts):
        n, m = counts[key, "known"], counts[key, "strangers"]
        print(f"\n{key[0]}, {key[1]}: accuracy {100 * counts[key, 'right'] / n:.1f} %, {n} known, {m} strangers")
        for promise in PROMISES:
            parts = []
            for name in SCORES:
                refused = Share(known_refused[key, promise, name], n)
                caught = Share(strangers_caught[key, promise, name], m)
                inside = f" ({100 * refused.interval.low:.1f} to {100 * refused.interval.high:.1f})" * (name == "both")
                parts.append(f"{name} {100 * (refused.value or 0):.1f}{inside} / {100 * (caught.value or 0):.0f}")
            line = f"  promised {100 * promise:.0f} %: known refused / strangers caught: " + ", ".join(parts)
            if sets[key, promise]:
                inside, labels, sizes = (np.concatenate(part) for part in zip(*sets[key, promise], strict=True))
                missed = Share(int((~inside).sum()), len(inside))
                worst = max(1 - inside[labels == label].mean() for label in np.unique(labels))
                line += (
                    f"; sets without the class {100 * (missed.value or 0):.1f} ({100 * missed.interval.low:.1f} to "
                    f"{100 * missed.interval.high:.1f}), worst class {100 * worst:.1f}, mean size {sizes.mean():.2f}"
                )
            print(line)
    if apart:
        print(f"\nLargest difference to pytorch-ood's KNN: {max(apart):.2g}")


def run_bench(data: Path, seeds: int, only: set[str]) -> None:
    known_refused: dict = defaultdict(int)  # type: ignore[type-arg]
    strangers_caught: dict = defaultdict(int)  # type: ignore[type-arg]
    counts: dict = defaultdict(int)  # type: ignore[type-arg]
    sets: dict = defaultdict(list)  # type: ignore[type-arg]
    apart: list[float] = []
    ten = sorted(path for path in (data / "ten_classes").iterdir() if path.is_dir())
    for seed in range(seeds):
        with tempfile.TemporaryDirectory() as home:
            settings = dataclasses.replace(Settings.from_environment(), home=Path(home))
            order = np.random.default_rng(seed).permutation(len(ten))
            tasks = {
                "near": (
                    import_classes(settings, "five", [ten[place] for place in order[:5]], seed),
                    [import_classes(settings, "others", [ten[place] for place in order[5:]], seed)],
                ),
                "far": (
                    import_classes(settings, FAR[0], sorted((data / FAR[0]).iterdir()), seed),
                    [import_classes(settings, name, sorted((data / name).iterdir()), seed) for name in FAR[1]],
                ),
            }
            for task, (known, others) in tasks.items():
                for network, values in NETWORKS.items():
                    if only and network not in only:
                        continue
                    folder = Path(home) / "trained" / f"{task}-{network}"
                    folder.mkdir(parents=True)
                    config = TrainConfig.model_validate({**values, "dataset": known.id, "seed": seed})
                    list(train(config, known, settings, folder, StopSignal()))
                    look = Looker(settings, folder)
                    rows = {split: known.rows_of(split) for split in ("val", "test")}
                    kept = read_novelty(folder / NOVELTY, known.classes)
                    assert kept is not None
                    reference = kept.reference
                    looked = {split: look(known, rows[split]) for split in ("val", "test")}
                    calibration, tested = (score(reference, looked[split]) for split in ("val", "test"))
                    difference = compare_with_reference(reference, looked["test"][0], tested["neighbour"])
                    apart += [] if difference is None else [difference]
                    own = p_of(tested, calibration)
                    strange = []
                    for other in others:
                        chosen = np.unique(np.linspace(0, len(other.rows) - 1, MAX_STRANGERS).astype(int))
                        strange.append(
                            p_of(score(reference, look(other, [other.rows[at] for at in chosen])), calibration)
                        )
                    key = task, network
                    truth = {split: np.array([row.label for row in rows[split]]) for split in ("val", "test")}
                    given = looked["val"][2][np.arange(len(truth["val"])), truth["val"]]
                    answers = looked["test"][2]
                    counts[key, "known"] += len(truth["test"])
                    counts[key, "right"] += int((answers.argmax(axis=1) == truth["test"]).sum())
                    counts[key, "strangers"] += sum(len(item["both"]) for item in strange)
                    for promise in PROMISES:
                        for name in SCORES:
                            known_refused[key, promise, name] += int((own[name] <= promise + 1e-12).sum())
                            strangers_caught[key, promise, name] += sum(
                                int((item[name] <= promise + 1e-12).sum()) for item in strange
                            )
                        classes = np.bincount(truth["val"], minlength=len(known.classes)).tolist()
                        found = ClassSets(truth["val"], given, classes).of(answers, promise)
                        if found is not None:
                            inside = found[np.arange(len(answers)), truth["test"]]
                            sets[key, promise].append((inside, truth["test"], found.sum(axis=1)))
                    print(f"seed {seed}, {task}, {network}: done", flush=True)
        report(known_refused, strangers_caught, counts, sets, apart)


def run_costs(pictures: int, width: int) -> None:
    """Time and bytes with so many training pictures."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 10, pictures)
    places = choose_training(labels, width)
    features = np.abs(rng.normal(size=(len(places), width))).astype(np.float32)
    reference = Reference.of(features, places, labels[places])
    known = np.abs(rng.normal(size=(5000, width))).astype(np.float32)
    given = rng.uniform(0.1, 1, 5000)
    scores = reference.scores(known)
    novelty = Novelty(
        1, tuple("abcdefghij"), reference, labels[:5000], given, scores, np.arange(5000), scores,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        write_novelty(Path(folder) / "novelty.safetensors", novelty)
        size = (Path(folder) / "novelty.safetensors").stat().st_size
    answer = rng.dirichlet(np.ones(10))[None]
    times = []
    for place in range(300):
        began = time.perf_counter()
        novelty.judge(known[place : place + 1], answer)
        times.append(1000 * (time.perf_counter() - began))
    print(
        f"{pictures:,} training pictures of {width:,} features: {len(places):,} kept (limits {MAX_PICTURES:,} and "
        f"{MAX_BYTES / 2**20:.0f} MB), file {size / 2**20:.1f} MB; one picture {statistics.median(times):.2f} ms "
        f"(95th percentile {np.quantile(times, 0.95):.2f})"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="?", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", default="")
    parser.add_argument("--costs", action="store_true")
    parser.add_argument("--pictures", type=int, default=25_000)
    parser.add_argument("--width", type=int, default=1280)
    options = parser.parse_args()
    if options.costs:
        run_costs(options.pictures, options.width)
    else:
        run_bench(options.data, options.seeds, {name.strip() for name in options.only.split(";") if name.strip()})


if __name__ == "__main__":
    main()
