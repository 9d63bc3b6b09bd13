"""What correcting labels is worth: a share of them is flipped, the doctor lists them, and the same network is trained
before and after.

    python -m bench.corrected_labels FOLDER [FOLDER …] [--share 0.08] [--backbone petnet] [--model petnet] [--seeds 3]

Each FOLDER holds one folder of pictures per class. A copy of it with flipped labels is imported into an empty data
root, also in its validation and test pictures, as where people label. `corrects` looks at what the doctor lists and
corrects what is flipped; nothing else is changed. Then `core race --before` trains a head on both revisions, and
compares them on the test pictures that both held out, whose labels are the corrected ones.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from core.datasets.dataset import Dataset
from core.datasets.dataset_store import DatasetStore
from core.doctor.doctor_job import examine
from core.formatting import format_points
from core.revisions.corrections import relabel
from core.revisions.revision import revise
from core.settings import PROJECT_ROOT, Settings
from core.steps import StopSignal, run_step


def copy_with_errors(folder: Path, target: Path, share: float, seed: int) -> dict[str, str]:
    """Link the pictures into class folders, a share of them into a wrong one; file name -> right class, of those."""
    files = sorted(path for path in folder.glob("*/*") if path.is_file())
    classes = sorted({path.parent.name for path in files})
    rng = np.random.default_rng([seed, 77])
    wrong = set(rng.choice(len(files), round(share * len(files)), replace=False).tolist())
    right: dict[str, str] = {}
    for place, path in enumerate(files):
        label, name = path.parent.name, f"{place:05d}{path.suffix}"
        if place in wrong:
            right[name] = label
            label = classes[(classes.index(label) + int(rng.integers(1, len(classes)))) % len(classes)]
        (target / label).mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target / label / name)
    return right


def run_command(home: Path, *arguments: str) -> dict[str, Any]:
    """What `python -m core … --json` answers."""
    done = subprocess.run(
        [sys.executable, "-m", "core", *arguments, "--json"],
        cwd=PROJECT_ROOT,
        env={**os.environ, "TUNEMYPETS_HOME": str(home)},
        stdout=subprocess.PIPE,
        check=True,
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def correct(settings: Settings, dataset: Dataset, backbone: str, right: dict[str, str]) -> tuple[str, int, int]:
    """Correct what the doctor lists and is wrong: the revision, how many were listed, how many were wrong."""
    listed = run_step(examine(settings, dataset, backbone, StopSignal())).suspicions
    names = {item.index: Path(dataset.rows[item.index].name).name for item in listed}
    found = [index for index, name in names.items() if name in right]
    for index in found:
        relabel(dataset, [index], right[names[index]])
    return run_step(revise(settings, dataset)), len(listed), len(found)


def try_folder(folder: Path, options: argparse.Namespace) -> None:
    """Print what correcting the labels of a folder brings."""
    with tempfile.TemporaryDirectory() as place:
        home, copied = Path(place) / "home", Path(place) / folder.name
        right = copy_with_errors(folder, copied, options.share, options.seed)
        settings = Settings.from_environment({**os.environ, "TUNEMYPETS_HOME": str(home)})
        name = run_command(home, "import", str(copied), "--name", folder.name)["dataset"]
        dataset = DatasetStore(settings).get(name)
        started = time.monotonic()
        revision, listed, found = correct(settings, dataset, options.backbone, right)
        print(
            f"{folder.name}: {len(dataset.rows):,} pictures, {len(right)} flipped; listed {listed}, {found} of them "
            f"flipped and corrected ({time.monotonic() - started:.0f} s)",
            flush=True,
        )
        more = ("--model", options.model, "--strategy", "head", "--seeds", str(options.seeds))
        answer = run_command(home, "race", revision, "--before", name, *more)
        for arm in answer["comparison"]["arms"]:
            low, high = map(format_points, arm["interval"])
            print(f"  {arm['name']}: {format_points(arm['mean'])} % ({low} to {high}, n = {answer['comparison']['n']})")
        (pair,) = answer["comparison"]["pairs"]
        low, high = map(format_points, pair["interval"])
        print(f"  after minus before: {format_points(pair['difference'])} points ({low} to {high})", flush=True)
        subprocess.run(
            [sys.executable, "-m", "core", "shutdown"],
            cwd=PROJECT_ROOT, env={**os.environ, "TUNEMYPETS_HOME": str(home)}, check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--share", type=float, default=0.08)
    parser.add_argument("--backbone", default="petnet")
    parser.add_argument("--model", default="petnet")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0, help="Which labels are flipped.")
    options = parser.parse_args()
    for folder in options.folders:
        try_folder(folder, options)


if __name__ == "__main__":
    main()
