"""Runs that belong together: the arms of a race, and a test that comes later."""

from typing import Any

from core.actor import OPERATOR, Actor
from core.config.train_config import BACKBONE_FACTOR, TrainConfig
from core.errors import RunError
from core.jobs.launchers import start_detached
from core.runs.run import Run
from core.runs.run_store import Arm, RunStore
from core.settings import Settings
from models.weights import default_network


def default_race(chosen: TrainConfig) -> list[Arm]:
    """The two arms of a race: what was chosen, and a network from scratch under the same budget.

    Where a scratch network was chosen itself, the transfer arm is the default pretrained network.

    Raises:
        ConfigError: if the other network does not go with the choice.
    """
    of_an_arm: dict[str, Any] = {"freeze_point": None, "head_epochs": None, "backbone_factor": BACKBONE_FACTOR}
    if chosen.strategy == "scratch":
        scratch, transfer = chosen, chosen.variant(model=default_network(), strategy="head", **of_an_arm)
    else:
        scratch, transfer = chosen.variant(model="scratch_cnn", strategy="scratch", **of_an_arm), chosen
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
