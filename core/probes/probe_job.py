"""Probes one network on one dataset, in a process of its own.

    python -m core.probes.probe_job DATASET NETWORK OWNER

OWNER is who started it. It ends at once when it is cancelled or killed, and its result is then absent, never half.
"""

import time
from collections.abc import Callable, Generator, Sequence

import numpy as np
import numpy.typing as npt

from core.config.events import Progress
from core.datasets.dataset import Dataset
from core.datasets.dataset_store import DatasetStore
from core.errors import DatasetError
from core.jobs import shared_job
from core.jobs.launchers import NICENESS, leave, step_back
from core.probes.ladder import FORMAT, UNTRAINED_SEED, BlockProbe, Ladder, pack, write_ladder
from core.probes.probing import count_pictures, files_of, measured_by
from core.settings import Settings
from core.steps import StopSignal, run_step
from core.stores.measurements import Measurements
from models.catalog import CATALOG

Features = npt.NDArray[np.float32]
Labels = npt.NDArray[np.int64]


def measure(
    settings: Settings, dataset: Dataset, network: str, signal: StopSignal
) -> Generator[Progress, None, Ladder]:
    """Pass training and validation pictures through the network once with each kind of weights, and fit the probes.

    Raises:
        DatasetError, WeightsError: pictures or weights are missing.
        Stopped: `signal` was set.
    """
    started = time.monotonic()
    yield Progress("preparing", "Loading the network", 0, 1, None)
    # torch costs seconds to import: the locks are taken before it
    from core.checkpoints.checkpoint import build_network
    from core.config.stages import plan_stages
    from core.config.train_config import TrainConfig
    from core.estimates.benchmark import SAMPLE, choose_hardware
    from core.probes.block_features import read_block_features
    from core.stores.hardware import prepare_torch
    from core.stores.pixels import open_store, preprocessing_of
    from core.stores.training_data import SplitData

    config = TrainConfig(dataset=dataset.id, model=network, strategy="head")
    entry, spec, classes = config.entry(), preprocessing_of(config, dataset), len(dataset.classes)
    prepare_torch(settings, config.seed)
    train, val = SplitData.of(dataset, "train"), SplitData.of(dataset, "val")
    store = yield from open_store(settings, dataset, spec, signal)
    trained = build_network(settings, config, classes)
    some = store.take(train.indices[:SAMPLE])
    hardware = yield from choose_hardware(settings, config, trained, plan_stages(config, entry), some, signal)
    random = build_network(settings, config.variant(strategy="scratch", seed=UNTRAINED_SEED), classes)
    rights = []
    for built, words in ((trained, "pretrained"), (random, "random")):
        hardware.place(built)
        text = f"Passing the pictures through {entry.title} with {words} weights"
        indices = np.concatenate([train.indices, val.indices])
        found = yield from read_block_features(built, store, indices, spec, hardware, text, signal)
        rights.append((yield from probe_blocks(found, train.labels, val.labels, classes, entry.title, signal)))
        widths = [values.shape[1] for values in found]
    blocks = tuple(
        BlockProbe(*facts)
        for facts in zip(entry.freeze_points, widths, *(map(pack, right) for right in rights), strict=True)
    )
    common = int(np.bincount(train.labels, minlength=classes).argmax())
    guessed, seconds = int((val.labels == common).sum()), round(time.monotonic() - started, 2)
    return Ladder(FORMAT, network, len(train), len(val), classes, guessed, blocks, UNTRAINED_SEED, time.time(), seconds)


def probe_blocks(
    features: Sequence[Features], train_labels: Labels, val_labels: Labels, classes: int, title: str, signal: StopSignal
) -> Generator[Progress, None, list[npt.NDArray[np.bool_]]]:
    """Which validation pictures the probe after each block gets right.

    Args:
        features: (N + M, F) of each block: N training pictures, then M validation pictures.
        title: of the network.
    Raises:
        DatasetError: a feature is not finite.
    """
    from core.probes.linear_probe import probe

    count, rights = len(train_labels), []
    started = time.monotonic()
    for place, values in enumerate(features):
        left = (time.monotonic() - started) / place * (len(features) - place) if place else None
        yield Progress("testing", "Fitting probes", place, len(features), left)
        signal.check()
        if not np.isfinite(values).all():
            raise DatasetError(f"{title} gives no finite features for these pictures: choose another network.")
        rights.append(probe(values[:count], train_labels, values[count:], classes) == val_labels)
    return rights


def run(settings: Settings, dataset: Dataset, network: str, owner: str) -> int:
    """Probe, and keep the result; what goes wrong is noted as a sentence."""
    files = files_of(settings, dataset, network)

    def work(signal: StopSignal, note: Callable[[Progress], None]) -> None:
        step_back(NICENESS)
        ladder = run_step(measure(settings, dataset, network, signal), note)
        write_ladder(files.result, ladder)
        figures = {"seconds_a_picture": ladder.seconds / count_pictures(dataset)}
        Measurements(settings).keep(measured_by(network), {"threads": settings.threads}, figures, replace=True)

    def explain(error: Exception) -> str:
        if isinstance(error, MemoryError):
            return "There is not enough memory: close other programs, and try again."
        return f"{CATALOG[network].title} could not be probed ({type(error).__name__}): see logs/probes.log."

    return shared_job.run_alone(settings, files, owner, "probes", work, explain)


def main(arguments: list[str] | None = None) -> int:
    """Probe one network on one dataset."""
    dataset, network, owner = shared_job.read_arguments(
        "core.probes.probe_job", ("dataset", "network", "owner"), arguments
    )
    settings = Settings.from_environment()
    return run(settings, DatasetStore(settings).get(dataset), network, owner)


if __name__ == "__main__":
    leave(main())
