"""What a training sees of each picture: new random views in every epoch, a few stored views, or the plain one alone."""

from core.config.train_config import TrainConfig
from core.formatting import join_names

PLAIN = "one plain view of each picture"


def describe_views(config: TrainConfig) -> str:
    """What a training sees, in words: `new random crops and flips in every epoch`, `one plain view of each picture`."""
    changes = random_changes(config)
    if not changes:
        return PLAIN
    new = f"new random {join_names(changes)} in every epoch"
    if config.strategy in ("scratch", "full") or not config.views:
        return new
    stored = PLAIN
    if config.views > 1:
        stored = f"{config.views} stored views of each picture, the plain one and {config.views - 1} random"
    return stored if config.frozen_throughout else f"{stored}, and after the first stage {new}"


def random_changes(config: TrainConfig) -> list[str]:
    """The random changes that reach a training: of `crops`, `flips`, `colours`."""
    if not config.augmented:
        return []
    strong = config.augment_strength > 0
    switches = {
        "crops": config.augment_crop and strong,
        "flips": config.augment_flip,
        "colours": config.augment_colour and strong,
    }
    return [name for name, on in switches.items() if on]


def sum_up_augmentation(config: TrainConfig) -> str:
    """One line on the augmentation of a run: what it sees, and that nothing is random where that is so."""
    words = describe_views(config)
    return f"no random crops or flips ({words})" if words == PLAIN else words
