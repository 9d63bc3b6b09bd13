"""The test of a run: the same figures from stored activations as from pixels, and once only."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from core.datasets.dataset import Dataset
from core.evaluation.predictions import read_predictions
from core.settings import Settings
from core.training import judging
from core.training.activations import Prefix
from core.training.config import TrainConfig
from core.training.judging import judge
from core.training.session import train


def never() -> bool:
    return False


@pytest.fixture
def trained(settings: Settings, drawn: Dataset, tmp_path: Path) -> Path:
    """The folder of a head on petnet that was tested from stored activations."""
    config = TrainConfig(dataset=drawn.id, model="petnet", strategy="head", epochs=2, precision="fp32")
    folder = tmp_path / "trained"
    folder.mkdir()
    list(train(config, drawn, settings, folder, never))
    return folder


def judged_again(settings: Settings, drawn: Dataset, trained: Path, name: str) -> np.ndarray:  # type: ignore[type-arg]
    folder = trained.parent / name
    shutil.copytree(trained, folder)
    (folder / "predictions.csv").unlink()
    list(judge(drawn, settings, folder, never))
    return read_predictions(folder / "predictions.csv").probabilities


def test_stored_activations_and_pixels_give_the_same_predictions(
    settings: Settings, drawn: Dataset, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = read_predictions(trained / "predictions.csv").probabilities
    monkeypatch.setattr(judging, "_stored_answers", lambda *_: iter(()))
    from_pixels = judged_again(settings, drawn, trained, "pixels")
    assert from_pixels == pytest.approx(stored, abs=2e-6)


def test_a_second_head_finds_the_test_pictures_looked_at(
    settings: Settings, drawn: Dataset, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Prefix, "__call__", lambda *_: pytest.fail("the frozen part was evaluated again"))
    again = judged_again(settings, drawn, trained, "again")
    assert np.array_equal(again, read_predictions(trained / "predictions.csv").probabilities)


def test_a_full_disk_costs_the_store_and_not_the_test(
    settings: Settings, drawn: Dataset, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> object:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(judging, "open_activations", full)
    again = judged_again(settings, drawn, trained, "full")
    assert again == pytest.approx(read_predictions(trained / "predictions.csv").probabilities, abs=2e-6)
