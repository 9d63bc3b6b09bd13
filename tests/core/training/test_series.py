"""The points of a learning curve: each what a run of its own would be, whatever came before it."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from core.config.events import EpochDone, Message, PointDone, Progress
from core.config.events import Tested as Evaluated  # pytest takes classes called Test… for tests
from core.config.race_plan import RacePlan
from core.config.stages import describe_network, plan_stages
from core.config.train_config import TrainConfig
from core.datasets.dataset import Dataset
from core.errors import DivergedError
from core.estimates.estimate import estimate
from core.settings import Settings
from core.statistics.predictions import read_predictions
from core.steps import Stopped, StopSignal
from core.stores.measurements import Measurements
from core.stores.pixels import PixelStore
from core.stores.training_data import TrainingData
from core.training.series import train_series
from core.training.session import train
from core.training.subsets import estimate_series
from core.training.trainer import Trainer
from models.network import Network

PLAN = RacePlan("curve", ("any",), (0, 1), "epochs", 2, (1, 3, 12))
HEAD = {"dataset": "drawn", "model": "petnet", "strategy": "head", "epochs": 2, "batch_size": 8, "precision": "fp32"}


never = StopSignal()


def config_of(strategy: str, small_config: TrainConfig) -> TrainConfig:
    if strategy == "scratch":
        return small_config
    return TrainConfig.model_validate({**HEAD, "strategy": strategy})


def points_of(
    config: TrainConfig, dataset: Dataset, settings: Settings, plan: RacePlan = PLAN, **options: Any
) -> list[PointDone]:
    found = train_series(config, dataset, settings, plan, never, **options)
    return [event for event in found if isinstance(event, PointDone)]


def without_seconds(points: list[PointDone]) -> list[PointDone]:
    return [dataclasses.replace(point, seconds=0.0) for point in points]


def test_every_size_and_seed_is_evaluated_once_on_the_whole_test_split(settings: Settings, drawn: Dataset) -> None:
    points = points_of(TrainConfig.model_validate(HEAD), drawn, settings)

    assert [(point.pictures_per_class, point.seed) for point in points] == [
        (1, 0), (3, 0), (12, 0), (1, 1), (3, 1), (12, 1)
    ]  # fmt: skip
    for point in points:
        bits = np.unpackbits(np.frombuffer(bytes.fromhex(point.right), np.uint8))
        assert point.images == len(drawn.rows_of("test"))
        assert point.split == "test"
        assert bits[: point.images].sum() == point.correct == round(point.accuracy * point.images)
        assert not bits[point.images :].any()
        assert point.pictures == 2 * point.pictures_per_class


@pytest.mark.parametrize("strategy", ["scratch", "head", "partial", "gradual"])
def test_the_point_of_all_images_is_what_a_run_of_its_own_reaches(
    settings: Settings, drawn: Dataset, small_config: TrainConfig, tmp_path: Path, strategy: str
) -> None:
    config = config_of(strategy, small_config)
    rows = drawn.rows_of("train")
    largest = max(sum(row.label == label for row in rows) for label in (0, 1))
    points = points_of(config, drawn, settings, dataclasses.replace(PLAN, sizes=(2, largest)))
    events = list(train(config.model_copy(update={"seed": 1}), drawn, settings, tmp_path, never))
    table = read_predictions(tmp_path / "predictions.csv")
    result = next(event for event in events if isinstance(event, Evaluated))
    last = points[-1]

    assert (last.seed, last.pictures) == (1, len(rows))
    assert (last.correct, last.epoch) == (result.correct, result.epoch)
    assert last.right == np.packbits(table.correct).tobytes().hex()


@pytest.mark.parametrize("strategy", ["scratch", "head"])
def test_what_was_done_before_is_not_trained_again_and_the_rest_is_the_same(
    settings: Settings, drawn: Dataset, small_config: TrainConfig, strategy: str
) -> None:
    config = config_of(strategy, small_config)
    whole = points_of(config, drawn, settings)
    rest = points_of(config, drawn, settings, done=whole[:4])

    assert without_seconds(rest) == without_seconds(whole[4:])


def test_all_arms_with_a_seed_see_the_same_images_and_never_one_of_the_test_split(
    settings: Settings, drawn: Dataset, small_config: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[set[int]] = []
    asked: set[int] = set()
    fit, take = Trainer.fit, PixelStore.take

    def watched_fit(self: Trainer, stop: Any) -> Any:
        seen.append(set(self.data.train.indices.tolist()))
        asked.clear()
        yield from fit(self, stop)
        assert not asked & {row.index for row in drawn.rows_of("test")}

    def watched_take(self: PixelStore, indices: np.ndarray) -> np.ndarray:  # type: ignore[type-arg]
        asked.update(int(index) for index in indices)
        return take(self, indices)

    monkeypatch.setattr(Trainer, "fit", watched_fit)
    monkeypatch.setattr(PixelStore, "take", watched_take)
    for strategy in ("scratch", "head"):
        points_of(config_of(strategy, small_config), drawn, settings)

    assert len(seen) == 12
    assert seen[:6] == seen[6:]
    assert seen[0] < seen[1] < seen[2] == {row.index for row in drawn.rows_of("train")}
    assert seen[0] != seen[3]


def test_no_frozen_weight_moves_over_a_whole_series(
    settings: Settings, drawn: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    networks: list[Network] = []
    before: dict[str, torch.Tensor] = {}
    fit = Trainer.fit

    def watched(self: Trainer, stop: Any) -> Any:
        if not networks:
            before.update({key: value.clone() for key, value in self.network.blocks.state_dict().items()})
        networks.append(self.network)
        return fit(self, stop)

    monkeypatch.setattr(Trainer, "fit", watched)
    points_of(TrainConfig.model_validate(HEAD), drawn, settings)
    after = networks[-1].blocks.state_dict()

    assert before
    assert all(torch.equal(before[key], after[key]) for key in before)


def test_a_stop_between_points_keeps_the_finished_ones(settings: Settings, drawn: Dataset) -> None:
    points: list[PointDone] = []

    enough = StopSignal(lambda: len(points) >= 2)
    found = train_series(TrainConfig.model_validate(HEAD), drawn, settings, PLAN, enough)
    with pytest.raises(Stopped):
        points.extend(event for event in found if isinstance(event, PointDone))

    assert len(points) == 2


def test_progress_counts_points_and_never_decreases(settings: Settings, drawn: Dataset) -> None:
    events = list(train_series(TrainConfig.model_validate(HEAD), drawn, settings, PLAN, never))
    told = [event for event in events if isinstance(event, Progress) and event.phase == "training"]

    assert [item.done for item in told] == sorted(item.done for item in told)
    assert told[-1].done == told[-1].total == 6
    assert told[-1].eta_seconds == pytest.approx(0)
    assert not any(isinstance(event, EpochDone | Evaluated) for event in events)


def test_a_point_that_diverges_is_named(settings: Settings, drawn: Dataset, small_config: TrainConfig) -> None:
    config = small_config.model_copy(
        update={"learning_rate": 1e6, "optimizer": "sgd", "gradient_clip": 0.0, "batch_norm": False, "epochs": 30}
    )
    with pytest.raises(DivergedError, match=r"With \d+ pictures? per class, seed 0: .*learning rate"):
        points_of(config, drawn, settings)


def test_a_dataset_without_a_test_split_is_evaluated_on_validation_and_reports_it(
    settings: Settings, drawn: Dataset
) -> None:
    rows = tuple(dataclasses.replace(row, split="train" if row.split == "test" else row.split) for row in drawn.rows)
    dataset = dataclasses.replace(drawn, rows=rows)
    events = list(train_series(TrainConfig.model_validate(HEAD), dataset, settings, PLAN, never))

    assert {event.split for event in events if isinstance(event, PointDone)} == {"val"}
    assert any(isinstance(event, Message) and "no test split" in event.text for event in events)


def test_a_class_with_few_images_gives_all_of_them_with_a_message(settings: Settings, drawn: Dataset) -> None:
    few = [row.index for row in drawn.rows_of("train") if row.label == 0][:2]
    rows = tuple(
        dataclasses.replace(row, split="val" if row.split == "train" and row.label == 0 and row.index not in few
                            else row.split)
        for row in drawn.rows
    )  # fmt: skip
    events = list(
        train_series(TrainConfig.model_validate(HEAD), dataclasses.replace(drawn, rows=rows), settings, PLAN, never)
    )
    points = [event for event in events if isinstance(event, PointDone)]

    assert [point.pictures for point in points[:3]] == [2, 5, 14]
    assert any(isinstance(event, Message) and f"{drawn.classes[0]} (2)" in event.text for event in events)


def test_an_epoch_goes_over_every_image_before_one_comes_again() -> None:
    from core.stores.training_data import SplitData

    split = SplitData(np.arange(5), np.zeros(5, np.int64)).subset(np.array([0, 2, 4]), passes=4)
    order = split.indices[split.shuffled(np.random.default_rng(0))]

    assert len(split) == 12
    for first in range(0, 12, 3):
        assert sorted(order[first : first + 3].tolist()) == [0, 2, 4]


def test_the_learning_rate_is_searched_at_every_point(
    settings: Settings, drawn: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    rates: list[float | None] = []
    begin = Trainer.__init__

    def watched(self: Trainer, *values: Any) -> None:
        assert isinstance(values[1], TrainingData)
        rates.append(values[6])
        begin(self, *values)

    monkeypatch.setattr(Trainer, "__init__", watched)
    config = TrainConfig.model_validate({**HEAD, "find_rate": True})
    points = points_of(config, drawn, settings, dataclasses.replace(PLAN, seeds=(0,)))

    assert len(points) == len(rates) == 3
    assert all(rate is not None for rate in rates)


def test_the_time_of_a_curve_is_estimated_from_that_of_a_training(settings: Settings, drawn: Dataset) -> None:
    config = TrainConfig.model_validate({**HEAD, "strategy": "full"})
    what = describe_network(config, plan_stages(config, config.entry()))
    figures = {"input": 1.0, "step_fp32": 40.0, "step_bf16": 30.0, "prefix_bytes": 5120.0}
    assert estimate_series(settings, config, drawn, PLAN) is None
    Measurements(settings).keep(what, {"name": "here", "threads": settings.threads}, figures)
    alone = estimate(settings, config, drawn)
    one, two, more = (
        estimate_series(settings, config, drawn, dataclasses.replace(PLAN, seeds=seeds, sizes=sizes))
        for seeds, sizes in (((0,), (12,)), ((0, 1), (12,)), ((0,), (1, 12)))
    )

    assert alone is not None
    assert one is not None
    assert two is not None
    assert more is not None
    assert one.parts == pytest.approx(alone.parts)
    assert two.parts["training"] == pytest.approx(2 * one.parts["training"])
    assert one.parts["training"] < more.parts["training"] < two.parts["training"]
