"""A whole run in one process: phases, files, the one look at the test split."""

import dataclasses
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from core.checkpoints.checkpoint import load_network
from core.config.events import Described, EpochDone, Event, Measured, PhaseStarted
from core.config.events import Tested as Evaluated  # pytest takes classes called Test… for tests
from core.config.train_config import TrainConfig
from core.datasets.dataset import Dataset
from core.errors import ConfigError, DivergedError, RunError, WeightsError
from core.predict.predictor import Predictor
from core.runs.run import Run
from core.runs.run_files import BEST, CHECKPOINTS
from core.settings import Settings
from core.statistics.predictions import read_predictions
from core.steps import StopSignal, run_step
from core.stores.hardware import Hardware
from core.training.evaluation import evaluate
from core.training.preparation import prepare
from core.training.session import train

never = StopSignal()


def evaluated_of(events: list[Event]) -> Evaluated:
    (tested,) = [event for event in events if isinstance(event, Evaluated)]
    return tested


def test_a_run_prepares_trains_and_tests(
    settings: Settings, drawn: Dataset, small_config: TrainConfig, tmp_path: Path
) -> None:
    events = list(train(small_config, drawn, settings, tmp_path, never))
    phases = [event.phase for event in events if isinstance(event, PhaseStarted)]
    assert phases == ["preparing", "training", "testing"]
    tested = evaluated_of(events)
    table = read_predictions(tmp_path / "predictions.csv")
    assert table.image_ids == tuple(row.pixel_hash for row in drawn.rows_of("test"))
    assert (tested.correct, tested.images) == (int(table.correct.sum()), table.n)
    described = next(event for event in events if isinstance(event, Described))
    assert described.hardware["precision"] == "fp32"


def test_the_best_epoch_is_the_one_that_is_tested(
    settings: Settings, drawn: Dataset, small_config: TrainConfig, tmp_path: Path
) -> None:
    config = small_config.model_copy(update={"epochs": 6, "learning_rate": 0.01})
    events = list(train(config, drawn, settings, tmp_path, never))
    best = [event for event in events if isinstance(event, EpochDone) and event.best][-1]
    _, checkpoint = load_network(tmp_path / CHECKPOINTS, BEST)
    assert (checkpoint.epoch, checkpoint.val_accuracy) == (best.epoch, best.val_accuracy)
    assert evaluated_of(events).epoch == best.epoch


def test_a_run_is_evaluated_once(settings: Settings, drawn: Dataset, small_config: TrainConfig, tmp_path: Path) -> None:
    list(train(small_config, drawn, settings, tmp_path, never))
    with pytest.raises(RunError, match="evaluated on the test split already"):
        list(evaluate(drawn, settings, tmp_path, never))


def test_training_never_reads_the_test_images(
    settings: Settings, drawn: Dataset, small_config: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from core.stores.pixels import PixelStore

    read: set[int] = set()
    take = PixelStore.take

    def watched(self: PixelStore, indices: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
        read.update(int(index) for index in indices)
        return take(self, indices)

    monkeypatch.setattr(PixelStore, "take", watched)
    test_indices = {row.index for row in drawn.rows_of("test")}
    for event in train(small_config, drawn, settings, tmp_path, never):
        if isinstance(event, PhaseStarted) and event.phase == "testing":
            assert not read & test_indices
    assert read >= test_indices


def test_prediction_sees_exactly_what_the_test_saw(
    settings: Settings, drawn: Dataset, small_config: TrainConfig, tmp_path: Path
) -> None:
    list(train(small_config, drawn, settings, tmp_path, never))
    table = read_predictions(tmp_path / "predictions.csv")
    predictor = Predictor(settings)
    rows = drawn.rows_of("test")
    found = predictor.predict(Run(tmp_path), [(row.name, drawn.image_path(row)) for row in rows])
    for place, prediction in enumerate(found):
        by_label = dict(prediction.top)
        expected = table.probabilities[place]
        assert [by_label[name] for name in table.classes] == pytest.approx(list(expected), abs=1e-6)


def test_the_same_command_twice_gives_the_same_test_loss_to_the_last_digit(
    settings: Settings, drawn: Dataset, small_config: TrainConfig, tmp_path: Path
) -> None:
    results = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        events = list(train(small_config, drawn, settings, tmp_path / name, never))
        results.append([(e.loss, e.accuracy) for e in events if isinstance(e, Evaluated)])
    assert results[0] == results[1]


def test_a_training_keeps_its_threads_when_it_resumes_with_another_share_of_the_processor(
    settings: Settings, drawn: Dataset, small_config: TrainConfig
) -> None:
    earlier = {**Hardware(torch.device("cpu"), "here", 2, "fp32", "").to_json(), "threads": 2}
    alone = dataclasses.replace(settings, threads=1)
    prepared = run_step(prepare(small_config, drawn, alone, never))
    assert (prepared.hardware.threads, torch.get_num_threads()) == (1, 1)
    try:
        resumed = run_step(prepare(small_config, drawn, alone, never, earlier))
        assert (resumed.hardware.threads, torch.get_num_threads()) == (2, 2)
        earlier["threads"] = 4096  # it began on a larger machine
        resumed = run_step(prepare(small_config, drawn, alone, never, earlier))
        assert resumed.hardware.threads == max(1, os.cpu_count() or 1)
    finally:
        torch.set_num_threads(settings.threads)


def test_a_diverged_run_keeps_finite_weights(
    settings: Settings, drawn: Dataset, small_config: TrainConfig, tmp_path: Path
) -> None:
    config = small_config.model_copy(
        update={"learning_rate": 1e6, "optimizer": "sgd", "gradient_clip": 0.0, "batch_norm": False, "epochs": 30}
    )
    with pytest.raises(DivergedError, match="learning rate"):
        list(train(config, drawn, settings, tmp_path, never))
    network, _ = load_network(tmp_path / CHECKPOINTS, BEST)
    assert all(torch.isfinite(value).all() for value in network.parameters())


def test_a_dataset_without_a_test_split_is_evaluated_on_validation_and_reports_it(
    settings: Settings, drawn: Dataset, small_config: TrainConfig, tmp_path: Path
) -> None:
    import dataclasses

    rows = tuple(dataclasses.replace(row, split="train" if row.split == "test" else row.split) for row in drawn.rows)
    events = list(train(small_config, dataclasses.replace(drawn, rows=rows), settings, tmp_path, never))
    assert evaluated_of(events).split == "val"
    assert not (tmp_path / "validation.csv").exists()
    assert isinstance(events[-1], Measured)


def test_missing_weights_are_named_in_one_sentence(
    settings: Settings, drawn: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("TUNEMYPETS_WEIGHTS_URL", "http://127.0.0.1:9/")
    with pytest.raises(WeightsError) as caught:
        list(train(TrainConfig(dataset="drawn", model="mobilenet_v2"), drawn, settings, tmp_path, never))
    sentence = str(caught.value)
    for part in (
        "mobilenet_v2-b0353104.pth",
        "TORCH_HOME",
        "python -m core prefetch mobilenet_v2",
        "choose efficientnet_lite0, whose weights are on this machine",
    ):
        assert part in sentence
    assert str(tmp_path) not in sentence, "a folder of the server"


def test_the_sigmoid_head_is_refused_for_three_classes(
    settings: Settings, drawn: Dataset, small_config: TrainConfig, tmp_path: Path
) -> None:
    import dataclasses

    three = dataclasses.replace(drawn, summary=dataclasses.replace(drawn.summary, classes=("a", "b", "c")))
    config = small_config.model_copy(update={"head": "sigmoid"})
    with pytest.raises(ConfigError, match="two classes"):
        list(train(config, three, settings, tmp_path, never))


@pytest.mark.parametrize("damage", ["cut", "huge header", "nan", "no sidecar"])
def test_a_damaged_checkpoint_is_refused_with_a_sentence(
    settings: Settings, drawn: Dataset, small_config: TrainConfig, tmp_path: Path, damage: str
) -> None:
    list(train(small_config, drawn, settings, tmp_path, never))
    weights = tmp_path / CHECKPOINTS / f"{BEST}.safetensors"
    if damage == "cut":
        weights.write_bytes(weights.read_bytes()[:2000])
    elif damage == "huge header":
        weights.write_bytes((38_000_000).to_bytes(8, "little") + b" " * 1000)
    elif damage == "nan":
        from safetensors.torch import load_file, save_file

        tensors = load_file(weights)
        next(value for value in tensors.values() if value.is_floating_point()).fill_(float("nan"))
        save_file(tensors, weights)
    else:
        (tmp_path / CHECKPOINTS / f"{BEST}.json").unlink()
    with pytest.raises(RunError, match=r"train (it|the run)"):
        load_network(tmp_path / CHECKPOINTS, BEST)
