"""Sweeps of a head: trials a minute, and whether learning from trials and pruning beat random search in equal time.

    python -m bench.sweeps FOLDER [--seconds 60] [--repetitions 5] [--trials 200]

FOLDER holds one folder of photographs per class. First a sweep of so many trials without pruning; then pairs of sweeps
for so many seconds each, TPE with the median pruner and random search without one, with another seed in each pair.
Prints JSON: seconds and trials a minute; the best validation accuracy of each, and the mean difference with its 95 %
interval (Student's t over the pairs).
"""

import argparse
import json
import statistics
import sys
import time
from typing import Any

from scipy import stats

from bench.jobs import Job, imported
from core.config.sweep_plan import SweepPlan, plan_sweep
from core.config.train_config import TrainConfig
from core.runs.run_store import RunStore
from core.sweeps.sweep import read_sweep
from core.sweeps.sweep_presets import HEAD_RECIPE, apply_preset
from core.sweeps.sweep_store import SweepStore, ensure_sweeper
from tests.support.processes import end_processes


def lead(job: Job, plan: SweepPlan) -> dict[str, Any]:
    """Run a sweep to its end, without the race of its best settings."""
    folder = SweepStore(job.settings).create(plan)
    began = time.monotonic()
    while folder.result() is None:
        ensure_sweeper(job.settings)
        time.sleep(0.2)
    seconds = time.monotonic() - began
    store = RunStore(job.settings)
    for race in folder.races():
        for run in reversed(store.race(race.race)):
            if run.state().active:
                store.request_stop(run.id)
    found = read_sweep(folder)
    return {
        "seconds": round(seconds, 1),
        "trials": found.counted,
        "a_minute": round(60 * found.counted / seconds, 1),
        "best": found.best.accuracy if found.best else None,
    }


def main() -> None:
    """Sweep, and print."""
    parser = argparse.ArgumentParser(description="Sweeps of a head.")
    parser.add_argument("folder")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--trials", type=int, default=200)
    options = parser.parse_args()
    report: dict[str, Any] = {}
    with imported(options.folder) as job:
        base, space, _ = apply_preset(HEAD_RECIPE, TrainConfig(dataset=job.dataset, model="petnet"))
        many = plan_sweep(base, space, trials=options.trials, pruner="none")
        report["many"] = lead(job, many)
        print(report["many"], file=sys.stderr, flush=True)
        differences = []
        for seed in range(options.repetitions):
            pair = {}
            for name, sampler, pruner in (("tpe", "tpe", "median"), ("random", "random", "none")):
                plan = plan_sweep(
                    base.variant(seed=seed), space, minutes=options.seconds / 60, sampler=sampler, pruner=pruner
                )
                pair[name] = lead(job, plan)
                print(seed, name, pair[name], file=sys.stderr, flush=True)
            report.setdefault("pairs", []).append(pair)
            differences.append(pair["tpe"]["best"] - pair["random"]["best"])
        end_processes(job.settings.home)
    if len(differences) > 1:
        mean, spread = statistics.mean(differences), statistics.stdev(differences)
        half = stats.t.ppf(0.975, len(differences) - 1) * spread / len(differences) ** 0.5
        report["tpe_minus_random"] = [round(100 * value, 2) for value in (mean, mean - half, mean + half)]
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
