"""Where a distillation stands, on disk: safetensors and JSON, replaced as one after every pass."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save
from torch import Tensor

from core.errors import RunError
from core.storage import atomic_open
from tools.distill.options import DistillOptions
from tools.distill.student import Student, StudentOptimizer
from tools.distill.teacher import Objective, Teacher

STATE_FILE = "distillation.safetensors"


@dataclass(frozen=True)
class Progress:
    """What is done.

    Attributes:
        passes: over the views of a round, of all rounds together.
        seconds: of all processes that worked on it.
        train_loss: mean of the last pass.
        train_cosine: cosine distance to the teacher, mean of the last pass.
        held_out_cosine: the same on pictures that are never trained on.
    """

    passes: int = 0
    seconds: float = 0.0
    train_loss: float | None = None
    train_cosine: float | None = None
    held_out_cosine: float | None = None


def save_state(
    work: Path,
    options: DistillOptions,
    fingerprint: str,
    student: Student,
    optimizer: StudentOptimizer,
    objective: Objective,
    progress: Progress,
) -> None:
    """Write everything that a resumed training needs, in one file: whole or not at all."""
    tensors = {f"student.{name}": value for name, value in student.state_dict().items()}
    tensors |= {f"optimizer.{name}": value for name, value in optimizer.state().items()}
    tensors |= {"objective.mean": objective.mean, "objective.std": objective.std}
    facts = {
        "options": json.dumps(options.to_json(), sort_keys=True),
        "pictures": fingerprint,
        "progress": json.dumps(dataclasses.asdict(progress)),
    }
    work.mkdir(parents=True, exist_ok=True)
    with atomic_open(work / STATE_FILE) as file:
        file.write(save({name: value.detach().cpu().contiguous() for name, value in tensors.items()}, metadata=facts))


def load_state(
    work: Path,
    options: DistillOptions,
    fingerprint: str,
    student: Student,
    optimizer: StudentOptimizer,
    teacher: Teacher,
) -> tuple[Progress, Objective | None]:
    """Take a training up where `save_state` left it; without a file, nothing is done yet.

    Raises:
        RunError: the file is damaged, or of other options or pictures.
    """
    path = work / STATE_FILE
    if not path.exists():
        return Progress(), None
    remedy = "delete it, or choose another folder with --work"
    try:
        with safe_open(path, framework="pt") as file:
            facts = file.metadata()
        tensors = load_file(path)
        progress = Progress(**json.loads(facts["progress"]))
        known = (json.loads(facts["options"]), facts["pictures"])
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise RunError(f"The state {path} of a distillation is damaged: {remedy}.") from error
    if known != (options.to_json(), fingerprint):
        raise RunError(f"The state {path} is of a distillation with other options or pictures: {remedy}.")
    parts: dict[str, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        owner, _, rest = name.partition(".")
        parts.setdefault(owner, {})[rest] = value
    student.load_state_dict(parts["student"])
    optimizer.load_state(parts["optimizer"])
    objective = Objective(teacher, parts["objective"]["mean"], parts["objective"]["std"])
    return progress, objective
