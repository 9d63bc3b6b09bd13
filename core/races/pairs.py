"""Runs that belong together: the arms of a race, and a test that comes later."""

from collections.abc import Mapping
from typing import Any

from core.actor import OPERATOR, Actor
from core.config.parsing import parse_config
from core.errors import RunError
from core.jobs.launchers import start_detached
from core.runs.run import Run
from core.runs.run_store import Arm, RunStore
from core.settings import Settings
from models.weights import default_network


def default_race(values: Mapping[str, Any]) -> list[Arm]:
    """The two arms of a race: what was chosen, and a network from scratch under the same budget.

    Where a scratch network was chosen itself, the transfer arm is the default pretrained network.

    Raises:
        ConfigError: one sentence for each field that is wrong.
    """
    chosen = parse_config(values)
    shared = {
        name: value
        for name, value in chosen.model_dump().items()
        if name not in ("model", "strategy", "freeze_point", "head_epochs", "backbone_factor")
    }
    if chosen.strategy == "scratch":
        scratch = chosen
        transfer = parse_config({**shared, "model": default_network(), "strategy": "head"})
    else:
        scratch = parse_config({**shared, "model": "scratch_cnn", "strategy": "scratch"})
        transfer = chosen
    return [Arm("scratch", scratch), Arm("transfer", transfer)]


def start_judging(settings: Settings, run_id: str, *, by: Actor = OPERATOR) -> Run:
    """Start the test of a stopped or interrupted run in the background.

    Raises:
        RightsError: if the run belongs to somebody else.
        RunError: if the run is active, was tested already, or has no weights.
    """
    run = RunStore(settings).get(run_id)
    by.check_may_change(run.meta().owner, f"Run {run.id}")
    if run.state().active:
        raise RunError(f"Run {run.id} is {run.state().value}: it is tested when it ends.")
    if (run.folder / "predictions.csv").exists():
        raise RunError(f"Run {run.id} was tested already: the test split is opened once per run.")
    if not run.has_weights:
        raise RunError(f"Run {run.id} has no saved weights to test: train it again.")
    start_detached(settings, "core.jobs.worker", [str(run.folder), "--judge"], run.folder / "worker.log")
    return run
