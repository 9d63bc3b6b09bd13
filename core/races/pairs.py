"""The two arms of a plain race."""

from typing import Any

from core.config.train_config import BACKBONE_FACTOR, TrainConfig
from core.runs.run_store import Arm
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
