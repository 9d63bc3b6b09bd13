"""What a node is, and whether trainings may run there."""

import platform
import time
from importlib import metadata
from typing import Any

PACKAGES = ("torch", "torchvision")  # another version may give other digits
SPEED_SIDE, SPEED_SECONDS = 384, 0.3


def versions() -> dict[str, str]:
    """Versions of this process: of Python and of the packages that compute."""
    found = {"Python": ".".join(platform.python_version_tuple()[:2])}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name).partition("+")[0]
        except metadata.PackageNotFoundError:
            found[name] = ""
    return found


def describe_node() -> dict[str, Any]:
    """Versions, processor and speed of the machine that this runs on.

    Returns:
        `problem`: what keeps trainings from running here, or "".
        `cuda`: whether torch can compute on a GPU.
        `speed`: billions of additions and multiplications a second, of one thread that multiplies matrices.
    """
    facts: dict[str, Any] = {"versions": versions(), "processor": "", "speed": 0.0, "cuda": False, "problem": ""}
    try:
        import torchvision  # noqa: F401

        import core.training.session  # noqa: F401 - all that a training needs
    except ImportError as error:
        facts["problem"] = f"lacks the package {error.name}: run pip install -r requirements.txt there."
        return facts
    import torch

    from core.stores.hardware import device_name

    facts |= {"processor": device_name(torch.device("cpu")), "cuda": torch.cuda.is_available()}
    torch.set_num_threads(1)
    square = torch.rand(SPEED_SIDE, SPEED_SIDE)
    rounds, began = 0, time.perf_counter()
    while time.perf_counter() - began < SPEED_SECONDS:
        square = (square @ square).sigmoid()
        rounds += 1
    facts["speed"] = round(rounds * SPEED_SIDE**3 / (time.perf_counter() - began) / 1e9, 1)
    return facts


def find_problem(name: str, gpus: int, facts: dict[str, Any], here: dict[str, str]) -> str:
    """Why no training may run on a node, in a sentence; empty where they may.

    Args:
        name: of the node.
        gpus: that Ray found there.
        facts: from `describe_node`.
        here: versions of the presenter's machine.
    """
    if facts["problem"]:
        return f"{name} {facts['problem']}"
    for package, version in here.items():
        theirs = facts["versions"].get(package, "")
        if theirs != version:
            has = f"{package} {theirs}" if theirs else f"no {package}"
            return f"{name} has {has}, this machine {version}: install the same version on both."
    if gpus and not facts["cuda"]:
        remedy = "install torch with CUDA there, or start Ray with --num-gpus 0"
        return f"{name} has a GPU that its torch cannot use: {remedy}."
    return ""
