"""A teacher for tests: small, with random weights, where its official file would lie."""

from pathlib import Path

import pytest
import torch

from models.catalog import CATALOG
from models.pretrained import build_original


@pytest.fixture
def small_teacher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a network whose weights are there."""
    entry = CATALOG["mobilenet_v3_small"]
    assert entry.weights is not None
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        state = build_original(entry.name).state_dict()
    folder = tmp_path / "torch" / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    torch.save(state, folder / entry.weights.file_name)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    return entry.name
