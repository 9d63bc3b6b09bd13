"""A learning curve of a head, all points in one run, against the same points as runs of their own.

    TORCH_HOME=… python -m bench.learning_curve FOLDER [--seeds 3] [--apart 27]

FOLDER holds one folder of photographs per class. A head on a frozen MobileNetV2, five epochs; sizes 1, 2, 5 … all. One
curve comes first, so that pixels and activations are there; then the curve is run again, and after it every point of it
alone, through the same queue (with `--apart`, only that many of them, spread over all, and scaled up). Seconds of the
runs as their pages show them; beside it the whole command, from the start of its process to its end. Prints JSON.
"""

import argparse
import json
import time
from typing import Any

from bench.jobs import Job, command, imported
from core.config.train_config import TrainConfig
from core.races.learning_curve import start_curve
from core.runs.run import Run
from core.runs.run_store import Arm, RunStore
from core.scheduling.scheduler import ensure_scheduler

MODEL = "mobilenet_v2"


def seconds_of(run: Run) -> float:
    """What a finished run took."""
    result = run.result()
    assert result is not None, run.id
    assert result.seconds is not None, result.text
    return result.seconds


def trained_apart(job: Job, config: TrainConfig, points: list[tuple[int, int]]) -> list[Run]:
    """Every point as a curve of its own, one after the other."""
    runs = []
    for size, seed in points:
        _, (run,) = start_curve(job.settings, [Arm("head", config)], seeds=(seed,), sizes=(size,))
        ensure_scheduler(job.settings)
        while run.state().active:
            time.sleep(0.02)
        runs.append(run)
    return runs


def main() -> None:
    """Measure, and print JSON."""
    parser = argparse.ArgumentParser(description="A cached learning curve against its points as separate runs.")
    parser.add_argument("folder")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--apart", type=int, default=27, help="how many of the points are trained apart")
    options = parser.parse_args()
    with imported(options.folder) as job:
        words = ["core", "learning-curve", job.dataset, "--arms", "head", "--model", MODEL, "--json"]
        words += ["--seeds", str(options.seeds)]
        cold, cold_seconds = command(job.settings, *words)
        warm, warm_seconds = command(job.settings, *words)
        store = RunStore(job.settings)
        points = [(size, seed) for seed in warm["seeds"] for size in warm["sizes"]]
        step = max(1, len(points) // options.apart)
        chosen = points[::step]
        config = TrainConfig(dataset=job.dataset, model=MODEL)
        started = time.perf_counter()
        apart = trained_apart(job, config, chosen)
        waited = (time.perf_counter() - started) * len(points) / len(chosen)
        together = seconds_of(store.get(warm["arms"][0]["run"]))
        separate = sum(seconds_of(run) for run in apart) * len(points) / len(chosen)
        same = {
            (point.pictures_per_class, point.seed): point.right
            for point in store.get(warm["arms"][0]["run"]).history().points
        }
        for run in apart:
            for point in run.history().points:
                assert same[point.pictures_per_class, point.seed] == point.right, "another result"
        report: dict[str, Any] = {
            "pictures": job.pictures,
            "points": len(points),
            "cold_run_s": round(seconds_of(store.get(cold["arms"][0]["run"])), 2),
            "cold_command_s": round(cold_seconds, 2),
            "curve_run_s": round(together, 2),
            "curve_command_s": round(warm_seconds, 2),
            "trained_apart": len(chosen),
            "apart_runs_s": round(separate, 2),
            "apart_waited_s": round(waited, 2),
            "apart_by_curve": round(separate / together, 1),
            "waited_by_command": round(waited / warm_seconds, 1),
            "sentence": warm["sentence"],
        }
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
