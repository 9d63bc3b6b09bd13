"""The trained student as files: half-precision weights, and a sidecar that says what they are and whence."""

import dataclasses
import hashlib
from pathlib import Path
from typing import Any

import torch
import torchvision
from safetensors.torch import save
from torch import Tensor

from core.storage import atomic_open, write_json
from core.stores.hardware import device_name
from models import weights
from models.catalog import CATALOG
from tools.distill.options import DistillOptions
from tools.distill.pool import Images
from tools.distill.state import Progress
from tools.distill.student import Student

FORMAT = 1
LICENCE = (
    "MIT. Distilled from weights that were trained on ImageNet-1K, whose pictures are for non-commercial research, and "
    "from pictures whose licences are mostly unstated; no picture can be had back from the weights."
)


def export_student(
    out: Path, student: Student, options: DistillOptions, pictures: Images, progress: Progress, device: torch.device
) -> Path:
    """Write `petnet.safetensors` and, last, `petnet.json`.

    Convolutions are rounded to half precision; the few numbers of the normalisation layers stay as they are.

    Returns:
        the path of the weights.
    """
    out.mkdir(parents=True, exist_ok=True)
    data = save(_state(student), metadata={"network": "petnet"})
    path = out / "petnet.safetensors"
    with atomic_open(path) as file:
        file.write(data)
    teacher_file = weights.find(CATALOG[options.teacher])
    sidecar: dict[str, Any] = {
        "format": FORMAT,
        "network": "petnet",
        "file": path.name,
        "bytes": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        "licence": LICENCE,
        "preprocessing": dataclasses.asdict(CATALOG["petnet"].preprocessing),
        "parameters": CATALOG["petnet"].backbone_parameters,
        "training": {
            "command": "python -m tools.distill",
            "options": options.to_json(),
            "teacher_sha256": hashlib.sha256(teacher_file.read_bytes()).hexdigest() if teacher_file else None,
            "pictures": len(pictures.pixels),
            "pictures_sha256": pictures.fingerprint,
            "steps": progress.passes * ((len(pictures.pixels) - options.hold_out) // options.batch_size),
            "seconds": round(progress.seconds),
            "train_cosine_distance": progress.train_cosine,
            "held_out_cosine_distance": progress.held_out_cosine,
            "device": device_name(device),
            "torch": torch.__version__,
            "torchvision": torchvision.__version__,
        },
    }
    write_json(out / "petnet.json", sidecar)
    return path


def _state(student: Student) -> dict[str, Tensor]:
    found = {}
    for name, value in student.backbone.state_dict().items():
        if name.endswith("num_batches_tracked"):  # only training with another momentum would ask
            continue
        value = value.detach().cpu()
        found[name] = (value.half() if value.ndim == 4 else value.float()).contiguous()
    return found
