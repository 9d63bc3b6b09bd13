"""The learning-rate finder: finds a rate that learns, changes nothing, and gives the run its rate."""

import copy
from pathlib import Path

import numpy as np
import pytest
import torch

from core.checkpoints.checkpoint import build_network
from core.config.events import EpochDone, Message, Progress, RateFound
from core.config.stages import fitted_rate
from core.config.train_config import TrainConfig, parse_config
from core.datasets.dataset import Dataset
from core.errors import ConfigError
from core.estimates.estimate import SEARCH_STEPS
from core.settings import Settings
from core.steps import Stopped, StopSignal, run_step
from core.stores.hardware import Hardware
from core.stores.pixels import open_store
from core.stores.training_data import SplitData, TrainingData
from core.training.feeds import PixelFeed
from core.training.rate_finder import find_rate, pick_rate
from core.training.session import train

CPU = Hardware(torch.device("cpu"), "test", 1, "fp32", "test")
RATES = [float(rate) for rate in np.geomspace(1e-5, 1, 11)]


never = StopSignal()


@pytest.fixture
def data(settings: Settings, drawn: Dataset, small_config: TrainConfig) -> TrainingData:
    spec = small_config.entry().preprocessing
    store = run_step(open_store(settings, drawn, spec, never))
    return TrainingData(store, SplitData.of(drawn, "train"), SplitData.of(drawn, "val"), spec)


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_the_curve_falls_and_the_rate_lies_on_its_way_down(
    settings: Settings, data: TrainingData, small_config: TrainConfig, optimizer: str
) -> None:
    config = small_config.model_copy(update={"optimizer": optimizer})
    network = build_network(settings, config, 2)
    before, random = copy.deepcopy(network.state_dict()), torch.get_rng_state()
    progress: list[Progress] = []
    step = find_rate(network, PixelFeed(data, config, CPU), data, config, CPU, never)
    found = run_step(step, progress.append)
    assert min(found.losses) < found.losses[0]
    assert found.rates[0] < found.chosen < found.rates[int(np.argmin(found.losses))]
    assert len(found.rates) == len(found.losses) <= SEARCH_STEPS
    assert [item.done for item in progress] == list(range(1, len(found.losses) + 1))
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())
    assert torch.equal(random, torch.get_rng_state())


def test_it_stops_when_asked(settings: Settings, data: TrainingData, small_config: TrainConfig) -> None:
    network = build_network(settings, small_config, 2)
    feed = PixelFeed(data, small_config, CPU)
    with pytest.raises(Stopped):
        next(find_rate(network, feed, data, small_config, CPU, StopSignal(lambda: True)))


def test_losses_that_are_not_finite_end_the_search(
    settings: Settings, data: TrainingData, small_config: TrainConfig
) -> None:
    config = small_config.model_copy(update={"optimizer": "sgd", "gradient_clip": 0.0, "batch_norm": False})
    network = build_network(settings, config, 2)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(1e20)
    found = run_step(find_rate(network, PixelFeed(data, config, CPU), data, config, CPU, never))
    assert found.chosen > 0
    assert all(np.isfinite(found.losses))


@pytest.mark.parametrize(
    ("losses", "expected"),
    [
        ([1.0, 1.0, 1.0, 0.9, 0.6, 0.3, 0.2, 0.1, 0.5, 2.0, 4.0], 1e-5 * 10**2.5),  # three quarters of the way
        ([1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0, 1.0, 1.0, 1.0], RATES[7] / 3),  # never closer to the edge
        ([1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 1.6, 1.7, 1.8, 1.9, 2.0], 1e-5),  # it only rises: the lowest
    ],
)
def test_the_rate_is_taken_from_the_way_down(losses: list[float], expected: float) -> None:
    assert pick_rate(RATES, losses) == pytest.approx(expected, rel=0.05)


def test_a_run_trains_with_the_rate_that_was_found(
    settings: Settings, drawn: Dataset, small_config: TrainConfig, tmp_path: Path
) -> None:
    config = small_config.model_copy(update={"find_rate": True, "schedule": "constant"})
    events = list(train(config, drawn, settings, tmp_path, never))
    found = next(event for event in events if isinstance(event, RateFound))
    assert {event.learning_rate for event in events if isinstance(event, EpochDone)} == {found.chosen}
    assert any(isinstance(event, Message) and f"{found.chosen:.2g}" in event.text for event in events)


def test_the_second_stage_does_not_take_the_rate_of_the_first(
    settings: Settings, drawn: Dataset, tmp_path: Path
) -> None:
    config = TrainConfig(
        dataset=drawn.id, model="petnet", strategy="gradual", epochs=2, find_rate=True, schedule="constant",
        precision="fp32",
    )  # fmt: skip
    events = list(train(config, drawn, settings, tmp_path, never))
    found = next(event for event in events if isinstance(event, RateFound))
    assert [event.learning_rate for event in events if isinstance(event, EpochDone)] == [found.chosen, 0.001]


def test_a_rate_is_chosen_or_searched() -> None:
    with pytest.raises(ConfigError, match="find_rate"):
        parse_config({"dataset": "d", "find_rate": True, "learning_rate": 0.1})


def test_a_head_takes_larger_steps_the_fewer_it_has() -> None:
    config = TrainConfig(dataset="d", model="petnet")
    rates = [fitted_rate(config, steps, head_only=True) for steps in (10, 500, 5_000, 50_000)]
    assert rates == sorted(rates, reverse=True)
    assert (rates[0], rates[-1]) == (0.01, 0.001)
    assert fitted_rate(config, 10, head_only=False) == 0.001
    sgd = config.model_copy(update={"optimizer": "sgd"})
    assert fitted_rate(sgd, 10, head_only=False) == pytest.approx(0.01)
