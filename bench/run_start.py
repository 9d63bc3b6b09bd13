"""From queueing a run to its first event: how long a person waits until "Preparing" is there.

    python -m bench.run_start [--rounds 5]

Cold: no process of the data root lives, and the scheduler starts too. Warm: the scheduler lives, and another run has
just ended. The training is the smallest one, in a data root of its own. Prints medians in seconds, and all figures.
"""

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

from core.config.events import PhaseStarted
from core.config.train_config import TrainConfig
from core.runs.run_store import RunStore
from core.scheduling.scheduler import ensure_scheduler
from core.settings import Settings
from tests.support.drawn_dataset import import_drawn
from tests.support.processes import end_processes, wait_for
from tests.support.small_runs import SMALL_SCRATCH


def seconds_to_first_event(settings: Settings) -> float:
    """Queue a run, wait for its end; the seconds until its first event."""
    run = RunStore(settings).create(TrainConfig.model_validate({**SMALL_SCRATCH, "epochs": 1}))
    queued = time.time()
    ensure_scheduler(settings)
    wait_for(lambda: not run.state().active)
    moment, event = run.history().messages[0]
    assert isinstance(event, PhaseStarted), event
    return moment - queued


def main() -> None:
    """Measure cold and warm in turn, and print JSON."""
    parser = argparse.ArgumentParser(description="Time from queueing a run to its first event.")
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    cold, warm = [], []
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings.from_environment({"TUNEMYPETS_HOME": str(Path(folder) / "workspace")})
        import_drawn(settings)
        try:
            for _ in range(rounds + 1):  # the first round warms the disk's cache and is not counted
                cold.append(seconds_to_first_event(settings))
                warm.append(seconds_to_first_event(settings))
                end_processes(settings.home)
        finally:
            end_processes(settings.home)
    print(
        json.dumps(
            {
                "cold_seconds": round(statistics.median(cold[1:]), 2),
                "warm_seconds": round(statistics.median(warm[1:]), 2),
                "cold": [round(value, 2) for value in cold[1:]],
                "warm": [round(value, 2) for value in warm[1:]],
            }
        )
    )


if __name__ == "__main__":
    main()
