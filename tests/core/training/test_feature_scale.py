"""Features that are too large for a new head are scaled to 1, and the saved weights have taken the scale over."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from core.checkpoints.checkpoint import load_network, read_sidecar
from core.config.events import EpochDone, Event, Message, PointDone
from core.config.race_plan import RacePlan
from core.config.train_config import TrainConfig
from core.datasets.dataset import Dataset
from core.errors import DivergedError
from core.runs.run_files import BEST, CHECKPOINTS
from core.settings import Settings
from core.statistics.calibration import calibrate
from core.statistics.predictions import read_predictions
from core.steps import StopSignal, run_step
from core.stores.training_data import Indices
from core.training.feeds import ActivationFeed
from core.training.preparation import Prepared, prepare
from core.training.series import train_series
from core.training.session import train
from models.network import Network

STRATEGIES: list[dict[str, Any]] = [
    {"strategy": "head"},
    {"strategy": "head", "stored_views": 0},
    {"strategy": "partial", "freeze_point": "stage3"},
    {"strategy": "full"},
    {"strategy": "gradual"},
    {"strategy": "head", "head": "sigmoid"},
]
LOG_2 = 0.693

never = StopSignal()


def config_of(**changes: Any) -> TrainConfig:
    return TrainConfig(dataset="drawn", model="petnet", epochs=2, precision="fp32").variant(**changes)


def prepared_of(settings: Settings, dataset: Dataset, config: TrainConfig) -> Prepared:
    return run_step(prepare(config, dataset, settings, never))


def size_of(prepared: Prepared) -> float:
    """Root mean square of what reaches the linear layer, over the whole training split."""
    seen: list[torch.Tensor] = []
    linear = prepared.network.head.get_submodule("linear")
    hook = linear.register_forward_pre_hook(lambda _, given: seen.append(given[0].detach()))
    prepared.network.eval()
    feed = prepared.feeds[0]
    prepared.network.freeze(prepared.stages[0].freeze_point)
    feed.start_epoch(1)
    feed.train_logits(prepared.network, prepared.data.train.shuffled(np.random.default_rng(0)))
    hook.remove()
    return float(torch.cat(seen).square().mean().sqrt())


@pytest.mark.parametrize("changes", STRATEGIES, ids=str)
def test_large_features_reach_the_head_with_a_size_of_one(
    settings: Settings, drawn: Dataset, large_features: None, changes: dict[str, Any]
) -> None:
    prepared = prepared_of(settings, drawn, config_of(augment_crop=False, **changes))
    assert 0.02 < prepared.network.feature_scale < 0.2
    assert size_of(prepared) == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize("changes", STRATEGIES, ids=str)
def test_features_of_a_usual_size_reach_the_head_as_they_are(
    settings: Settings, drawn: Dataset, changes: dict[str, Any]
) -> None:
    network = prepared_of(settings, drawn, config_of(**changes)).network
    assert network.feature_scale == 1.0
    assert [name for name, _ in network.head.named_children()] == ["linear"]


def test_a_network_from_scratch_is_not_scaled(
    settings: Settings, drawn: Dataset, large_features: None, small_config: TrainConfig
) -> None:
    assert prepared_of(settings, drawn, small_config).network.feature_scale == 1.0


@pytest.mark.parametrize("changes", STRATEGIES, ids=str)
def test_the_first_loss_is_that_of_guessing_and_the_saved_weights_predict_as_the_trained_ones(
    settings: Settings, drawn: Dataset, large_features: None, tmp_path: Path, changes: dict[str, Any]
) -> None:
    events: list[Event] = list(train(config_of(**changes), drawn, settings, tmp_path, never))
    epochs = [event for event in events if isinstance(event, EpochDone)]
    assert epochs[0].train_loss < 1.2 * LOG_2
    assert sum("scaled to 1" in event.text for event in events if isinstance(event, Message)) == 1

    network, checkpoint = load_network(tmp_path / CHECKPOINTS, BEST)
    assert 0.02 < checkpoint.feature_scale < 0.2
    assert network.feature_scale == 1.0
    best = [epoch for epoch in epochs if epoch.best][-1]
    validation = read_predictions(tmp_path / "validation.csv")
    assert validation.accuracy == best.val_accuracy
    assert calibrate(validation, None).nll == pytest.approx(best.val_loss, rel=1e-3)


def test_without_the_scale_the_first_loss_is_far_above_that_of_guessing(
    settings: Settings, drawn: Dataset, large_features: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.training.preparation.measure_scale", lambda *_: 1.0)
    events = list(train(config_of(), drawn, settings, tmp_path, never))
    assert next(event for event in events if isinstance(event, EpochDone)).train_loss > 3 * LOG_2
    assert read_sidecar(tmp_path / CHECKPOINTS, BEST).feature_scale == 1.0


def test_a_run_that_diverges_at_once_keeps_the_weights_it_began_with(
    settings: Settings, drawn: Dataset, large_features: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def spoil(network: Network, feed: ActivationFeed, places: Indices) -> torch.Tensor:
        with torch.no_grad():
            network.head.get_parameter("linear.weight").fill_(torch.nan)
        return network.trainable_part(feed.train[0].take(places))

    monkeypatch.setattr(ActivationFeed, "train_logits", lambda feed, network, places: spoil(network, feed, places))
    config = config_of()
    with pytest.raises(DivergedError):
        list(train(config, drawn, settings, tmp_path, never))
    found, checkpoint = load_network(tmp_path / CHECKPOINTS, BEST)
    assert checkpoint.epoch == 0
    began = prepared_of(settings, drawn, config).network
    assert torch.equal(found.state_dict()["head.linear.weight"], began.folded_state()["head.linear.weight"])


def test_the_largest_point_of_a_learning_curve_is_a_run_of_its_own(
    settings: Settings, drawn: Dataset, large_features: None, tmp_path: Path
) -> None:
    config = config_of()
    plan = RacePlan("curve", ("any",), (0,), "epochs", 2, (1, 12))
    point = [event for event in train_series(config, drawn, settings, plan, never) if isinstance(event, PointDone)][-1]
    list(train(config, drawn, settings, tmp_path, never))
    assert point.correct == int(read_predictions(tmp_path / "predictions.csv").correct.sum())
