"""What a run keeps of known pictures when it is evaluated: the same as from pixels, for every kind of network."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from core.checkpoints.checkpoint import load_network
from core.config.train_config import TrainConfig
from core.datasets.dataset import Dataset
from core.novelty.novelty import Novelty, read_novelty
from core.runs.run_files import BEST, CHECKPOINTS, NOVELTY
from core.settings import Settings
from core.statistics.predictions import read_predictions
from core.steps import StopSignal
from core.stores.activations import Prefix
from core.training.evaluation import evaluate
from core.training.session import train
from tests.support.small_runs import SMALL_SCRATCH

never = StopSignal()


def read(folder: Path, dataset: Dataset) -> Novelty:
    found = read_novelty(folder / NOVELTY, dataset.classes)
    assert found is not None
    return found


@pytest.fixture
def trained(settings: Settings, drawn: Dataset, tmp_path: Path) -> Path:
    """The folder of a head with one output neuron on petnet."""
    config = TrainConfig(dataset=drawn.id, model="petnet", strategy="head", head="sigmoid", epochs=2, precision="fp32")
    folder = tmp_path / "trained"
    folder.mkdir()
    list(train(config, drawn, settings, folder, never))
    return folder


def test_a_head_keeps_its_stored_activations_and_the_same_comes_from_pixels(
    settings: Settings, drawn: Dataset, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = read(trained, drawn)
    assert stored.epoch == load_network(trained / CHECKPOINTS, BEST)[1].epoch
    assert stored.reference.indices.tolist() == [row.index for row in drawn.rows_of("train")]
    val, test = (read_predictions(trained / name) for name in ("validation.csv", "predictions.csv"))
    assert np.array_equal(stored.val_probabilities, val.probabilities[np.arange(val.n), val.labels])
    assert np.array_equal(stored.test_indices, test.indices)
    folder = trained.parent / "again"
    shutil.copytree(trained, folder)
    (folder / "predictions.csv").unlink()
    monkeypatch.setattr(TrainConfig, "views", 0)
    list(evaluate(drawn, settings, folder, never))
    again = read(folder, drawn)
    assert again.val_scores == pytest.approx(stored.val_scores, abs=2e-3)
    assert again.reference.means == pytest.approx(stored.reference.means, abs=1e-4)


def test_the_training_pictures_of_a_head_are_not_passed_through_the_network_again(
    settings: Settings, drawn: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    passed: list[int] = []
    original = Prefix.__call__

    def count(self: Prefix, images: object) -> object:
        found = original(self, images)  # type: ignore[arg-type]
        passed.append(len(found))
        return found

    monkeypatch.setattr(Prefix, "__call__", count)
    config = TrainConfig(
        dataset=drawn.id, model="petnet", strategy="head", epochs=1, augment_crop=False, augment_flip=False,
        augment_colour=False,
    )  # fmt: skip
    list(train(config, drawn, settings, tmp_path, never))
    splits = {split: len(drawn.rows_of(split)) for split in ("train", "val", "test")}
    assert sum(passed) <= splits["train"] + 2 * splits["val"] + splits["test"] + 16, "and a test of the number format"
    assert (tmp_path / NOVELTY).exists()


def test_a_network_that_is_trained_whole_keeps_what_its_own_head_reads(
    settings: Settings, drawn: Dataset, tmp_path: Path
) -> None:
    config = TrainConfig.model_validate({**SMALL_SCRATCH, "dataset": drawn.id})
    list(train(config, drawn, settings, tmp_path, never))
    found = read(tmp_path, drawn)
    network, _ = load_network(tmp_path / CHECKPOINTS, BEST)
    assert found.reference.features.shape[1] == network.head.get_parameter("linear.weight").shape[1]
    assert len(found.val_scores) == len(drawn.rows_of("val"))
    assert np.isfinite(found.val_scores).all()


def test_an_evaluation_again_replaces_what_was_kept(settings: Settings, drawn: Dataset, trained: Path) -> None:
    (trained / NOVELTY).write_bytes(b"of earlier weights")
    (trained / "predictions.csv").unlink()
    list(evaluate(drawn, settings, trained, never))
    assert read(trained, drawn).images == len(drawn.rows_of("val"))
