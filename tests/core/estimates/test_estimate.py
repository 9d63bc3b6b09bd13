"""What is told about the time before a training: from what was measured, without what is in the stores."""

import dataclasses
from pathlib import Path

import pytest

from core.config.stages import describe_network, plan_stages
from core.config.train_config import TrainConfig
from core.datasets.dataset import Dataset
from core.estimates.estimate import STORING_MS, VALIDATION_COST, estimate
from core.settings import Settings
from core.steps import StopSignal
from core.stores.measurements import Measurements
from core.training.session import train

FIGURES = {
    "input": 1.0, "prefix_fp32": 20.0, "prefix_bf16": 10.0, "prefix_error": 0.01, "step_fp32": 40.0, "step_bf16": 30.0,
    "prefix_bytes": 5120.0,
}  # fmt: skip


def config_of(**changes: object) -> TrainConfig:
    return TrainConfig.model_validate({"dataset": "drawn", "model": "petnet", "strategy": "head", **changes})


def know(settings: Settings, config: TrainConfig, **more: float) -> None:
    what = describe_network(config, plan_stages(config, config.entry()))
    Measurements(settings).keep(what, {"name": "here", "threads": settings.threads}, {**FIGURES, **more})


def parts(settings: Settings, config: TrainConfig, dataset: Dataset) -> dict[str, float]:
    know(settings, config)
    found = estimate(settings, config, dataset)
    assert found is not None
    assert found.seconds == pytest.approx(sum(found.parts.values()))
    return found.parts


def test_there_is_no_estimate_for_a_network_that_was_not_measured(settings: Settings, drawn: Dataset) -> None:
    know(settings, config_of())
    assert estimate(settings, config_of(strategy="partial"), drawn) is None
    assert estimate(settings, config_of(model="mobilenet_v2"), drawn) is None


def test_what_was_measured_beside_other_programs_is_believed_for_a_while(
    settings: Settings, drawn: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    know(settings, config_of())
    quiet = estimate(settings, config_of(), drawn)
    know(settings, config_of(strategy="full"), others=1.2)
    busy = estimate(settings, config_of(strategy="full"), drawn)
    assert quiet is not None
    assert busy is not None
    assert (quiet.busy, quiet.outdated, busy.busy, busy.outdated) == (False, False, True, False)
    monkeypatch.setattr("core.stores.measurements.DOUBT_SECONDS", 0.0)
    later = estimate(settings, config_of(strategy="full"), drawn)
    assert later == dataclasses.replace(busy, outdated=True)
    assert estimate(settings, config_of(), drawn) == quiet


def test_every_view_of_a_frozen_part_costs_a_pass(settings: Settings, drawn: Dataset) -> None:
    train_count, val_count = len(drawn.rows_of("train")), len(drawn.rows_of("val"))
    one = parts(settings, config_of(stored_views=1), drawn)["frozen part"]
    three = parts(settings, config_of(stored_views=3), drawn)["frozen part"]
    assert one == pytest.approx((train_count + val_count) * 11.3 / 1000)
    assert three == pytest.approx((3 * train_count + val_count) * 11.3 / 1000)


def test_epochs_and_the_number_format_count(settings: Settings, drawn: Dataset) -> None:
    five = parts(settings, config_of(strategy="full", epochs=5), drawn)["training"]
    ten = parts(settings, config_of(strategy="full", epochs=10), drawn)["training"]
    exact = parts(settings, config_of(strategy="full", epochs=5, precision="fp32"), drawn)["training"]
    assert ten == pytest.approx(2 * five)
    assert exact > five


def test_looking_for_a_rate_costs_some_steps(settings: Settings, drawn: Dataset) -> None:
    config = config_of(strategy="full", epochs=5, find_rate=True)
    found = parts(settings, config, drawn)
    assert 0 < found["finding the rate"] < found["training"] * 80


def test_without_the_store_the_frozen_part_is_computed_in_every_epoch(settings: Settings, drawn: Dataset) -> None:
    stored = parts(settings, config_of(strategy="partial", epochs=5, stored_views=1), drawn)
    fresh = parts(settings, config_of(strategy="partial", epochs=5, stored_views=0), drawn)
    assert fresh["frozen part"] == 0
    assert fresh["training"] > stored["training"]


@pytest.mark.parametrize("segment", [16, 100_000])  # images of a file
def test_what_is_in_the_stores_is_left_out(
    settings: Settings, drawn: Dataset, tmp_path: Path, segment: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.stores.activations.SEGMENT", segment)
    config = config_of(epochs=1, precision="fp32")
    before = parts(settings, config, drawn)
    assert before["reading pictures"] > 0
    assert before["frozen part"] > 0
    list(train(config, drawn, settings, tmp_path, StopSignal()))
    after = parts(settings, config, drawn)
    assert "reading pictures" not in after
    assert after["frozen part"] == 0
    assert after["testing"] <= 0.1
    assert parts(settings, config_of(epochs=1, precision="fp32", stored_views=2), drawn)["frozen part"] > 0


def test_views_of_another_augmentation_are_not_taken_for_stored(
    settings: Settings, drawn: Dataset, tmp_path: Path
) -> None:
    config = config_of(epochs=1, precision="fp32", stored_views=2)
    know(settings, config)
    list(train(config, drawn, settings, tmp_path, StopSignal()))
    assert parts(settings, config, drawn)["frozen part"] == 0
    stronger = config.model_copy(update={"augment_strength": 0.9})
    assert parts(settings, stronger, drawn)["frozen part"] > 0


def test_what_does_not_fit_the_cache_is_computed_in_every_epoch(settings: Settings, drawn: Dataset) -> None:
    config = config_of(strategy="partial", epochs=5, stored_views=1)
    know(settings, config)
    small = dataclasses.replace(settings, cache_bytes=10_000)
    fits, too_large = estimate(settings, config, drawn), estimate(small, config, drawn)
    assert fits is not None
    assert too_large is not None
    assert too_large.parts["frozen part"] == 0
    assert too_large.parts["training"] > fits.parts["training"]


def test_a_budget_bounds_the_training(settings: Settings, drawn: Dataset) -> None:
    images = len(drawn.rows_of("train"))
    whole = parts(settings, config_of(strategy="full", epochs=4), drawn)["training"]
    half = parts(settings, config_of(strategy="full", epochs=1000, max_images=2 * images), drawn)["training"]
    assert half == pytest.approx(whole / 2)
    clock = parts(settings, config_of(strategy="full", epochs=1000, max_seconds=30), drawn)["training"]
    assert 30 <= clock < 32
    never = parts(settings, config_of(strategy="full", epochs=4, max_seconds=3000), drawn)["training"]
    assert never == pytest.approx(whole)


def test_a_frozen_part_takes_its_time_from_a_budget_whether_stored_or_not(
    settings: Settings, drawn: Dataset, tmp_path: Path
) -> None:
    config = config_of(strategy="head", epochs=1000, max_seconds=1, precision="fp32", stored_views=1)
    before = parts(settings, config, drawn)
    assert before["frozen part"] > 0
    assert before["training"] < 1 - before["frozen part"] + 0.1
    list(train(config_of(epochs=1, precision="fp32", stored_views=1), drawn, settings, tmp_path, StopSignal()))
    after = parts(settings, config, drawn)
    assert after["frozen part"] == 0
    assert after["training"] == pytest.approx(before["training"])


def test_the_validation_images_are_predicted_once_more_after_the_test(settings: Settings, drawn: Dataset) -> None:
    both = len(drawn.rows_of("test")) + len(drawn.rows_of("val"))
    assert parts(settings, config_of(strategy="full"), drawn)["testing"] == pytest.approx(both * 16.3 / 1000)


def test_workers_of_one_machine_gain_nothing_in_steps_and_lose_in_what_one_of_them_does_alone(
    settings: Settings, drawn: Dataset
) -> None:
    two = dataclasses.replace(settings, threads=2)
    alone = parts(two, config_of(strategy="partial", stored_views=1, epochs=2), drawn)
    shared = parts(two, config_of(strategy="partial", stored_views=1, epochs=2, workers=2), drawn)
    for name in ("reading pictures", "frozen part", "testing"):  # storing takes no longer
        assert 1.9 * alone[name] < shared[name] <= 2 * alone[name]
    looks = 2 * len(drawn.rows_of("val")) * VALIDATION_COST * FIGURES["step_bf16"] / 1000
    images = 2 * len(drawn.rows_of("train"))
    assert alone["training"] - looks == pytest.approx(images * (FIGURES["step_bf16"] + STORING_MS) / 1000)
    assert shared["training"] - 2 * looks == pytest.approx(images * (FIGURES["step_bf16"] + STORING_MS / 2) / 1000)


def test_what_a_worker_measured_with_its_own_threads_counts_before_a_guess(settings: Settings, drawn: Dataset) -> None:
    config = config_of(strategy="full", workers=2)
    two, one = (dataclasses.replace(settings, threads=threads) for threads in (2, 1))
    guessed = parts(two, config, drawn)["training"]
    quicker = {**FIGURES, "step_bf16": 33.0, "step_fp32": 44.0}  # not twice as long as with two threads
    what = describe_network(config, plan_stages(config, config.entry()))
    Measurements(one).keep(what, {"name": "here", "threads": 1}, quicker)
    found = estimate(two, config, drawn)
    assert found is not None
    assert found.parts["training"] < 0.6 * guessed
