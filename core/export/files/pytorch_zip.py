"""Writes PyTorch files: weights as safetensors, the network as an exported program, a script that needs neither app."""

import copy
import json
import runpy
from importlib.metadata import version

import numpy as np
import torch
import torchvision
from safetensors.torch import save_file
from torch import Tensor, nn

from core.errors import ExportError
from core.export.files.known_pictures import ScriptFile, write_known_pictures
from core.export.source.description import describe_run, label_lines, read_template, why_never_strange
from core.export.source.exported_run import ExportedRun, Standalone, as_input
from core.export.source.written import Folder, Written
from models.network import Network
from models.pretrained import build_original, classifier_of, take_apart

PROGRAM, WEIGHTS = "model.pt2", "model.safetensors"
NEAR = 1e-4  # logits of the network in torchvision's form


def write_pytorch(source: ExportedRun, folder: Folder) -> Written:
    """Write `model.safetensors`, `model.pt2`, `config.json`, labels, `predict.py` and `not_sure.py`."""
    original = rebuild_original(source.network, source.spec.crop_px)
    state = (original or source.network).state_dict()
    save_file(
        {key: value.detach().contiguous().clone() for key, value in state.items()},
        folder.file(WEIGHTS),
        metadata={"format": "pt"},
    )
    size = source.spec.crop_px
    program = torch.export.export(
        Standalone(source.network, source.spec).eval(),
        (torch.rand(2, 3, size, size),),
        dynamic_shapes=({0: torch.export.Dim("pictures")},),
    )
    torch.export.save(program, folder.file(PROGRAM))
    about = {**describe_run(source), "torchvision": original is not None}
    folder.write("config.json", json.dumps(about, indent=2, ensure_ascii=False) + "\n")
    folder.write("labels.txt", label_lines(source.classes))
    folder.write("predict.py", read_template("predict_pytorch.py"))
    judge = write_known_pictures(source, folder)
    folder.write("README.md", read_template("readme_pytorch.md", **about, never_strange=why_never_strange(source)))
    predict = runpy.run_path(str(folder.path / "predict.py"))["load_network"]()  # as people will run it
    loaded = torch.export.load(folder.path / PROGRAM).module()
    file = ScriptFile(predict, judge)
    noise = np.random.default_rng(0).integers(0, 256, (3, size, size, 3), dtype=np.uint8)
    with torch.inference_mode():
        if not torch.allclose(torch.from_numpy(file.answers(noise)).float(), loaded(as_input(noise))[0], atol=NEAR):
            raise ExportError(
                f"{PROGRAM} of run {source.run.id} answers otherwise than {WEIGHTS}: choose another format."
            )
    return Written(
        file.answers,
        {name: version(name) for name in ("torch", "torchvision", "safetensors")},
        outcomes=file.outcomes,
    )


@torch.inference_mode()
def rebuild_original(network: Network, size_px: int) -> nn.Module | None:
    """The network in torchvision's own form, with its names; None where torchvision has no such network.

    SqueezeNet's own head is in another order than ours, so its weights have no place there.
    """
    if network.name not in torchvision.models.list_models():
        return None
    neurons = network.classes if network.head_kind == "softmax" else 1
    original = build_original(network.name, classes=neurons)
    parts = take_apart(network.name, original)  # shares its tensors
    for name, block in parts.blocks.items():
        block.load_state_dict(copy.deepcopy(network.blocks[name].state_dict()))
    linear = network.head.get_submodule("linear")
    assert isinstance(linear, nn.Linear)
    for place, value in zip(classifier_of(original), (linear.weight, linear.bias), strict=True):
        place.copy_(value.view(place.shape))
    example = torch.rand(2, 3, size_px, size_px)
    return original if _near(original.eval()(example), network(example)) else None


def _near(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and float((one - other).abs().max()) <= NEAR * (1 + float(other.abs().max()))
