"""Every network in every format: the finished file answers as the network does, or the format says why not."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from core.config.train_config import TrainConfig
from core.errors import ExtraMissingError
from core.export.export_job import writer_of
from core.export.files.pytorch_zip import rebuild_original
from core.export.formats import FORMATS, ExportFormat
from core.export.source.exported_run import ExportedRun, open_source
from core.export.source.written import Folder, Written
from core.runs.run_store import RunStore
from core.settings import Settings
from models.catalog import CATALOG, ScratchOptions
from models.network import Network, build
from tests.support.environment import skip_or_fail

NOT_IN_TORCHVISION = {"scratch_cnn", "petnet", "efficientnet_lite0", "squeezenet1_0"}
ODD_SCRATCH = [
    {"activation": activation, "batch_norm": norm, "kernel_size": kernel}
    for activation, norm, kernel in (("gelu", True, 3), ("mish", False, 5))
]
# notebooks have their own tests, and so has TensorFlow Lite, which converts what lies on the disk
KINDS = {name: kind for name, kind in FORMATS.items() if not name.startswith(("notebook", "tflite"))}
FAMILIES = ["petnet", "mobilenet_v3_small"]  # bench.exports makes the table of all
SMALL = [name for name, entry in CATALOG.items() if entry.backbone_parameters < 15_000_000]


def with_network(source: ExportedRun, name: str, head: str, options: dict[str, object] | None = None) -> ExportedRun:
    """The run as if it had trained this network: random weights, and statistics of BatchNorm that are not 0 and 1."""
    small = {"filters": (4, 8), "dense_neurons": 8, "image_size": 32}
    chosen = {**small, **(options or {})} if name == "scratch_cnn" else {}
    strategy = "scratch" if name == "scratch_cnn" else "head"
    values = {"dataset": "drawn", "model": name, "strategy": strategy, "head": head, **chosen}
    config = TrainConfig.model_validate(values)
    network = build(name, 2, head=head, options=ScratchOptions(**chosen) if chosen else None, seed=0)  # type: ignore[arg-type]
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, torch.nn.BatchNorm2d) and module.running_mean is not None:
                module.running_mean.uniform_(-0.1, 0.1)
    return dataclasses.replace(source, network=network.eval(), config=config, spec=config.entry().preprocessing)


@pytest.fixture
def source(raced: Settings) -> ExportedRun:
    return open_source(raced, RunStore(raced).all()[0])


def compare(source: ExportedRun, kind: ExportFormat, folder: Path) -> float:
    """The largest difference of a probability between the network and the finished file."""
    try:
        kind.check_installed()
    except ExtraMissingError as error:
        skip_or_fail(str(error))
    size = source.spec.crop_px
    crops = np.random.default_rng(1).integers(0, 256, (3, size, size, 3), dtype=np.uint8)
    written = writer_of(kind)(source, Folder(folder))
    assert isinstance(written, Written)
    return float(np.abs(written.answers(crops) - source.answers(crops)).max())


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))
@pytest.mark.parametrize("name", FAMILIES)
def test_a_file_answers_as_its_network(source: ExportedRun, name: str, kind: ExportFormat, tmp_path: Path) -> None:
    assert compare(with_network(source, name, "softmax"), kind, tmp_path) < 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))
@pytest.mark.parametrize("options", ODD_SCRATCH, ids=lambda options: options["activation"])
def test_a_scratch_cnn_of_any_kind_with_one_neuron(
    source: ExportedRun, options: dict[str, object], kind: ExportFormat, tmp_path: Path
) -> None:
    assert compare(with_network(source, "scratch_cnn", "sigmoid", options), kind, tmp_path) < 1e-4


@pytest.mark.parametrize(("name", "head"), [*((name, "softmax") for name in SMALL), ("mobilenet_v2", "sigmoid")])
def test_torchvisions_networks_get_torchvisions_names(name: str, head: str) -> None:
    network = random_network(name, head)
    original = rebuild_original(network, CATALOG[name].preprocessing.crop_px)
    assert (original is None) is (name in NOT_IN_TORCHVISION)
    if original is not None:
        import torchvision

        fresh = torchvision.models.get_model(name, num_classes=2 if head == "softmax" else 1)
        fresh.load_state_dict(original.state_dict())


def random_network(name: str, head: str) -> Network:
    return build(name, 2, head=head, seed=0).eval()
