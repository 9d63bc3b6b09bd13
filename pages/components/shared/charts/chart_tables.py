"""The values of charts as tables to download: epochs, steps, tried learning rates."""

from collections.abc import Iterable, Sequence

import pandas as pd

from core.config.events import BatchDone, EpochDone, RateFound


def list_epochs(named: Iterable[tuple[str, int, Sequence[EpochDone]]]) -> pd.DataFrame:
    """A row for each epoch of each run: name, seed and its epochs."""
    rows = [
        {
            "arm": name,
            "seed": seed,
            "epoch": epoch.epoch,
            "phase": epoch.stage,
            "pictures seen": epoch.images_seen,
            "seconds of training": round(epoch.seconds, 3),
            "train loss": epoch.train_loss,
            "train accuracy": epoch.train_accuracy,
            "validation loss": epoch.val_loss,
            "validation accuracy": epoch.val_accuracy,
        }
        for name, seed, epochs in named
        for epoch in epochs
    ]
    return pd.DataFrame(rows)


def list_steps(named: Iterable[tuple[str, Sequence[BatchDone]]]) -> pd.DataFrame:
    """A row for each measurement within an epoch: means over the steps since the previous one."""
    rows = [
        {
            "arm": name,
            "epoch": step.epoch,
            "step": step.step,
            "epochs done": round(step.epoch - 1 + step.step / step.steps, 4),
            "pictures seen": step.images_seen,
            "seconds of training": round(step.seconds, 3),
            "train loss": step.loss,
            "train accuracy": step.accuracy,
            "learning rate": step.learning_rate,
            "pictures per second": round(step.images_per_second, 1),
        }
        for name, steps in named
        for step in steps
    ]
    return pd.DataFrame(rows)


def list_rates(searches: Iterable[tuple[str, RateFound]]) -> pd.DataFrame:
    """A row for each rate that the learning-rate finder tried."""
    rows = [
        {"arm": name, "learning rate": rate, "loss, smoothed": loss, "taken": found.chosen}
        for name, found in searches
        for rate, loss in zip(found.rates, found.losses, strict=True)
    ]
    return pd.DataFrame(rows)
