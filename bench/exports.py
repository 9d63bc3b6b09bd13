"""Every network in every format: whether the file answers as the network does, how large and fast it is, what it costs.

    TORCH_HOME=… python -m bench.exports FOLDER [--networks petnet mobilenet_v2] [--formats pytorch onnx]

FOLDER holds one folder of photographs per class. Each network is trained for one epoch (its head, or all of it where
its pretrained weights are not on this machine) with `python -m core`, and exported as people do. Prints JSON:
per network and format the manifest's figures, or the sentence with which it is refused.
"""

import argparse
import json
import sys
from typing import Any

from bench.jobs import command, imported
from core.errors import TuneMyPetsError
from core.export.exports import wait_for_export
from core.export.formats import FORMATS
from core.steps import run_step
from models import weights
from models.catalog import CATALOG
from tests.support.processes import end_processes


def main() -> None:
    """Train, export, and print."""
    parser = argparse.ArgumentParser(description="Every network in every format.")
    parser.add_argument("folder")
    parser.add_argument("--networks", nargs="+", choices=CATALOG, default=list(CATALOG))
    parser.add_argument("--formats", nargs="+", choices=FORMATS, default=list(FORMATS))
    options = parser.parse_args()
    table: dict[str, dict[str, Any]] = {}
    with imported(options.folder) as job:
        for name in options.networks:
            strategy = "head" if CATALOG[name].weights is not None and weights.find(CATALOG[name]) else "scratch"
            words = ["--model", name, "--strategy", strategy, "--epochs", "1", "--json"]
            result, _ = command(job.settings, "core", "train", job.dataset, *words)
            row = table.setdefault(name, {"strategy": strategy, "test_accuracy": round(result["test_accuracy"], 4)})
            for kind in options.formats:
                try:
                    row[kind] = run_step(wait_for_export(job.settings, result["run"], kind)).to_json()
                except TuneMyPetsError as error:
                    row[kind] = str(error)
                print(name, kind, row[kind], file=sys.stderr, flush=True)
            end_processes(job.settings.home)
    print(json.dumps(table, indent=1))


if __name__ == "__main__":
    main()
