"""Writes a folder for the Hugging Face Hub: weights, configuration and a model card; nothing in it is pickled."""

import json
import runpy
from importlib.metadata import version
from typing import Any

import torch
import torchvision
from safetensors.torch import save_file
from torch import nn

from core.errors import ExportError
from core.export.files.known_pictures import Predict, ScriptFile, write_known_pictures
from core.export.files.pytorch_zip import rebuild_original
from core.export.notebooks.notebook_facts import count_splits
from core.export.notebooks.notebook_network import ACTIVATIONS, ARCHITECTURES, CUTS, load_backbone
from core.export.source.description import describe_run, label_lines, read_template, why_never_strange
from core.export.source.exported_run import ExportedRun
from core.export.source.written import Folder, Written

WEIGHTS = "model.safetensors"
PUBLIC = (
    "Its not_sure.npz holds numbers that come from the training pictures (not the pictures): delete it before the "
    "upload if they must not be public; predict.py works without it."
)
TIMM = ("resnet18", "resnet50")  # timm's weights have torchvision's names
LICENCES = {"BSD-3-Clause": "bsd-3-clause", "Apache-2.0": "apache-2.0", "MIT": "mit"}  # to the Hub's names
CROP_MODES = {"crop": "center", "pad": "border", "squeeze": "squash"}  # timm's names


def write_hugging_face(source: ExportedRun, folder: Folder) -> Written:
    """Write `model.safetensors`, `config.json`, `README.md`, labels, `predict.py` and `not_sure.py`."""
    in_timm = source.network.name in TIMM
    about = describe_run(source)
    folder.write("labels.txt", label_lines(source.classes))
    judge = write_known_pictures(source, folder)
    predict = _write_timm(source, folder, about) if in_timm else _write_own(source, folder, about)
    folder.write("README.md", read_template("card.md", **_describe_card(source, about, in_timm)))
    file, stem = ScriptFile(predict, judge), source.file_stem
    return Written(
        file.answers,
        {name: version(name) for name in ("torch", "torchvision", "safetensors")},
        (
            "To put it on the Hugging Face Hub, unpack it and run: "
            f"hf upload YOUR-NAME/{stem} {stem}-huggingface (after pip install huggingface_hub and hf auth login).",
            *([PUBLIC] if judge is not None else []),
        ),
        outcomes=file.outcomes,
    )


def _write_timm(source: ExportedRun, folder: Folder, about: dict[str, Any]) -> Predict:
    """The folder as timm's own; a single neuron becomes the two of a softmax that answers the same."""
    original = rebuild_original(source.network, source.spec.crop_px)
    if original is None:
        raise ExportError(f"{about['network']} is not torchvision's any more: choose another format.")
    state = {name: value.detach().clone() for name, value in original.state_dict().items()}
    if source.network.head_kind == "sigmoid":
        for name in ("fc.weight", "fc.bias"):
            state[name] = torch.cat([-state[name] / 2, state[name] / 2])
    path = folder.file(WEIGHTS)
    save_file({name: value.contiguous() for name, value in state.items()}, path, metadata={"format": "pt"})
    spec, count = source.spec, len(source.classes)
    pretrained = {
        "label_names": list(source.classes),
        "input_size": [3, spec.crop_px, spec.crop_px],
        "interpolation": spec.interpolation,
        "crop_pct": spec.crop_px / spec.resize_px,
        "crop_mode": CROP_MODES[spec.fit],
        "mean": list(spec.mean),
        "std": list(spec.std),
        "num_classes": count,
        "pool_size": [7, 7],
        "first_conv": "conv1",
        "classifier": "fc",
    }
    values = {
        "architecture": source.network.name,
        "num_classes": count,
        "num_features": source.config.entry().feature_width,
        "label_names": list(source.classes),
        "pretrained_cfg": pretrained,
        "tunemypets": about,
    }
    folder.write("config.json", json.dumps(values, indent=2, ensure_ascii=False) + "\n")
    predict: Predict = _write_script(source, folder, about, timm=True)["load_network"]()
    return predict


def _write_own(source: ExportedRun, folder: Folder, about: dict[str, Any]) -> Predict:
    """The folder of a network that its script builds."""
    name = source.network.name
    folder.write("config.json", json.dumps(about, indent=2, ensure_ascii=False) + "\n")
    script = _write_script(source, folder, about)
    whole = nn.Sequential()
    whole.add_module("backbone", _build_backbone(script, name))
    load_backbone(name, whole.get_submodule("backbone"), source.network.blocks)
    whole.add_module("head", source.network.head.get_submodule("linear"))
    state = {key: value.detach().contiguous().clone() for key, value in whole.state_dict().items()}
    save_file(state, folder.file(WEIGHTS), metadata={"format": "pt"})
    predict: Predict = script["load_network"]()
    return predict


def _write_script(source: ExportedRun, folder: Folder, about: dict[str, Any], *, timm: bool = False) -> dict[str, Any]:
    """Write `predict.py`; returns what it defines, run as people will run it."""
    name, config = source.network.name, source.config
    own = read_template("predict_pytorch.py")
    values = {
        **about,
        "timm": timm,
        "config": config,
        "activation": ACTIVATIONS[config.activation],
        "pretrained": False,
        "architecture": ARCHITECTURES.get(name),
        "architecture_name": name,
        "cut": CUTS.get(name),
        "feature_width": config.entry().feature_width,
        "reading": own[own.index("def read_picture") : own.index("if __name__")].replace("F.", "T."),
    }
    folder.write("predict.py", read_template("predict_hugging_face.txt", **values))
    return runpy.run_path(str(folder.path / "predict.py"))


def _build_backbone(script: dict[str, Any], name: str) -> nn.Module:
    if name in ARCHITECTURES:
        built: nn.Module = script["build_backbone"]()
        return built
    backbone = torchvision.models.get_model(name, weights=None)
    exec(f"backbone.{CUTS[name]}", {"nn": nn, "backbone": backbone})
    return backbone  # type: ignore[no-any-return]  # torchvision leaves it untyped


def _describe_card(source: ExportedRun, about: dict[str, Any], in_timm: bool) -> dict[str, Any]:
    config, counts = source.config, source.dataset.counts
    settings = config.model_dump(mode="json", exclude_defaults=True, exclude={"note"})
    return {
        **about,
        "front_matter": _write_front_matter(source, about, in_timm),
        "timm": in_timm,
        "never_strange": why_never_strange(source),
        "stem": source.file_stem,
        "counts": count_splits(source),
        "per_class": [(name, counts[name]) for name in source.classes],
        "settings": json.dumps(settings, indent=2),
    }


def _write_front_matter(source: ExportedRun, about: dict[str, Any], in_timm: bool) -> str:
    """YAML, each value as JSON, which YAML reads alike whatever is in a name."""
    low, high = about["test_interval"]
    licence = about["weights_licence"] or ""
    result = {
        "task": {"type": "image-classification", "name": "Image classification"},
        "dataset": {"type": "imagefolder", "name": about["dataset"], "split": about["test_split"]},
        "metrics": [
            {
                "type": "accuracy",
                "value": about["test_accuracy"],
                "name": f"Accuracy (95 % interval {low:.4f} to {high:.4f}, n = {about['test_images']})",
            }
        ],
    }
    values = {
        "pipeline_tag": "image-classification",
        "library_name": "timm" if in_timm else "pytorch",
        "license": next((name for start, name in LICENCES.items() if licence.startswith(start)), "unknown"),
        "tags": ["image-classification", source.network.name, "transfer-learning" if licence else "from-scratch"],
        "model-index": [{"name": source.file_stem, "results": [result]}],
    }
    return "".join(f"{key}: {json.dumps(value, ensure_ascii=False)}\n" for key, value in values.items())
