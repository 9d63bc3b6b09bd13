"""A teacher for tests: small, with random weights, where its official file would lie."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from models.catalog import CATALOG
from models.pretrained import build_original

TEACHER = CATALOG["mobilenet_v3_small"]


@pytest.fixture(scope="module", autouse=True)
def products_in_fp32() -> Iterator[None]:
    """Let Muon multiply matrices in fp32: where the processor has no bf16, a step in it takes 3 s and not 0.3 s."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.Tensor, "bfloat16", torch.Tensor.float)
        yield


@pytest.fixture(scope="session")
def teacher_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A `TORCH_HOME` with the teacher's weights."""
    assert TEACHER.weights is not None
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        state = build_original(TEACHER.name).state_dict()
    home = tmp_path_factory.mktemp("teacher")
    folder = home / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    torch.save(state, folder / TEACHER.weights.file_name)
    return home


@pytest.fixture
def small_teacher(teacher_home: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a network whose weights are there."""
    monkeypatch.setenv("TORCH_HOME", str(teacher_home))
    return TEACHER.name
