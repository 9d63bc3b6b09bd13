"""Names of networks that are shown together."""

import pytest

from core.config.arm_names import describe_arm, name_arms, name_configs
from core.config.train_config import TrainConfig

SCRATCH = TrainConfig(dataset="d").variant(model="scratch_cnn", strategy="scratch")
HEAD = TrainConfig(dataset="d").variant(model="petnet", strategy="head")
FULL = HEAD.variant(strategy="full")
RESNET = HEAD.variant(model="resnet18")


@pytest.mark.parametrize(
    ("configs", "names"),
    [
        ([SCRATCH, HEAD], ["Scratch", "Transfer"]),
        ([SCRATCH, HEAD, FULL], ["Scratch", "Transfer (head)", "Transfer (full)"]),
        ([HEAD, RESNET], ["Transfer (PetNet, head)", "Transfer (ResNet-18, head)"]),
        ([HEAD, HEAD.variant(seed=1)], ["Transfer (PetNet, head, seed 0)", "Transfer (PetNet, head, seed 1)"]),
        (
            [SCRATCH, RESNET.variant(strategy="scratch")],
            ["Scratch (small CNN)", "Scratch (ResNet-18)"],
        ),
    ],
)
def test_names_are_as_short_as_they_can_be(configs, names):
    assert name_configs(configs) == names


def test_equal_settings_still_get_different_names():
    first, second, third = name_configs([HEAD, HEAD.variant(epochs=9), HEAD])

    assert len({first, second, third}) == 3
    assert second.endswith("run 2")


def test_an_arm_without_runs_keeps_the_name_of_its_plan():
    assert name_arms({"scratch": None, "head": HEAD}) == {"scratch": "Scratch", "head": "Transfer"}


def test_arms_with_names_of_their_own_keep_them():
    assert name_arms({"small": SCRATCH, "large": HEAD}) == {"small": "small", "large": "large"}


def test_the_details_name_network_and_strategy():
    assert (describe_arm(SCRATCH), describe_arm(FULL)) == ("small CNN", "PetNet, full")


def test_arms_with_equal_networks_are_shown_by_the_names_of_the_plan():
    assert name_arms({"scratch": SCRATCH, "transfer": SCRATCH}) == {"scratch": "Scratch", "transfer": "Transfer"}
