"""Writes a notebook that trains the head of a run again from embedded features, with numpy; it is run as its check."""

import base64
import zlib
from collections.abc import Generator
from importlib.metadata import version
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn import functional

from core.config.events import Progress
from core.errors import ExportError
from core.export.files.notebook import NOTEBOOK, wrap
from core.export.notebooks.notebook_cells import run_cells, split_cells, write_cells
from core.export.notebooks.notebook_facts import describe_notebook, dropout_of, list_differences, list_stages
from core.export.notebooks.notebook_network import CUTS, is_in_torchvision
from core.export.source.description import read_template
from core.export.source.export_check import Answers, ExportCheck
from core.export.source.exported_run import BATCH, ExportedRun, as_input
from core.export.source.written import Folder, Written
from core.formatting import format_bytes
from core.steps import StopSignal
from core.stores.activations import Prefix, open_activations
from core.stores.augmentation import Augmentation, normalise
from core.stores.hardware import Hardware
from core.stores.pixels import Pixels, open_store
from core.stores.training_data import SplitData
from models.catalog import head_neurons

MAX_BYTES = 48 * 2**20  # of packed features: larger notebooks open slowly, or not at all
MAX_DROPOUT_BYTES = 8 * 2**20  # of what dropout kept, one bit a number
APART = 2  # test pictures by which its result may differ from the run's
CHECKED = (
    "features",
    "split",
    "unpack",
    "first",
    "dropout",
    "settings",
    "head",
    "train",
    "test",
)  # cells; numpy is enough
Features = npt.NDArray[np.float16]


def write_feature_notebook(source: ExportedRun, folder: Folder) -> Generator[Progress, None, Written]:
    """Write the notebook, and run it.

    Raises:
        ExportError: the run trained more than a head, its features are too large, or the notebook's result is not the
            run's.
    """
    config = source.config
    if config.strategy != "head":
        raise ExportError(
            f"A notebook of features is for runs of the strategy head, and run {source.run.id} has {config.strategy}: "
            "its backbone was trained too. Take the format notebook."
        )
    if not config.views and config.augmented:
        raise ExportError(
            f"Run {source.run.id} drew a new random view of every picture in each epoch, so its head saw too many "
            "features to put into a file: take the format notebook."
        )
    views = list_stages(source)[0].views
    features = yield from _read_features(source, views)
    packed = {split: _pack(values) for split, values in features.items()}
    size = sum(map(len, packed.values()))
    if size > MAX_BYTES:
        raise ExportError(
            f"The features of its pictures take {format_bytes(size)}, and notebooks of more than "
            f"{format_bytes(MAX_BYTES)} hardly open: take the format notebook."
        )
    yield Progress("preparing", "Running the notebook", 0, 1, None)
    cells = split_cells(read_template("notebook_features.txt", **_describe(source, packed, views)))
    folder.write(NOTEBOOK, write_cells(cells, accelerator=False))
    namespace: dict[str, Any] = {}
    run_cells(cells, CHECKED, namespace)
    correct, of_run = int(namespace["correct"]), int(source.tested.correct.sum())

    @torch.inference_mode()
    def answers(crops: Pixels) -> Answers:
        """Of the head that the notebook has trained, to features as it holds them."""
        parts = []
        for first in range(0, len(crops), BATCH):
            images = (as_input(crops[first : first + BATCH]) * 255).to(torch.uint8)
            found = source.network.frozen_prefix(normalise(images, source.spec, torch.device("cpu")))
            parts.append(found.half().float().numpy())
        return np.asarray(namespace["to_probabilities"](np.concatenate(parts), namespace["head"]))

    def judge(_: ExportCheck) -> str | None:
        if abs(correct - of_run) <= APART:
            return None
        return (
            f"its head, trained again, gets {correct:,} of {source.tested.n:,} test pictures right and the run's "
            f"{of_run:,}, more than {APART} apart: take the format notebook"
        )

    return Written(
        answers,
        {name: version(name) for name in ("nbformat", "numpy", "torch")},
        (
            f"Checked by running it: {correct:,} of {source.tested.n:,} test pictures right, {of_run:,} in the app. "
            "It trains weights of its own: single pictures may get another class.",
        ),
        judge=judge,
    )


def _read_features(source: ExportedRun, views: int) -> Generator[Progress, None, dict[str, Features]]:
    """What the frozen backbone makes of the pictures: split -> (views, N, feature_width)."""
    signal, spec = StopSignal(), source.spec
    hardware = Hardware(torch.device("cpu"), "", source.settings.threads, "fp32", "")
    store = yield from open_store(source.settings, source.dataset, spec, signal)
    hardware.place(source.network)
    source.network.freeze(list(source.network.blocks)[-1])
    prefix = Prefix(source.network, spec, hardware)
    augmentation = Augmentation.from_config(source.config)
    out = {}
    for split in dict.fromkeys(("train", "val", source.tested.split)):
        data = SplitData.of(source.dataset, split)
        found = []
        for view in range(views if split == "train" else 1):
            step = open_activations(source.settings, prefix, store, data.indices, augmentation, view, signal)
            activations = yield from step
            found.append(activations.take(np.arange(len(data))).numpy().astype(np.float16))
        out[split] = np.stack(found)
        if not np.isfinite(out[split]).all():
            raise ExportError(
                "The features of this network are too large for 16-bit numbers: take the format notebook."
            )
    return out


def _pack(values: Features) -> str:
    return wrap(base64.b64encode(zlib.compress(values.astype("<f2").tobytes(), 6)).decode("ascii"))


def _describe(source: ExportedRun, packed: dict[str, str], views: int) -> dict[str, Any]:
    config, name = source.config, source.network.name
    neurons = head_neurons(len(source.classes), config.head)
    with torch.random.fork_rng(devices=[]):  # as `models.network.build_pretrained` draws them
        torch.default_generator.manual_seed(config.seed)
        first = nn.Linear(config.entry().feature_width, neurons)
    stage = list_stages(source)[0]
    epochs = -(-stage.images // len(source.dataset.rows_of("train")))
    return {
        **describe_notebook(source),
        "needed": {"numpy": "numpy", "sklearn": "scikit-learn"},
        "differences": _list_differences(source),
        "packed": packed,
        "views": views,
        "view_words": "the middle of each picture"
        if views == 1
        else f"the middle of each picture, and {views - 1} random views of each training picture",
        "first_weights": wrap(_pack_exact(first.weight.detach().numpy().T)),
        "first_bias": _pack_exact(first.bias.detach().numpy()),
        "images": stage.images,
        "dropped": _pack_dropout(source, stage.images),
        "rate": stage.rate,
        "epochs_words": f"{epochs} epochs" if epochs > 1 else "1 epoch",
        "test_words": "test" if source.tested.split == "test" else "held-out",
        "torchvision_name": name if is_in_torchvision(name) else None,
        "cut": CUTS.get(name),
        "exercises": EXERCISES,
    }


def _pack_exact(values: npt.NDArray[np.float32]) -> str:
    return base64.b64encode(np.ascontiguousarray(values, dtype="<f4").tobytes()).decode("ascii")


def _pack_dropout(source: ExportedRun, images: int) -> str | None:
    """Which features dropout kept in each step of the run, as torch draws them on a processor; None where that is long.

    Args:
        images: training pictures that it saw, repeats included.
    """
    share, width = dropout_of(source), source.config.entry().feature_width
    if not share or images * width / 8 > MAX_DROPOUT_BYTES:
        return None
    count, batch = len(source.dataset.rows_of("train")), source.config.batch_size
    parts = []
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(source.config.seed)
        for seen in range(0, images, count):
            size = min(count, images - seen)
            for places in np.array_split(np.arange(size), -(-size // batch)):
                kept = functional.dropout(torch.ones(len(places), width), share) != 0
                parts.append(np.packbits(kept.numpy()))  # whole bytes: every feature width is a multiple of 8
    return wrap(base64.b64encode(zlib.compress(np.concatenate(parts).tobytes(), 6)).decode("ascii"))


def _list_differences(source: ExportedRun) -> list[str]:
    out = list_differences(source)
    out.append("Features are rounded to 16 bits, and the app's own training ran in torch instead of numpy.")
    return out


EXERCISES = (
    '**Halve the data.** Before the training: `half = np.random.random(len(labels["train"])) < 0.5`, then '
    '`train_views, labels["train"] = train_views[:, half], labels["train"][half]`.',
    '**Flip a tenth of the labels.** `wrong = np.random.random(len(labels["train"])) < 0.1`, then '
    '`labels["train"][wrong] = (labels["train"][wrong] + 1) % len(CLASSES)`. Does the test accuracy fall by a tenth?',
    "**Change the learning rate.** Take ten times and a tenth of `RATE`. What do the printed losses do?",
    "**Look at fewer features.** Keep the first 50: `train_views, val, test, WEIGHTS = train_views[..., :50], "
    "val[:, :50], test[:, :50], WEIGHTS[:50]`. How few are enough?",
    "**Train ten times as long.** Set `IMAGES = 10 * IMAGES`. Which falls, the training loss or the validation loss?",
)
