"""A sweep under `kill -9`: processes and the server of the pages are killed at random moments, then trials are counted.

    python -m bench.killed_sweep [--kills 50] [--trials 14] [--epochs 40] [--seconds 600] [--seed 0]

Scheduler, sweeper, preloader, worker and server are equally likely, 0.2 to 1.2 s after the last one was up again. A
browser tab watches the sweep, and what it asks for is all that revives what was killed. Nothing is killed after so many
seconds. Prints JSON: kills by kind; trials that the sweep reports, against runs; what was lost or doubled; what
`python -m core fsck` finds; and tracebacks in the logs.
"""

import argparse
import dataclasses
import json
import os
import sys
import tempfile
import time
from pathlib import Path

from core.config.sweep_plan import parse_space, plan_sweep
from core.config.train_config import TrainConfig
from core.maintenance.check import check
from core.runs.run_store import RunStore
from core.settings import Settings
from core.sweeps.sweep import read_sweep
from core.sweeps.sweep_store import SweepStore
from tests.support.drawn_dataset import import_drawn
from tests.support.processes import end_processes
from tests.support.random_kills import check_books, kill_at_random
from tests.support.server import Server
from tests.support.small_runs import SMALL_SCRATCH

END_SECONDS = 900.0  # in which the sweep has to end
RACE_SECONDS = 300.0  # and then its race


def main() -> int:
    """Sweep, kill, count, and print."""
    parser = argparse.ArgumentParser(description="A sweep under kill -9.")
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--trials", type=int, default=14)
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        os.environ["TUNEMYPETS_HOME"] = str(Path(name) / "workspace")
        settings = Settings.from_environment()
        import_drawn(settings)
        base = TrainConfig.model_validate({**SMALL_SCRATCH, "epochs": options.epochs})
        plan = plan_sweep(base, parse_space(("dropout=0..0.5",), base), trials=options.trials, pruner="none")
        folder, server = SweepStore(settings).create(plan), Server(settings)
        server.start()
        began = time.monotonic()
        try:
            killed = kill_at_random(
                settings, folder, options.kills, within_seconds=options.seconds, end_seconds=END_SECONDS,
                server=server, seed=options.seed,
            )  # fmt: skip
            seconds = time.monotonic() - began
            runs = [run for race in folder.races() for run in RunStore(settings).race(race.race)]
            while any(run.state().active for run in runs) and time.monotonic() - began < seconds + RACE_SECONDS:
                time.sleep(0.2)
        finally:
            server.kill()
            end_processes(settings.home)
        found = read_sweep(folder)
        report = {
            "kills": dict(killed), "in_all": killed.total(), "seconds": round(seconds, 1), "state": found.state,
            "asked": options.trials, "counted": found.counted, **dataclasses.asdict(check_books(settings, folder)),
            "race": sorted(run.state().value for run in runs),
            "fsck": [f"{item.thing}: {item.text}" for item in check(settings)],
            "tracebacks": _tracebacks(Path(name)),
        }  # fmt: skip
    print(json.dumps(report, indent=1))
    return 0


def _tracebacks(folder: Path) -> list[str]:
    """The last line of each traceback in the logs, which a killed process does not write."""
    found = []
    for path in sorted(folder.rglob("*.log")):
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        starts = [place for place, line in enumerate(lines) if line.startswith("Traceback")]
        for place in starts:
            end = next((line for line in lines[place + 1 :] if not line.startswith(" ")), "")
            found.append(f"{path.name}: {end}")
    return found


if __name__ == "__main__":
    sys.exit(main())
