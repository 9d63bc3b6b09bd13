"""Scratch against transfer on a folder of photographs, through the command line, start to verdict.

    python -m bench.reference_race FOLDER [--epochs 5] [--scratch-epochs 15] [--repeat]

Prints the test accuracies with their intervals, the seconds of each run, and the paired verdict; `--repeat` trains the
transfer arm twice and says whether every metric is the same to the last digit. TORCH_HOME names pretrained weights.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from typing import Any

from core.settings import PROJECT_ROOT


def command(home: str, *arguments: str) -> Any:
    """Run `python -m core … --json` and return its value."""
    done = subprocess.run(
        [sys.executable, "-m", "core", *arguments, "--json"],
        cwd=PROJECT_ROOT,
        env={**os.environ, "TUNEMYPETS_HOME": home},
        stdout=subprocess.PIPE,
        check=True,
    )
    return json.loads(done.stdout)


def main() -> None:
    """Import, train, compare, print."""
    parser = argparse.ArgumentParser(description="Scratch against transfer on a folder of photographs.")
    parser.add_argument("folder")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--scratch-epochs", type=int, default=15)
    parser.add_argument("--repeat", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        data = command(home, "import", options.folder, "--name", "photos")
        transfer_options = ["--model", "mobilenet_v2", "--strategy", "head", "--epochs", str(options.epochs)]
        transfer = command(home, "train", "photos", *transfer_options, "--seed", "0")
        scratch_options = ["--model", "scratch_cnn", "--strategy", "scratch", "--epochs", str(options.scratch_epochs)]
        scratch = command(home, "train", "photos", *scratch_options, "--seed", "0")
        found = command(home, "compare", scratch["run"], transfer["run"])
        report: dict[str, Any] = {"images": data["images"], "splits": data["splits"], "verdict": found["verdict"]}
        for name, run in (("transfer", transfer), ("scratch", scratch)):
            keys = ("epochs", "test_accuracy", "test_interval", "test_images", "seconds")
            report[name] = {key: run[key] for key in keys}
        if options.repeat:
            again = command(home, "train", "photos", *transfer_options, "--seed", "0")
            report["repeat_is_equal_to_the_last_digit"] = _metrics(home, again) == _metrics(home, transfer)
    print(json.dumps(report, indent=1))


def _metrics(home: str, run: dict[str, Any]) -> list[Any]:
    shown = command(home, "show", run["run"])
    names = ("train_loss", "train_accuracy", "val_loss", "val_accuracy")
    return [shown["test_accuracy"], shown["test_loss"], [[epoch[name] for name in names] for epoch in shown["history"]]]


if __name__ == "__main__":
    main()
