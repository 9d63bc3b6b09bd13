"""Advice: one thing to try, in words and as fields of a TrainConfig.

Applied to the configuration that they are for, the fields make a valid one: a test tries them all.
"""

from typing import Any

from core.coach.run_facts import RunFacts
from core.config.train_config import TrainConfig
from core.formatting import format_count, format_number
from models.weights import default_network

Advice = tuple[str, dict[str, Any]]  # a sentence, and the fields with the values to try
MAX_EPOCHS = 1000
MAX_SECONDS = 1e6
MAX_IMAGES = 10**9
LONGER = 2  # times as much
FINDER = TrainConfig.model_fields["find_rate"].title


def lower_rate(facts: RunFacts, why: str) -> Advice:
    """The usual rate, or a tenth of the one used where that is lower."""
    rate = facts.rate or facts.usual_rate
    better = tidy_rate(min(facts.usual_rate, rate / 10))
    text = f"Try the learning rate {format_number(better, 2)} instead of {format_number(rate, 2)}: {why}."
    return text, _with_rate(better)


def raise_rate(facts: RunFacts) -> Advice:
    """The usual rate."""
    usual, rate = tidy_rate(facts.usual_rate), facts.rate or 0.0
    return f"Try the learning rate {format_number(usual, 2)} instead of {format_number(rate, 2)}.", _with_rate(usual)


def other_rate(config: TrainConfig) -> Advice:
    """A rate that is searched for, or the fitted one where it was searched for already."""
    if config.find_rate:
        return f"Turn off “{FINDER}”: the app then takes the usual learning rate.", {"find_rate": False}
    return f"Turn on “{FINDER}”: with this learning rate nothing is learned.", {
        "learning_rate": None,
        "find_rate": True,
    }


def tidy_rate(rate: float) -> float:
    """A rate with one significant digit: 0.00316 -> 0.003."""
    return float(f"{rate:.0e}")


def train_longer(config: TrainConfig, done: int, at_least: int = 2) -> Advice:
    """Twice as much of what ended the training.

    Args:
        done: epochs that were completed.
    """
    if done < config.epochs and config.max_seconds is not None:
        seconds = min(LONGER * config.max_seconds, MAX_SECONDS)
        return f"Try {seconds:,g} seconds of training instead of {config.max_seconds:,g}.", {"max_seconds": seconds}
    if done < config.epochs and config.max_images is not None:
        images = min(LONGER * config.max_images, MAX_IMAGES)
        return f"Try {images:,} pictures seen instead of {config.max_images:,}.", {"max_images": images}
    if done < config.epochs:
        change = {"patience": 0} if config.patience else {}
        return f"Train it again for all {config.epochs} epochs: this run ended after {done}.", change
    epochs = max(LONGER * config.epochs, at_least)
    if epochs > MAX_EPOCHS:
        return "Add training pictures: even more epochs are rarely worth the time.", {}
    return f"Try {epochs} epochs instead of {config.epochs}.", {"epochs": epochs}


def counter_overfitting(facts: RunFacts, turn: int | None) -> Advice:
    """What makes memorising harder.

    Args:
        turn: the epoch with the lowest validation loss, where that has risen since.
    """
    config = facts.config
    if not (config.augment_crop and config.augment_flip and config.augment_strength > 0):
        change: dict[str, Any] = {"augment_crop": True, "augment_flip": True}
        if config.augment_strength == 0:
            change["augment_strength"] = 0.5
        return "Turn on random crops and flips: then no epoch shows exactly the same picture again.", change
    if config.strategy == "scratch":
        change = _with_transfer(config)
        return (
            f"Start from pretrained weights ({change['model']}, head only): with far fewer trainable parameters it can "
            "memorise less.",
            change,
        )
    if config.strategy != "head":
        return (
            "Try the strategy head: with the backbone frozen it has far fewer trainable parameters to memorise with.",
            {"strategy": "head", "freeze_point": None, "head_epochs": None, "learning_rate": None},
        )
    if turn is not None and turn < config.epochs:
        count = format_count(turn, "epoch")
        return f"Try {count} instead of {config.epochs}: the later ones only made it worse.", {"epochs": turn}
    return "Add training pictures; a weight decay of 0.01 helps a little, too.", {
        "weight_decay": 0.01, "optimizer": "adamw",
    }  # fmt: skip


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
    epochs = LONGER * config.epochs
    if epochs > MAX_EPOCHS:
        return "Try a larger network: this one had enough time.", {}
    return (
        f"Try {epochs} epochs with “{FINDER}” turned on.",
        {"epochs": epochs, "learning_rate": None, "find_rate": True},
    )


def _with_rate(rate: float) -> dict[str, Any]:
    return {"learning_rate": rate, "find_rate": False}


def _with_transfer(config: TrainConfig) -> dict[str, Any]:
    network = default_network() if config.model == "scratch_cnn" else config.model
    return {
        "model": network, "strategy": "head", "freeze_point": None, "head_epochs": None, "learning_rate": None,
    }  # fmt: skip
