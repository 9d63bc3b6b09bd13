"""The test of a run: the same figures from stored activations as from pixels, and once only."""

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from core.checkpoints.checkpoint import load_network, save_checkpoint
from core.config.events import Message
from core.config.events import Tested as Evaluated  # pytest takes classes called Test… for tests
from core.config.train_config import TrainConfig
from core.datasets.dataset import Dataset
from core.errors import RunError
from core.predict.predictor import Predictor
from core.runs.run import Run
from core.runs.run_files import BEST, CHECKPOINTS
from core.settings import Settings
from core.statistics.calibration import calibrate
from core.statistics.predictions import PredictionTable, read_predictions
from core.steps import StopSignal
from core.stores.activations import Prefix
from core.training import evaluation
from core.training.evaluation import evaluate
from core.training.session import train

never = StopSignal()


@pytest.fixture
def trained(settings: Settings, drawn: Dataset, tmp_path: Path) -> Path:
    """The folder of a head on petnet that was tested from stored activations."""
    config = TrainConfig(dataset=drawn.id, model="petnet", strategy="head", epochs=2, precision="fp32")
    folder = tmp_path / "trained"
    folder.mkdir()
    list(train(config, drawn, settings, folder, never))
    return folder


def evaluated_again(settings: Settings, drawn: Dataset, trained: Path, name: str) -> np.ndarray:  # type: ignore[type-arg]
    folder = trained.parent / name
    shutil.copytree(trained, folder)
    (folder / "predictions.csv").unlink()
    list(evaluate(drawn, settings, folder, never))
    return read_predictions(folder / "predictions.csv").probabilities


def test_stored_activations_and_pixels_give_the_same_predictions(
    settings: Settings, drawn: Dataset, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = read_predictions(trained / "predictions.csv").probabilities
    monkeypatch.setattr(TrainConfig, "views", 0)
    from_pixels = evaluated_again(settings, drawn, trained, "pixels")
    assert from_pixels == pytest.approx(stored, abs=2e-6)


def test_the_stored_probabilities_of_a_saturated_head_hold_its_whole_loss(
    settings: Settings, drawn: Dataset, trained: Path
) -> None:
    network, checkpoint = load_network(trained / CHECKPOINTS, BEST)
    with torch.no_grad():
        for parameter in network.head.parameters():
            parameter.mul_(-60)  # sure, and wrong
    save_checkpoint(trained / CHECKPOINTS, BEST, network, checkpoint)
    (trained / "predictions.csv").unlink()
    (tested,) = [event for event in evaluate(drawn, settings, trained, never) if isinstance(event, Evaluated)]
    table = read_predictions(trained / "predictions.csv")
    assert table.probabilities.min() < 1e-46, "below the smallest float32"
    assert calibrate(table, None).nll == pytest.approx(tested.loss, rel=1e-5)


def test_a_second_head_reuses_the_activations_of_the_test_images(
    settings: Settings, drawn: Dataset, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Prefix, "__call__", lambda *_: pytest.fail("the frozen part was evaluated again"))
    again = evaluated_again(settings, drawn, trained, "again")
    assert np.array_equal(again, read_predictions(trained / "predictions.csv").probabilities)


def test_a_full_disk_costs_the_store_and_not_the_test(
    settings: Settings, drawn: Dataset, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> object:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(evaluation, "open_activations", full)
    again = evaluated_again(settings, drawn, trained, "full")
    assert again == pytest.approx(read_predictions(trained / "predictions.csv").probabilities, abs=2e-6)


def table_of(folder: Path, name: str = "validation.csv") -> PredictionTable:
    return read_predictions(folder / name)


def test_the_validation_images_are_predicted_with_the_tested_weights(
    settings: Settings, drawn: Dataset, trained: Path
) -> None:
    table = table_of(trained)
    assert table.split == "val"
    assert table.image_ids == tuple(row.pixel_hash for row in drawn.rows_of("val"))
    network, checkpoint = load_network(trained / CHECKPOINTS, BEST)
    assert table.accuracy == pytest.approx(checkpoint.val_accuracy)  # a head in fp32: training saw the same numbers
    del network
    run = Run(trained)
    assert np.array_equal(run.validation_predictions().probabilities, table.probabilities)


def test_the_validation_images_are_predicted_as_the_test_images_are(
    settings: Settings, drawn: Dataset, small_config: TrainConfig, tmp_path: Path
) -> None:
    list(train(small_config, drawn, settings, tmp_path, never))
    rows = drawn.rows_of("val")
    found = Predictor(settings).predict(Run(tmp_path), [(row.name, drawn.image_path(row)) for row in rows])
    table = table_of(tmp_path)
    for place, prediction in enumerate(found):
        by_label = dict(prediction.top)
        assert [by_label[name] for name in table.classes] == pytest.approx(list(table.probabilities[place]), abs=1e-6)


def test_what_goes_wrong_after_the_test_leaves_it_as_it_is(
    settings: Settings, drawn: Dataset, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = trained.parent / "again"
    shutil.copytree(trained, folder)
    for name in ("predictions.csv", "validation.csv"):
        (folder / name).unlink()
    write = evaluation.write_predictions

    def full(path: Path, table: PredictionTable) -> None:
        if path.name == "validation.csv":
            raise OSError(28, "No space left on device")
        write(path, table)

    monkeypatch.setattr(evaluation, "write_predictions", full)
    events = list(evaluate(drawn, settings, folder, never))
    assert [event for event in events if isinstance(event, Evaluated)]
    assert isinstance(events[-1], Message)
    assert "the test result stands" in events[-1].text
    assert Run(folder).predictions().n == len(drawn.rows_of("test"))
    with pytest.raises(RunError, match="has no predictions on its validation pictures"):
        Run(folder).validation_predictions()


def test_a_stop_between_the_test_and_the_validation_images_keeps_the_test(
    settings: Settings, drawn: Dataset, trained: Path
) -> None:
    folder = trained.parent / "again"
    shutil.copytree(trained, folder)
    for name in ("predictions.csv", "validation.csv"):
        (folder / name).unlink()
    events = list(evaluate(drawn, settings, folder, StopSignal((folder / "predictions.csv").exists)))
    assert isinstance(events[-1], Evaluated)
    assert not (folder / "validation.csv").exists()


def test_without_a_test_split_the_validation_predictions_are_the_test_result(
    settings: Settings, drawn: Dataset, small_config: TrainConfig, tmp_path: Path
) -> None:
    rows = tuple(dataclasses.replace(row, split="train" if row.split == "test" else row.split) for row in drawn.rows)
    list(train(small_config, dataclasses.replace(drawn, rows=rows), settings, tmp_path, never))
    assert not (tmp_path / "validation.csv").exists()
    assert Run(tmp_path).validation_predictions().split == "val"
