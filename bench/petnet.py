"""What petnet's features are worth, and what they cost, beside MobileNetV2, SqueezeNet and a petnet of random weights.

    pip install -r bench/requirements.txt
    python -m bench.petnet FOLDER [FOLDER …] [--seeds 3] [--record]

Each FOLDER holds one folder of pictures per class. The backbones are frozen and see each picture once, without
augmentation; half of the pictures train a linear head (logistic regression on standardised features, its strength
chosen by cross-validation within that half), the other half tests it. Milliseconds per picture: batches of 32 in
memory, channels last, in fp32 and in bf16; median of interleaved rounds, so that all networks meet the same noise.
TORCH_HOME names the pretrained weights of the other two. `--record` writes the figures into petnet's sidecar.
"""

import argparse
import statistics
import sys
import time
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegressionCV
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from core.datasets.pictures.decoder import Limits
from core.errors import ImageError
from core.settings import Settings
from core.storage import read_json, write_json
from core.stores.hardware import device_name
from core.stores.pixels import square_pixels
from models import weights
from models.catalog import CATALOG
from models.entry import Preprocessing
from models.network import Network, build, build_pretrained

NETWORKS = ("petnet", "mobilenet_v2", "squeezenet1_0", "petnet, random")
BATCH = 32
ROUNDS = 15
STRENGTHS = [1e-3, 1e-2, 1e-1]


def backbone(name: str) -> Network:
    """A frozen network of the table."""
    catalog_name = name.partition(",")[0]
    entry = CATALOG[catalog_name]
    if name.endswith("random"):
        network = build(catalog_name, 2, seed=0)
    else:
        path = weights.find(entry)
        if path is None:
            sys.exit(f"The weights of {entry.title} are missing: set TORCH_HOME to where they are.")
        network = build_pretrained(catalog_name, 2, seed=0, weights_file=path)
    network.freeze(entry.freeze_points[-1])
    return network.eval().to(memory_format=torch.channels_last)


def read(folder: Path, spec: Preprocessing) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """(N, crop, crop, 3) pixels and labels of the pictures that can be decoded."""
    limits = Limits.from_settings(Settings.from_environment())
    first, last = spec.margin_px, spec.margin_px + spec.crop_px
    pixels, labels = [], []
    for label, kind in enumerate(sorted(path for path in folder.iterdir() if path.is_dir())):
        for file in sorted(kind.iterdir()):
            try:
                square = square_pixels(file, file.name, limits, spec)
            except ImageError:
                continue
            pixels.append(square[first:last, first:last])
            labels.append(label)
    return np.stack(pixels), np.array(labels)


def features_of(network: Network, pixels: NDArray[np.uint8], spec: Preprocessing) -> NDArray[np.float32]:
    """(N, feature_width), in fp32."""
    found = [
        network.frozen_prefix(prepared(pixels[start : start + BATCH], spec)) for start in range(0, len(pixels), BATCH)
    ]
    return torch.cat(found).numpy()


def prepared(pixels: NDArray[np.uint8], spec: Preprocessing) -> torch.Tensor:
    """(B, H, W, 3) uint8 -> (B, 3, H, W) normalised."""
    batch = torch.from_numpy(pixels).permute(0, 3, 1, 2) / 255
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (spec.mean, spec.std))
    return (batch - mean) / std


def probe(features: NDArray[np.float32], labels: NDArray[np.int64], seeds: int) -> list[float]:
    """Test accuracy of a linear head for each seed."""
    found = []
    for seed in range(seeds):
        train, test, goals, answers = train_test_split(
            features, labels, test_size=0.5, stratify=labels, random_state=seed
        )
        head = make_pipeline(
            StandardScaler(),
            LogisticRegressionCV(
                Cs=STRENGTHS, cv=3, l1_ratios=(0.0,), max_iter=500, scoring="accuracy", use_legacy_attributes=False
            ),
        )
        found.append(float(head.fit(train, goals).score(test, answers)))
    return found


def milliseconds(networks: dict[str, Network]) -> dict[str, dict[str, float]]:
    """Per picture, by network and number format."""
    times: dict[str, dict[str, list[float]]] = {name: {"fp32": [], "bf16": []} for name in networks}
    for number in range(ROUNDS + 1):
        for name, network in networks.items():
            side = CATALOG[network.name].preprocessing.crop_px
            batch = torch.zeros(BATCH, 3, side, side).contiguous(memory_format=torch.channels_last)
            for precision, taken in times[name].items():
                with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
                    started = time.perf_counter()
                    network.frozen_prefix(batch)
                    if number:
                        taken.append((time.perf_counter() - started) / BATCH * 1000)
    return {name: {key: statistics.median(taken) for key, taken in both.items()} for name, both in times.items()}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description="Features of petnet beside those of other networks.")
    parser.add_argument("folders", nargs="*", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--record", action="store_true", help="write the figures into petnet's sidecar")
    options = parser.parse_args()
    settings = Settings.from_environment()
    torch.set_num_threads(settings.threads)
    networks = {name: backbone(name) for name in NETWORKS}
    accuracies: dict[str, dict[str, list[float]]] = {}
    counts: dict[str, int] = {}
    for folder in options.folders:
        accuracies[folder.name] = {}
        for name, network in networks.items():
            spec = CATALOG[network.name].preprocessing
            pixels, labels = read(folder, spec)
            counts[folder.name] = len(labels) - len(labels) // 2
            accuracies[folder.name][name] = probe(features_of(network, pixels, spec), labels, options.seeds)
    times = milliseconds(networks)
    _print(accuracies, counts, times)
    if options.record:
        file = weights.find(CATALOG["petnet"])
        assert file is not None  # it was loaded above
        sidecar = read_json(file.with_suffix(".json"))
        sidecar["figures"] = {
            "command": "python -m bench.petnet",
            "linear_head_test_accuracy_by_seed": {
                data: {name: [round(value, 4) for value in by_seed] for name, by_seed in found.items()}
                for data, found in accuracies.items()
            },
            "test_pictures": counts,
            "milliseconds_a_picture": {
                name: {key: round(value, 3) for key, value in both.items()} for name, both in times.items()
            },
            "machine": f"{device_name(torch.device('cpu'))}, {settings.threads} threads, torch {torch.__version__}",
        }
        write_json(file.with_suffix(".json"), sidecar)


def _print(
    accuracies: dict[str, dict[str, list[float]]], counts: dict[str, int], times: dict[str, dict[str, float]]
) -> None:
    names = list(times)
    print("| test accuracy of a linear head, mean (lowest to highest seed) | " + " | ".join(names) + " |")
    print("| --- |" + " --- |" * len(names))
    for data, found in accuracies.items():
        cells = [f"{statistics.mean(v):.3f} ({min(v):.3f} to {max(v):.3f})" for v in (found[name] for name in names)]
        print(f"| {data} (n = {counts[data]} a seed) | " + " | ".join(cells) + " |")
    for precision in ("fp32", "bf16"):
        print(f"| ms per picture, {precision} | " + " | ".join(f"{times[n][precision]:.2f}" for n in names) + " |")
    best = {name: min(times[name].values()) for name in names}
    rival = min(("mobilenet_v2", "squeezenet1_0"), key=best.__getitem__)
    print(
        f"petnet takes {best['petnet']:.2f} ms a picture, {rival}, the faster of the others, {best[rival]:.2f} ms: "
        f"{best[rival] / best['petnet']:.1f} times as long."
    )


if __name__ == "__main__":
    main()
