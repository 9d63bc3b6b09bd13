"""Networks on datasets, as a user trains them: accuracy on the test split, and seconds cold and warm.

    TORCH_HOME=… python -m bench.networks FOLDER [FOLDER …] [--networks petnet …] [--strategy head] [--seeds 3]

Each FOLDER holds one folder of pictures per class; all networks see the same split. Every training is
`python -m core train` with its defaults, timed from the start of its process to its end. Cold: nothing is stored,
nothing was measured. Warm: another seed afterwards; the median. Accuracy: the mean of the seeds, with the 95 %
interval that as many correct answers on these test pictures have once.
"""

import argparse
import json
import shutil
import statistics
import sys
from typing import Any

from bench.jobs import Job, command, imported
from core.statistics.metrics import wilson_interval

NETWORKS = ("petnet", "mobilenet_v2", "squeezenet1_0", "efficientnet_lite0")


def measure(job: Job, network: str, strategy: str, seeds: int) -> dict[str, Any]:
    """Train once with each seed, the first one cold."""
    shutil.rmtree(job.settings.cache_dir, ignore_errors=True)
    seconds, accuracies, count = [], [], 0
    for seed in range(seeds):
        options = ("--model", network, "--strategy", strategy, "--seed", str(seed), "--json")
        result, taken = command(job.settings, "core", "train", job.dataset, *options)
        seconds.append(taken)
        accuracies.append(result["test_accuracy"])
        count = result["test_images"]
    mean = statistics.mean(accuracies)
    interval = wilson_interval(round(mean * count), count)
    return {
        "accuracy": round(mean, 3),
        "interval": [round(interval.low, 3), round(interval.high, 3)],
        "test_images": count,
        "of_each_seed": [round(value, 3) for value in accuracies],
        "cold_seconds": round(seconds[0], 1),
        "warm_seconds": round(statistics.median(seconds[1:]), 1) if seeds > 1 else None,
    }


def main() -> None:
    """Print one line of JSON for each dataset and network, as it is known."""
    parser = argparse.ArgumentParser(description="Networks on datasets.")
    parser.add_argument("folders", nargs="+")
    parser.add_argument("--networks", nargs="*", default=list(NETWORKS))
    parser.add_argument("--strategy", default="head")
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    for folder in options.folders:
        with imported(folder) as job:
            for network in options.networks:
                found = measure(job, network, options.strategy, options.seeds)
                print(json.dumps({"dataset": folder.rstrip("/").rpartition("/")[2], "network": network, **found}))
                sys.stdout.flush()


if __name__ == "__main__":
    main()
