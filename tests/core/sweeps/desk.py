"""A sweep without trainings: its trials' runs end when a test says so."""

import dataclasses
from dataclasses import dataclass
from typing import Any

from core.config.events import EpochDone
from core.config.sweep_plan import SweepPlan, parse_space, plan_sweep
from core.config.train_config import TrainConfig
from core.runs.reader import RunReader
from core.runs.run import Run, RunState
from core.runs.run_files import BEST_SIDECAR, BEST_WEIGHTS, STARTED
from core.runs.run_store import RunStore
from core.settings import Settings
from core.storage import write_json
from core.sweeps.sweep import Sweep, read_sweep
from core.sweeps.sweep_store import SweepFolder, SweepStore
from core.sweeps.sweeper import Conductor
from tests.support.finished_runs import log
from tests.support.small_runs import SMALL_SCRATCH

BASE = TrainConfig.model_validate(SMALL_SCRATCH)


@dataclass
class SweepDesk:
    """A sweep and who leads it."""

    settings: Settings
    folder: SweepFolder
    conductor: Conductor

    def step(self) -> bool:
        return self.conductor.step()

    def restart(self) -> None:
        """Another process takes over."""
        self.conductor = Conductor(self.settings, self.folder, RunReader(self.settings))

    def read(self) -> Sweep:
        return read_sweep(self.folder)

    def runs(self) -> list[Run]:
        """Of its trials, oldest first."""
        return [run for run in reversed(RunStore(self.settings).all()) if run.meta().sweep == self.folder.id]

    def waiting(self) -> list[Run]:
        return [run for run in self.runs() if run.state() is RunState.QUEUED]


def make_plan(*space: str, base: TrainConfig = BASE, **options: Any) -> SweepPlan:
    return plan_sweep(base, parse_space(space or ("dropout=0..0.5",), base), **{"trials": 4, **options})


def begin(settings: Settings, plan: SweepPlan) -> SweepDesk:
    folder = SweepStore(settings).create(plan)
    alone = dataclasses.replace(settings, workers=1)
    return SweepDesk(alone, folder, Conductor(alone, folder, RunReader(settings)))


def end_run(run: Run, *accuracies: float, state: RunState = RunState.FINISHED) -> None:
    """End a run, with the validation accuracies of its epochs."""
    train(run, *accuracies)
    text = run.stop_reason or "Ended."
    run.write_result(state, text, 2.0)


def train(run: Run, *accuracies: float) -> None:
    """Leave what a worker leaves after these epochs."""
    best = max(accuracies, default=0.0)
    write_json(run.folder / STARTED, {"pid": 0, "time": 1.0})
    log(
        run,
        [
            EpochDone(place, "all", 1.0, 0.5, 1.0 - value, value, 1e-3, 1.0, float(place), place, 1.0, value == best)
            for place, value in enumerate(accuracies, start=1)
        ],
    )
    run.checkpoints.mkdir(exist_ok=True)
    for name in (BEST_SIDECAR, BEST_WEIGHTS):
        (run.checkpoints / name).write_bytes(b"{}")
