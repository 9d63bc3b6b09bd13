"""Fixtures of all tests: a data root of their own, the folder of real photographs and weights, skips that CI refuses."""

import os
from pathlib import Path

import pytest

from core.settings import PROJECT_ROOT, Settings


def skip_or_fail(reason: str) -> None:
    """Skip a test that lacks something, or fail it where `CI=true` promises that nothing is lacking."""
    if os.environ.get("CI", "").lower() in ("1", "true"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty data root, also for every process that the test starts."""
    root = tmp_path / "workspace"
    monkeypatch.setenv("TUNEMYPETS_HOME", str(root))
    return root


@pytest.fixture
def settings(home: Path) -> Settings:
    """Settings whose data root is empty and belongs to this test."""
    return Settings.from_environment()


def shared_folder() -> Path:
    """Where real photographs and weights lie: `TUNEMYPETS_SHARED`, by default `shared/` beside the project."""
    return Path(os.environ.get("TUNEMYPETS_SHARED", PROJECT_ROOT.parent / "shared"))


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder with `data/`, `odd_files/` and `torch/`."""
    folder = shared_folder()
    if not (folder / "data").is_dir():
        skip_or_fail("This test wants real photographs: set TUNEMYPETS_SHARED to the folder that holds data/.")
    return folder


@pytest.fixture
def shared_weights(shared_data: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """`TORCH_HOME` with ImageNet weights of MobileNetV2 and SqueezeNet."""
    folder = shared_data / "torch"
    if not (folder / "hub" / "checkpoints").is_dir():
        skip_or_fail("This test wants pretrained weights: set TUNEMYPETS_SHARED to the folder that holds torch/.")
    monkeypatch.setenv("TORCH_HOME", str(folder))
    return folder
