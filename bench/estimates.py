"""Estimated and measured time of trainings.

    TORCH_HOME=… python -m bench.estimates FOLDER [--jobs A B C D]

FOLDER holds one folder of photographs per class. Jobs as in bench.head_job and bench.training_jobs, each estimated by
`python -m core estimate` (which measures a network that is new) and then run; seconds of the run as its page shows
them, from its first moment to its test result. B follows A, with the stores filled. Prints JSON.
"""

import argparse
import json
import shutil

from bench.jobs import command, imported
from bench.training_jobs import JOBS
from core.runs.run_store import RunStore

HEAD = ["--model", "mobilenet_v2", "--strategy", "head", "--epochs", "5"]
ALL = {"A": HEAD, "B": [*HEAD, "--seed", "1"], **JOBS}


def main() -> None:
    """Estimate and run every job, and print JSON."""
    parser = argparse.ArgumentParser(description="Estimates against what a training takes.")
    parser.add_argument("folder")
    parser.add_argument("--jobs", nargs="+", choices=ALL, default=list(ALL))
    options = parser.parse_args()
    report = {}
    with imported(options.folder) as job:
        for name in options.jobs:
            if name != "B":
                shutil.rmtree(job.settings.cache_dir, ignore_errors=True)
            estimated, _ = command(job.settings, "core", "estimate", job.dataset, *ALL[name], "--json")
            result, _ = command(job.settings, "core", "train", job.dataset, *ALL[name], "--json")
            ended = RunStore(job.settings).get(result["run"]).result()
            assert ended is not None
            assert ended.seconds is not None
            report[name] = {
                "estimated_s": estimated["seconds"],
                "taken_s": round(ended.seconds, 2),
                "taken_by_estimated": round(ended.seconds / estimated["seconds"], 2),
                "parts": estimated["parts"],
            }
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
