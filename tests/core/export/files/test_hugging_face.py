"""Folders for the Hugging Face Hub: a card that the Hub reads, and weights that timm or a script opens."""

import dataclasses
import json
import runpy
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from safetensors.torch import load_file

from core.checkpoints.pretrained_weights import load_pretrained
from core.datasets.dataset import Dataset
from core.export.files.hugging_face_folder import PUBLIC, write_hugging_face
from core.export.formats import FORMATS
from core.export.source.export_check import compare_answers
from core.export.source.exported_run import ExportedRun, as_input, read_crops, read_training_crops
from core.export.source.written import Folder, Written
from core.novelty.distances import MAX_BYTES, Reference
from core.novelty.novelty import Novelty
from core.runs.run_store import RunStore
from core.settings import Settings
from core.steps import run_step
from models.catalog import CATALOG
from tests.core.export.files.test_notebooks import HEAD, NETWORKS, export, source_of, train

ODD = ('<b>"cat": |', "*dog*\n---\nlicense: mit\n``` 🐕")


def write(source: ExportedRun, folder: Path) -> Written:
    """The folder, and its answers on the four pictures of the source, checked."""
    written = write_hugging_face(source, Folder(folder))
    crops = run_step(read_crops(source, np.arange(4), source.spec), lambda _: None)
    places = np.arange(4)
    assert compare_answers(source.tested, places, source.answers(crops), written.answers(crops)).problem() is None
    assert np.abs(written.answers(crops) - source.answers(crops)).max() < 1e-5
    return written


def front_matter(text: str) -> dict[str, Any]:
    _, head, _ = text.split("---\n", 2)
    values: dict[str, Any] = yaml.safe_load(head)
    return values


@pytest.mark.parametrize(("name", "head"), [*NETWORKS, ("resnet18", "sigmoid")])
def test_every_network_answers_from_its_folder_as_in_the_app(
    raced: Settings, name: str, head: str, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    out.mkdir()
    write(source_of(raced, RunStore(raced).all()[0], name, head=head), out)
    assert {path.name for path in out.iterdir()} == {
        "model.safetensors",
        "config.json",
        "README.md",
        "labels.txt",
        "predict.py",
        "not_sure.py",
    }
    text = (out / "README.md").read_text(encoding="utf-8")
    assert "It answers with one of its classes whatever the picture shows." in text
    assert "not_sure.npz" not in text


@pytest.mark.parametrize(("name", "head"), [("petnet", "softmax"), ("resnet18", "sigmoid")])
def test_a_folder_is_not_sure_as_its_run_and_its_card_says_what_it_holds(
    raced: Settings, name: str, head: str, tmp_path: Path
) -> None:
    source = source_of(raced, RunStore(raced).all()[0], name, head=head)
    if name == "petnet":  # with random weights it sees nothing strange in noise
        trained = load_pretrained(raced, CATALOG[name], 2, head, 0).eval()
        source = dataclasses.replace(source, network=trained)
    known = know_pictures(source)
    out = tmp_path / "out"
    out.mkdir()
    written = write(dataclasses.replace(source, novelty=known), out)
    assert written.outcomes is not None
    assert PUBLIC in written.notes

    crops = run_step(read_training_crops(source, 8, source.spec))
    crops[::2] = np.random.default_rng(0).integers(0, 256, crops[::2].shape, dtype=np.uint8)
    expected = dataclasses.replace(source, novelty=known).outcomes(crops)
    assert expected is not None
    assert written.outcomes(crops) == expected
    assert [strange for strange, _ in expected] == [True, False] * 4, "noise is strange, training pictures are not"
    with np.load(out / "not_sure.npz") as numbers:  # refuses pickles
        assert numbers["train"].dtype == np.float16
        assert numbers["train"].nbytes <= MAX_BYTES
    text = (out / "README.md").read_text(encoding="utf-8")
    assert "what the network's last layer reads of the training pictures is, in `not_sure.npz`" in text
    assert "whatever the picture shows" not in text
    Image.fromarray(crops[0]).save(out / "noise.png")
    script = runpy.run_path(str(out / "predict.py"))
    with torch.inference_mode():
        answer, features = script["load_network"]()(script["read_picture"](out / "noise.png"))
    said = script["describe"](source.classes, features[0].numpy(), answer[0].double().numpy())
    assert said.startswith("not sure: unlike anything it was trained on (nearest class: ")
    (out / "not_sure.npz").unlink()
    without = runpy.run_path(str(out / "predict.py"))["describe"]
    assert without(source.classes, features[0].numpy(), answer[0].double().numpy()).startswith(tuple(source.classes))


def know_pictures(source: ExportedRun) -> Novelty:
    """What training pictures look like to a network with random weights; each is a validation picture, too."""
    rows = sorted(source.dataset.rows_of("train"), key=lambda row: (row.label, row.index))
    probabilities, features = source.ask(run_step(read_training_crops(source, len(rows), source.spec)))
    labels, indices = np.array([row.label for row in rows]), np.array([row.index for row in rows])
    reference = Reference.of(features, indices, labels)
    scores = reference.scores(features) + np.float32(1e-3)  # no picture is as strange as itself to the last bit
    own = probabilities[np.arange(len(rows)), labels]
    return Novelty(1, source.classes, reference, labels, own, scores, indices[:0], scores[:0])


@pytest.mark.parametrize("name", ["petnet", "resnet18"])
def test_the_card_says_what_was_measured_and_names_stay_text(raced: Settings, name: str, tmp_path: Path) -> None:
    source = dataclasses.replace(source_of(raced, RunStore(raced).all()[0], name), classes=ODD)
    summary = dataclasses.replace(source.dataset.summary, classes=ODD)
    source = dataclasses.replace(source, dataset=dataclasses.replace(source.dataset, summary=summary))
    write(source, tmp_path)

    text = (tmp_path / "README.md").read_text(encoding="utf-8")
    values = front_matter(text)
    assert values["pipeline_tag"] == "image-classification"
    assert values["license"] == ("mit" if name == "petnet" else "bsd-3-clause")
    (result,) = values["model-index"][0]["results"]
    assert result["metrics"][0]["value"] == source.tested.accuracy
    assert "n = 4)" in result["metrics"][0]["name"]
    assert "<b>" not in text
    assert "\nlicense: mit\n``` " not in text
    values = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    assert tuple(values["classes"] if name == "petnet" else values["label_names"]) == ODD


def test_the_hubs_own_library_reads_the_card(raced: Settings, tmp_path: Path) -> None:
    huggingface_hub = pytest.importorskip("huggingface_hub", reason="pip install -r requirements-dev.txt")
    source = source_of(raced, RunStore(raced).all()[0], "petnet")
    write(source, tmp_path)
    card = huggingface_hub.ModelCard.load(tmp_path / "README.md")
    (found,) = card.data.eval_results
    assert (found.metric_type, found.metric_value) == ("accuracy", source.tested.accuracy)
    assert found.dataset_name == source.run.meta().dataset_title
    assert card.data.library_name == "pytorch"


@pytest.mark.parametrize("head", ["softmax", "sigmoid"])
def test_timm_opens_a_resnet_and_answers_as_the_run(raced: Settings, tmp_path: Path, head: str) -> None:
    timm = pytest.importorskip("timm", reason="timm is no dependency: pip install --no-deps timm")
    source = source_of(raced, RunStore(raced).all()[0], "resnet18", head=head)
    write(source, tmp_path)

    network = timm.create_model(f"local-dir:{tmp_path}", pretrained=True).eval()

    crops = run_step(read_crops(source, np.arange(4), source.spec), lambda _: None)
    config = timm.data.resolve_data_config(network.pretrained_cfg)
    mean, deviation = (torch.tensor(config[name]).view(3, 1, 1) for name in ("mean", "std"))
    with torch.inference_mode():
        found = network((as_input(crops) - mean) / deviation).softmax(dim=1).numpy()
    assert np.abs(found - source.answers(crops)).max() < 1e-5
    assert network.pretrained_cfg["label_names"] == list(source.classes)
    transform = timm.data.create_transform(**config)
    row = source.dataset.rows[int(source.tested.indices[0])]
    with Image.open(source.dataset.image_path(row)) as image:
        seen = transform(image.convert("RGB")) * deviation + mean
    assert torch.allclose(seen, as_input(crops[:1])[0], atol=3 / 255)


def test_resnets_have_timms_names(raced: Settings, tmp_path: Path) -> None:
    write(source_of(raced, RunStore(raced).all()[0], "resnet18"), tmp_path)
    names = set(load_file(tmp_path / "model.safetensors"))
    assert {"conv1.weight", "bn1.running_mean", "layer2.0.downsample.0.weight", "fc.weight", "fc.bias"} <= names
    assert json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))["architecture"] == "resnet18"


@pytest.mark.slow
def test_the_script_of_a_trained_head_predicts_far_from_this_project(
    drawn: Dataset, settings: Settings, tmp_path: Path
) -> None:
    run = train(settings, HEAD)
    with zipfile.ZipFile(export(settings, run, "huggingface")) as archive:
        archive.extractall(tmp_path / "out")
    (script,) = (tmp_path / "out").rglob("predict.py")
    tested = run.predictions()
    row = drawn.rows[int(tested.indices[0])]
    picture = tmp_path / f"picture{Path(row.path).suffix}"
    picture.write_bytes(drawn.read_image(row))
    words = [sys.executable, "-I", str(script), str(picture)]
    said = subprocess.run(words, capture_output=True, text=True, check=True, cwd=tmp_path).stdout.strip()
    share = tested.probabilities[0].max()
    sure = "over 99 %" if share > 0.99 else f"{100 * share:.0f} %"
    assert said.endswith(f": {tested.classes[tested.predicted[0]]} ({sure})")
    assert not list((tmp_path / "out").rglob("*.pt*"))
    assert FORMATS["huggingface"].endings == (".zip",)
