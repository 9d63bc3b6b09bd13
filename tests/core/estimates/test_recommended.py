"""Which network is offered first, by what is here and how long it takes on this machine."""

from pathlib import Path
from typing import Any

import pytest

from core.config.stages import describe_network, plan_stages
from core.config.train_config import TrainConfig
from core.datasets.dataset import Dataset
from core.estimates.recommended import milliseconds_per_image, recommend_network
from core.settings import Settings
from core.stores.measurements import Measurements
from models import weights
from models.catalog import CATALOG


def measured(settings: Settings, dataset: Dataset, name: str, milliseconds: float, others: float = 0.0) -> None:
    """Remember that an image takes so long, while other programs used so many processor cores."""
    config = TrainConfig(dataset=dataset.id, model=name)
    times = {"prefix_fp32": milliseconds, "prefix_bf16": 2 * milliseconds, "step_fp32": 0.1, "step_bf16": 0.1}
    figures = {**times, "prefix_error": 0.0, "prefix_bytes": 2560.0, "input": 1.0, "others": others}
    what: dict[str, Any] = describe_network(config, plan_stages(config, config.entry()))
    Measurements(settings).keep(what, {"threads": settings.threads}, figures)


def downloaded(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Let the weights of a network seem to be here."""
    monkeypatch.setenv("TORCH_HOME", str(folder))
    wanted = CATALOG[name].weights
    assert wanted is not None
    weights.checkpoint_dir().mkdir(parents=True)
    (weights.checkpoint_dir() / wanted.file_name).write_bytes(b"there")


def test_the_one_that_pip_installs_is_offered_before_anything_was_measured(settings: Settings, drawn: Dataset) -> None:
    found = recommend_network(settings, drawn)
    assert (found.network.name, found.seconds) == ("efficientnet_lite0", None)


def test_a_slow_machine_takes_petnet(settings: Settings, drawn: Dataset) -> None:
    measured(settings, drawn, "efficientnet_lite0", 5_000.0)
    assert recommend_network(settings, drawn).network.name == "petnet"
    measured(settings, drawn, "petnet", 1.0)
    found = recommend_network(settings, drawn)
    assert found.network.name == "petnet"
    assert found.seconds is not None


@pytest.mark.parametrize(
    ("milliseconds", "network", "doubtful"),
    [(20.0, "efficientnet_lite0", False), (2_500.0, "efficientnet_lite0", True), (50_000.0, "petnet", False)],
)
def test_a_time_taken_on_a_busy_machine_shows_that_a_network_is_quick_but_not_that_it_is_slow(
    settings: Settings, drawn: Dataset, milliseconds: float, network: str, doubtful: bool
) -> None:
    measured(settings, drawn, "petnet", 1.0)
    measured(settings, drawn, "efficientnet_lite0", milliseconds, others=0.6 * settings.threads)
    found = recommend_network(settings, drawn)
    assert (found.network.name, found.doubtful) == (network, doubtful)


def test_a_network_that_is_large_and_doubtful_gives_way_to_one_that_is_known_to_be_quick(
    settings: Settings, drawn: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    downloaded(tmp_path, monkeypatch, "convnext_tiny")
    measured(settings, drawn, "convnext_tiny", 2_500.0, others=0.6 * settings.threads)
    measured(settings, drawn, "efficientnet_lite0", 20.0)
    found = recommend_network(settings, drawn)
    assert (found.network.name, found.doubtful) == ("efficientnet_lite0", True)


def test_a_more_accurate_one_that_was_downloaded_is_offered_once_it_is_known_to_be_quick(
    settings: Settings, drawn: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    downloaded(tmp_path, monkeypatch, "convnext_tiny")
    assert recommend_network(settings, drawn).network.name == "efficientnet_lite0"
    measured(settings, drawn, "convnext_tiny", 20.0)
    found = recommend_network(settings, drawn)
    assert found.network.name == "convnext_tiny"
    assert found.seconds is not None
    assert found.seconds < 75


def test_the_time_of_an_image_is_known_after_a_measurement(settings: Settings, drawn: Dataset) -> None:
    entry = CATALOG["efficientnet_lite0"]
    assert milliseconds_per_image(settings, entry) is None
    measured(settings, drawn, entry.name, 12.5)
    assert milliseconds_per_image(settings, entry) == 12.5
    assert milliseconds_per_image(settings, CATALOG["scratch_cnn"]) is None
