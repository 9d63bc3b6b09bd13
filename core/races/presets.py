"""Presets of arms, and the plan of a race: arms, seeds and budget."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from core.config.race_plan import MAX_ARMS, MAX_SEEDS, MAX_TITLE, PAIR, Budget, RacePlan
from core.config.strategies import STRATEGIES
from core.config.train_config import BACKBONE_FACTOR, TrainConfig
from core.errors import ConfigError
from core.runs.run_store import Arm
from models.weights import default_network

RANDOM_INIT = "random-init"
PRESETS: Mapping[str, tuple[str, str]] = {  # title, explanation
    **STRATEGIES,
    RANDOM_INIT: (
        "Same network, random weights",
        "The pretrained network without its weights: shows what they contribute, apart from the network's size.",
    ),
}
DEFAULT_ARMS = ("scratch", "head")
REVISIONS = ("Before", "After")  # arms on two revisions of a dataset
Views = Literal["own", "same", "none"]
VIEWS: Mapping[Views, tuple[str, str]] = {  # title, explanation
    "own": (
        "Each its own",
        "Fastest: a frozen part sees each picture once, without random crops and flips, or in a few stored views.",
    ),
    "same": (
        "Same for all",
        "The same random crops and flips for every arm; a frozen part computes every picture again in every epoch.",
    ),
    "none": ("None", "No random changes for any arm: every picture as it is."),
}  # what the arms of a race see of the pictures
MAX_EPOCHS = 1000  # where a budget other than epochs ends the training


def share_views(chosen: TrainConfig, views: Views) -> TrainConfig:
    """The configuration whose arms see the pictures in this way."""
    if views == "same":
        return chosen.variant(stored_views=0)
    if views == "none":
        return chosen.variant(augment_crop=False, augment_flip=False, augment_colour=False)
    return chosen


def make_arms(chosen: TrainConfig, names: Sequence[str], budget: Budget, amount: float, seed: int) -> list[Arm]:
    """One arm for each name: the chosen configuration with the arm's strategy, under the same budget.

    The arm `scratch` is the small CNN of the form, from random weights; all others are the chosen pretrained network,
    or the default one where none was chosen, and `random-init` leaves its weights out.

    Args:
        chosen: what an arm or the budget decides (model, strategy, epochs and so on) is replaced.
        names: keys of PRESETS.
    Raises:
        ConfigError: one sentence for each field that is wrong.
    """
    unknown = [name for name in names if name not in PRESETS]
    if unknown:
        raise ConfigError({"arms": f"There is no arm {unknown[0]!r}: choose among {', '.join(PRESETS)}."})
    pretrained = default_network() if chosen.model == "scratch_cnn" else chosen.model
    arms = []
    for name in names:
        strategy = "scratch" if name == RANDOM_INIT else name
        config = chosen.variant(
            model="scratch_cnn" if name == "scratch" else pretrained,
            strategy=strategy,
            freeze_point=chosen.freeze_point if strategy == chosen.strategy else None,
            head_epochs=None,
            workers=1 if strategy == "head" else chosen.workers,
            backbone_factor=BACKBONE_FACTOR if strategy == "scratch" else chosen.backbone_factor,
            seed=seed,
            **_limits(budget, amount),
        )
        arms.append(Arm(name, config))
    return arms


def plan_race(
    chosen: TrainConfig,
    names: Sequence[str],
    *,
    seeds: int = 1,
    budget: Budget = "epochs",
    amount: float | None = None,
    title: str = "",
) -> tuple[RacePlan, list[Arm]]:
    """A race: every arm with every seed, seed by seed, so that the arms take turns.

    Args:
        chosen: as for `make_arms`; its seed is the first one.
        amount: of the budget; None: the chosen epochs, or a minute.
    Raises:
        ConfigError: one sentence for each field that is wrong.
    """
    names = tuple(dict.fromkeys(names))
    problems = _problems(names, seeds, title)
    if problems:
        raise ConfigError(problems)
    amount = _default_amount(chosen, budget) if amount is None else amount
    numbers = tuple(range(chosen.seed, chosen.seed + seeds))
    arms = [arm for seed in numbers for arm in make_arms(chosen, names, budget, amount, seed)]
    return RacePlan("race", names, numbers, budget, float(amount), (), title.strip()), arms


def plan_revisions(chosen: TrainConfig, before: str, after: str, *, seeds: int = 1) -> tuple[RacePlan, list[Arm]]:
    """A race of the same training on two revisions of a dataset.

    Args:
        chosen: its dataset is replaced; its seed is the first one.
        before, after: ids of the datasets.
    Raises:
        ConfigError: one sentence for each field that is wrong.
    """
    problems = _problems(REVISIONS, seeds, "")
    if problems:
        raise ConfigError(problems)
    numbers = tuple(range(chosen.seed, chosen.seed + seeds))
    arms = [
        Arm(name, chosen.variant(dataset=dataset, seed=seed))
        for seed in numbers for name, dataset in zip(REVISIONS, (before, after), strict=True)
    ]  # fmt: skip
    budget, amount = budget_of(chosen)
    return RacePlan("race", REVISIONS, numbers, budget, amount), arms


def plan_pair(chosen: TrainConfig) -> tuple[RacePlan, list[Arm]]:
    """The plain race of two arms: the chosen configuration, and a network from scratch under the same budget.

    Where the chosen one trains from scratch itself, the transfer arm is the default pretrained network.

    Raises:
        ConfigError: if the other network does not fit the choice.
    """
    of_an_arm: dict[str, Any] = {"freeze_point": None, "head_epochs": None, "backbone_factor": BACKBONE_FACTOR}
    if chosen.strategy == "scratch":
        scratch, transfer = chosen, chosen.variant(model=default_network(), strategy="head", workers=1, **of_an_arm)
    else:
        scratch, transfer = chosen.variant(model="scratch_cnn", strategy="scratch", **of_an_arm), chosen
    arms = [Arm(name, config) for name, config in zip(PAIR, (scratch, transfer), strict=True)]
    budget, amount = budget_of(chosen)
    return RacePlan("race", PAIR, (chosen.seed,), budget, amount), arms


def budget_of(config: TrainConfig) -> tuple[Budget, float]:
    """What ends a training, and after how much."""
    if config.max_seconds is not None:
        return "seconds", config.max_seconds
    return ("images", config.max_images) if config.max_images is not None else ("epochs", config.epochs)


def _problems(names: Sequence[str], seeds: int, title: str) -> dict[str, str]:
    problems = {}
    if not 2 <= len(names) <= MAX_ARMS:
        problems["arms"] = f"A race has 2 to {MAX_ARMS} arms, and {len(names)} were chosen: add or remove some."
    if not 1 <= seeds <= MAX_SEEDS:
        problems["seeds"] = f"seeds is {seeds}: choose 1 to {MAX_SEEDS}."
    if len(title.strip()) > MAX_TITLE:
        problems["title"] = f"The title is too long: use at most {MAX_TITLE} letters."
    return problems


def _default_amount(chosen: TrainConfig, budget: Budget) -> float:
    if budget == "seconds":
        return 60.0
    if budget == "images":
        raise ConfigError(
            {"amount": "The amount is missing: give the pictures that each arm may see, for example 4000."}
        )
    return float(chosen.epochs)


def _limits(budget: Budget, amount: float) -> dict[str, Any]:
    """The fields that end a training after the same amount for every arm.

    Raises:
        ConfigError: if the budget or the amount is impossible.
    """
    if budget not in ("epochs", "images", "seconds"):
        raise ConfigError({"budget": f"{budget!r} is not a budget: choose epochs, images or seconds."})
    if budget != "seconds" and amount != int(amount):
        raise ConfigError({"amount": f"The amount is {amount:g}: choose a whole number of {budget}."})
    if budget == "epochs":
        return {"epochs": int(amount), "max_images": None, "max_seconds": None}
    if budget == "images":
        return {"epochs": MAX_EPOCHS, "max_images": int(amount), "max_seconds": None}
    return {"epochs": MAX_EPOCHS, "max_images": None, "max_seconds": amount}
