"""Names of networks that are compared: Scratch and Transfer, with as much detail as is needed to tell them apart."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from core.config.race_plan import PAIR
from core.config.strategies import STRATEGIES
from core.config.train_config import TrainConfig

SCRATCH, TRANSFER = "Scratch", "Transfer"
KEYS = {*STRATEGIES, *PAIR, "random-init"}  # names of arms in the plans that are made here


def name_arm(config: TrainConfig) -> str:
    """`Scratch` or `Transfer`: whether a network starts from random or from pretrained weights."""
    return SCRATCH if config.strategy == "scratch" else TRANSFER


def describe_arm(config: TrainConfig) -> str:
    """What stands small next to the name: the network, and how it is fine-tuned, such as `PetNet, head`."""
    return config.title().removesuffix(", scratch")


DETAILS: Sequence[Callable[[TrainConfig], str]] = (
    name_arm,
    lambda config: f"{name_arm(config)} ({describe_arm(config) if config.strategy == 'scratch' else config.strategy})",
    lambda config: f"{name_arm(config)} ({describe_arm(config)})",
    lambda config: f"{name_arm(config)} ({describe_arm(config)}, seed {config.seed})",
)


def name_configs(configs: Sequence[TrainConfig]) -> list[str]:
    """Different names for networks that are shown together, each as short as it can be."""
    names = [name_arm(config) for config in configs]
    for detail in DETAILS[1:]:
        counts = Counter(names)
        names = [detail(config) if counts[name] > 1 else name for name, config in zip(names, configs, strict=True)]
    seen: Counter[str] = Counter()
    for place, name in enumerate(names):
        seen[name] += 1
        if seen[name] > 1:
            names[place] = f"{name}, run {seen[name]}"
    return names


def name_arms(arms: Mapping[str, TrainConfig | None]) -> dict[str, str]:
    """The names under which the arms of a race are shown, by their names in its plan.

    Args:
        arms: name in the plan -> configuration; None where its runs were deleted: it is then shown by the plan's name,
            and so are all where a plan names its arms in its own words.
    """
    if not KEYS.issuperset(arms):
        return {arm: arm for arm in arms}
    known = {arm: config for arm, config in arms.items() if config is not None}
    names = dict(zip(known, name_configs(list(known.values())), strict=True))
    if len({describe_arm(config) for config in known.values()}) < len(known):  # details do not tell them apart
        return {arm: arm.capitalize() for arm in arms}
    return {arm: names.get(arm, arm.capitalize()) for arm in arms}
