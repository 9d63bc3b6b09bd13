"""Advice: one thing to try, in words and as fields of a TrainConfig.

Applied to the configuration that they are for, the fields make a valid one. And advice never leads back: epochs,
budgets and patience only grow; flips are turned on only where mirrored pictures have been tried; strategies change from
scratch, partial and full to head, from there to gradual and no further; the learning rate moves toward the usual one.
Tests try all of it.
"""

from typing import Any

from core.coach.run_facts import RunFacts
from core.config.train_config import TrainConfig
from core.formatting import format_number
from models.weights import default_network

Advice = tuple[str, dict[str, Any]]  # a sentence, and the fields with the values to try
MAX_EPOCHS = 1000
MAX_SECONDS = 1e6
MAX_IMAGES = 10**9
LONGER = 2  # times as much
PATIENCE = 3  # epochs
DECAY = 0.01
FAR = 3.0  # times the usual rate: up to there a rate is not called too high
LOWEST = 0.2  # of the usual rate: further down a rate would soon be called too low
FINDER = TrainConfig.model_fields["find_rate"].title


def lower_rate(facts: RunFacts, why: str) -> Advice:
    """The usual rate, or a tenth of the one used where that is lower."""
    rate = facts.rate or facts.usual_rate
    better = tidy_rate(min(facts.usual_rate, rate / 10))
    text = f"Try the learning rate {format_number(better, 2)} instead of {format_number(rate, 2)}: {why}."
    return text, _with_rate(better)


def calm_down(facts: RunFacts) -> Advice:
    """What to try after a divergence: a lower rate, as long as it is not so low that it would be blamed for that."""
    rate = facts.rate or facts.usual_rate
    if rate > FAR * facts.usual_rate:
        return lower_rate(facts, "every step overshot further than the one before")
    better = tidy_rate(rate / 2)
    if better >= LOWEST * facts.usual_rate:
        text = f"Try the learning rate {format_number(better, 2)} instead of {format_number(rate, 2)}: smaller steps."
        return text, _with_rate(better)
    if not facts.config.gradient_clip:
        return "Turn on gradient clipping: no single step can then be huge.", {"gradient_clip": 1.0}
    return "The rate is low already: look for damaged or very unusual pictures, and try another network.", {}


def raise_rate(facts: RunFacts) -> Advice:
    """The usual rate."""
    usual, rate = tidy_rate(facts.usual_rate), facts.rate or 0.0
    return f"Try the learning rate {format_number(usual, 2)} instead of {format_number(rate, 2)}.", _with_rate(usual)


def other_rate(config: TrainConfig) -> Advice:
    """A rate that is searched for, unless a rate was chosen or searched for already."""
    if config.find_rate or config.learning_rate is not None:
        return "Look at its curves, and at pictures of each class: does what differs show in them?", {}
    return f"Turn on “{FINDER}”: with this learning rate nothing is learned.", {"find_rate": True}


def tidy_rate(rate: float) -> float:
    """A rate with one significant digit: 0.00316 -> 0.003."""
    return float(f"{rate:.0e}")


def train_longer(config: TrainConfig, done: int, at_least: int = 2) -> Advice:
    """Twice as much of what ended the training.

    Args:
        done: epochs that were completed.
    """
    if done < config.epochs and config.max_seconds is not None:
        return _more("max_seconds", config.max_seconds, MAX_SECONDS, "seconds of training")
    if done < config.epochs and config.max_images is not None:
        return _more("max_images", config.max_images, MAX_IMAGES, "pictures seen")
    if done < config.epochs and config.patience:
        return _more("patience", config.patience, MAX_EPOCHS, "epochs of patience")
    if done < config.epochs:
        return f"Train it again for all {config.epochs} epochs: this run ended after {done}.", {}
    return _more("epochs", config.epochs, MAX_EPOCHS, "epochs", at_least)


def _more(field: str, used: float, most: float, unit: str, at_least: int = 0) -> Advice:
    """Twice as much of something, as far as that is allowed."""
    more = min(max(LONGER * used, at_least), most)
    if more <= used:
        return "Add training pictures: training even longer is rarely worth the time.", {}
    value = more if field == "max_seconds" else round(more)
    return f"Try {more:,g} {unit} instead of {used:,g}.", {field: value}


def end_early(config: TrainConfig) -> Advice:
    """Patience, where the last epochs gain nothing; never fewer epochs, which end the schedule elsewhere."""
    if config.patience:
        return "The weights of the best epoch were kept: nothing is lost but time.", {}
    return (
        f"Try a patience of {PATIENCE} epochs: training then ends when nothing improves.",
        {"patience": PATIENCE},
    )


def counter_overfitting(facts: RunFacts) -> Advice:
    """What makes memorising harder."""
    config = facts.config
    crops: dict[str, Any] = {} if config.augment_crop else {"augment_crop": True}
    if not config.augment_strength:
        crops = {"augment_crop": True, "augment_strength": 0.5}
    # flips may have been turned off for a reason: they erase what distinguishes left from right
    flips = {} if config.augment_flip or not facts.mirroring_is_harmless else {"augment_flip": True}
    if crops or flips:
        what = " and ".join(word for word, fields in (("crops", crops), ("flips", flips)) if fields)
        return f"Turn on random {what}: then no epoch shows exactly the same picture again.", {**crops, **flips}
    if config.strategy == "scratch":
        change = _with_transfer(config)
        return (
            f"Start from pretrained weights ({change['model']}, head only): with far fewer trainable parameters it can "
            "memorise less.",
            change,
        )
    if config.strategy in ("partial", "full"):
        return (
            "Try the strategy head: with the backbone frozen it has far fewer trainable parameters to memorise with.",
            {**_to_head(config), "freeze_point": None, "head_epochs": None, "learning_rate": None},
        )
    if config.weight_decay >= DECAY:
        return "Add training pictures: nothing else helps as much.", {}
    change = {"weight_decay": DECAY} | ({"optimizer": "adamw"} if config.optimizer == "adam" else {})
    return f"Add training pictures; a weight decay of {DECAY} helps a little, too.", change


def counter_underfitting(config: TrainConfig) -> Advice:
    """What helps a network to fit its training pictures."""
    if config.strategy == "scratch":
        change = _with_transfer(config)
        return (
            f"Start from pretrained weights ({change['model']}): they were trained on many more pictures than yours.",
            change,
        )
    if config.strategy == "head":
        return (
            "Try the strategy gradual: after the head it trains the backbone too, which can then fit these pictures.",
            {"strategy": "gradual", "epochs": max(2, config.epochs), "learning_rate": None},
        )
    return _more("epochs", config.epochs, MAX_EPOCHS, "epochs")


def _with_rate(rate: float) -> dict[str, Any]:
    return {"learning_rate": rate, "find_rate": False}


def _to_head(config: TrainConfig) -> dict[str, Any]:
    return {"strategy": "head"} | ({"workers": 1} if config.workers > 1 else {})  # a head has one


def _with_transfer(config: TrainConfig) -> dict[str, Any]:
    network = default_network() if config.model == "scratch_cnn" else config.model
    return {
        "model": network, **_to_head(config), "freeze_point": None, "head_epochs": None, "learning_rate": None,
    }  # fmt: skip
