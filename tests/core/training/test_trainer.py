"""The training loop on a small drawn dataset."""

import copy
import dataclasses
import math
import time
from contextlib import suppress

import numpy as np
import pytest
import torch
from torch.amp.grad_scaler import GradScaler

from core.checkpoints.checkpoint import build_network
from core.config.events import BatchDone, EpochDone, Event, Message, SamplesPredicted
from core.config.stages import Stage, plan_stages, plan_training
from core.config.train_config import TrainConfig
from core.datasets.dataset import Dataset
from core.errors import DivergedError
from core.settings import Settings
from core.steps import Stopped, StopSignal, run_step
from core.stores.hardware import Hardware, prepare_torch
from core.stores.pixels import open_store
from core.stores.training_data import SplitData, TrainingData
from core.training.feeds import Feed, open_feed
from core.training.monitor import choose_samples
from core.training.trainer import Trainer
from models.catalog import CATALOG
from models.network import Network, build

CPU = Hardware(torch.device("cpu"), "test", 1, "fp32", "test")


never = StopSignal()


def training_data(settings: Settings, dataset: Dataset, config: TrainConfig) -> TrainingData:
    spec = config.entry().preprocessing
    store = run_step(open_store(settings, dataset, spec, never))
    return TrainingData(store, SplitData.of(dataset, "train"), SplitData.of(dataset, "val"), spec)


def run_fit(
    settings: Settings,
    dataset: Dataset,
    config: TrainConfig,
    signal: StopSignal = never,
    network: Network | None = None,
) -> tuple[list[Event], Network]:
    prepare_torch(settings, config.seed)
    network = network or build_network(settings, config, len(dataset.classes))
    data = training_data(settings, dataset, config)
    torch.manual_seed(config.seed)
    stages = plan_stages(config, config.entry())
    feeds = [open_all(settings, stage, network, data, config) for stage in stages]
    events: list[Event] = []
    with suppress(Stopped):
        events.extend(Trainer(network, data, config, stages, feeds, CPU).fit(signal))
    return events, network


def open_all(
    settings: Settings,
    stage: Stage,
    network: Network,
    data: TrainingData,
    config: TrainConfig,
    hardware: Hardware = CPU,
) -> Feed:
    """The feed of a stage, its progress left aside."""
    return run_step(open_feed(settings, stage, network, data, config, hardware, never))


def trainer_of(settings: Settings, dataset: Dataset, config: TrainConfig, hardware: Hardware = CPU) -> Trainer:
    """A training at its beginning, its random numbers set."""
    prepare_torch(settings, config.seed)
    network = build(
        config.model, 2, seed=0, options=config.scratch_options() if config.model == "scratch_cnn" else None
    )
    data = training_data(settings, dataset, config)
    stages = plan_stages(config, config.entry())
    feeds = [open_all(settings, stage, network, data, config, hardware) for stage in stages]
    torch.manual_seed(config.seed)
    return Trainer(network, data, config, stages, feeds, hardware)


def epochs_of(events: list[Event]) -> list[EpochDone]:
    return [event for event in events if isinstance(event, EpochDone)]


def metrics(events: list[Event]) -> list[tuple[float, ...]]:
    return [(e.train_loss, e.train_accuracy, e.val_loss, e.val_accuracy) for e in epochs_of(events)]


def test_a_training_reports_every_epoch_and_sees_every_image(
    settings: Settings, drawn: Dataset, small_config: TrainConfig
) -> None:
    events, _ = run_fit(settings, drawn, small_config)
    assert [event.epoch for event in epochs_of(events)] == [1, 2]
    assert epochs_of(events)[-1].images_seen == 2 * len(drawn.rows_of("train"))
    assert any(isinstance(event, BatchDone) for event in events)
    updates = [event for event in events if isinstance(event, SamplesPredicted)]
    assert updates[-1].epoch == 2


def test_the_same_seed_gives_the_same_digits_and_another_seed_does_not(
    settings: Settings, drawn: Dataset, small_config: TrainConfig
) -> None:
    first, _ = run_fit(settings, drawn, small_config)
    second, _ = run_fit(settings, drawn, small_config)
    other, _ = run_fit(settings, drawn, small_config.model_copy(update={"seed": 1}))
    assert metrics(first) == metrics(second)
    assert metrics(first) != metrics(other)


def test_a_small_network_can_overfit_a_few_images(
    settings: Settings, drawn: Dataset, small_config: TrainConfig
) -> None:
    config = small_config.model_copy(
        update={
            "epochs": 40, "learning_rate": 0.01, "dropout": 0.0, "augment_crop": False, "augment_flip": False,
            "filters": (8, 16, 32),
        }
    )  # fmt: skip
    events, _ = run_fit(settings, drawn, config)
    assert epochs_of(events)[-1].train_accuracy > 0.95
    assert epochs_of(events)[-1].train_loss < epochs_of(events)[0].train_loss / 2


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "sgd"])
@pytest.mark.parametrize("head", ["softmax", "sigmoid"])
def test_each_optimizer_and_head_lowers_the_loss(
    settings: Settings, drawn: Dataset, small_config: TrainConfig, optimizer: str, head: str
) -> None:
    config = small_config.model_copy(
        update={
            "optimizer": optimizer, "head": head, "epochs": 15, "learning_rate": 0.01, "augment_crop": False,
            "dropout": 0.0,
        }
    )  # fmt: skip
    events, _ = run_fit(settings, drawn, config)
    assert epochs_of(events)[-1].train_loss < epochs_of(events)[0].train_loss


def test_a_rate_without_measure_ends_as_diverged_with_finite_weights(
    settings: Settings, drawn: Dataset, small_config: TrainConfig
) -> None:
    config = small_config.model_copy(
        update={
            "learning_rate": 1e6,
            "optimizer": "sgd",
            "gradient_clip": 0.0,
            "batch_norm": False,
            "epochs": 20,
        }
    )
    prepare_torch(settings, 0)
    network = build_network(settings, config, 2)
    with pytest.raises(DivergedError, match="learning rate below 1000000, for example 100000"):
        run_fit(settings, drawn, config, network=network)
    assert all(torch.isfinite(parameter).all() for parameter in network.parameters())


def test_a_stop_request_ends_the_training_at_the_next_step(
    settings: Settings, drawn: Dataset, small_config: TrainConfig
) -> None:
    asked = iter([False, False, True, True, True])
    events, _ = run_fit(settings, drawn, small_config, signal=StopSignal(lambda: next(asked)))
    assert not epochs_of(events)


def test_patience_ends_a_training_that_no_longer_improves(
    settings: Settings, drawn: Dataset, small_config: TrainConfig
) -> None:
    config = small_config.model_copy(update={"patience": 2, "epochs": 50, "learning_rate": 1e-8})
    events, _ = run_fit(settings, drawn, config)
    assert len(epochs_of(events)) <= 5
    assert any(isinstance(event, Message) and "Stopped early" in event.text for event in events)


def test_best_marks_the_epochs_with_a_new_best_validation_accuracy(
    settings: Settings, drawn: Dataset, small_config: TrainConfig
) -> None:
    events, _ = run_fit(settings, drawn, small_config.model_copy(update={"epochs": 6, "learning_rate": 0.01}))
    best = (-1.0, float("-inf"))
    for epoch in epochs_of(events):
        score = (epoch.val_accuracy, -epoch.val_loss)
        assert epoch.best == (score > best)
        best = max(best, score)


@pytest.mark.parametrize("stored_views", [0, 2])
@pytest.mark.parametrize("strategy", ["head", "partial", "gradual"])
def test_a_frozen_backbone_does_not_move_by_one_bit(
    settings: Settings, drawn: Dataset, small_config: TrainConfig, strategy: str, stored_views: int
) -> None:
    config = TrainConfig.model_validate(
        {
            **small_config.model_dump(),
            "model": "mobilenet_v3_small",
            "strategy": strategy,
            "epochs": 2,
            "stored_views": stored_views,
            "weight_decay": 0.1,
            "optimizer": "adamw",
            "learning_rate": 0.01,
        }
    )
    prepare_torch(settings, 0)
    network = build("mobilenet_v3_small", 2, seed=0)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    data = training_data(settings, drawn, config)
    stages = plan_stages(config, config.entry())
    feeds = [open_all(settings, stage, network, data, config) for stage in stages]
    frozen_names: list[str] = []
    for event in Trainer(network, data, config, stages, feeds, CPU).fit(never):
        if isinstance(event, EpochDone) and event.epoch == 1:
            point = stages[0].freeze_point
            assert point is not None
            names = CATALOG["mobilenet_v3_small"].freeze_points
            frozen_names = [f"blocks.{name}." for name in names[: names.index(point) + 1]]
            after = network.state_dict()
            moved = {name for name, value in after.items() if not torch.equal(value, before[name])}
            assert not [name for name in moved if name.startswith(tuple(frozen_names))]
            assert [name for name in moved if name.startswith("head.")]
    assert frozen_names


def test_gradual_unfreezes_in_its_second_stage_with_a_smaller_rate(
    settings: Settings, drawn: Dataset, small_config: TrainConfig
) -> None:
    config = TrainConfig.model_validate(
        {**small_config.model_dump(), "model": "mobilenet_v3_small", "strategy": "gradual", "epochs": 3}
    )
    network = build("mobilenet_v3_small", 2, seed=0)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    events, network = run_fit(settings, drawn, config, network=network)
    assert [event.stage for event in epochs_of(events)] == ["head first", "unfrozen", "unfrozen"]
    first_block = CATALOG["mobilenet_v3_small"].blocks[0].name
    assert any(
        not torch.equal(value, before[name])
        for name, value in network.state_dict().items()
        if name.startswith(f"blocks.{first_block}.")
    )


def test_the_sample_predictions_cover_all_classes_and_are_the_same_for_both_arms(
    settings: Settings, drawn: Dataset
) -> None:
    val = SplitData.of(drawn, "val")
    samples = choose_samples(val, 3, count=6)
    assert np.array_equal(samples, choose_samples(val, 3, count=6))
    labels = [drawn.rows[int(index)].label for index in samples]
    assert sorted(set(labels)) == [0, 1]
    assert {drawn.rows[int(index)].split for index in samples} == {"val"}


@pytest.mark.parametrize("strategy", ["scratch", "head", "partial", "full", "gradual"])
def test_the_plan_counts_what_the_network_really_trains(strategy: str) -> None:
    config = TrainConfig(dataset="d", model="resnet18", strategy=strategy, epochs=4)  # type: ignore[arg-type]
    plan = plan_training(config, 7)
    network = build("resnet18", 7, seed=0)
    network.freeze(plan_stages(config, config.entry())[-1].freeze_point)
    assert network.parameter_counts() == (plan.total, plan.trainable)


def test_fast_epochs_are_reported_together_and_none_is_lost(
    settings: Settings, drawn: Dataset, small_config: TrainConfig
) -> None:
    values = {**small_config.model_dump(), "model": "petnet", "strategy": "head", "epochs": 200, "batch_size": 16}
    trainer = trainer_of(settings, drawn, TrainConfig.model_validate(values))
    started = time.perf_counter()
    events = list(trainer.fit(never))
    tenths = (time.perf_counter() - started) / 0.1
    assert [event.epoch for event in epochs_of(events)] == list(range(1, 201))
    others = [event for event in events if not isinstance(event, EpochDone)]
    assert len(others) <= 3 * tenths + 5
    batches = [event for event in events if isinstance(event, BatchDone)]
    assert batches[-1].images_seen == 200 * len(drawn.rows_of("train"))
    assert batches[-1].progress > 0.99
    # the last event comes right after another one, and still tells a speed that can be
    assert batches[-1].images_per_second < 10 * max(batch.images_per_second for batch in batches[:-1])


RESUMED = [
    {"precision": "fp16"},
    {"dropout": 0.5, "schedule": "one-cycle", "optimizer": "adam"},
    {"optimizer": "sgd", "schedule": "cosine", "patience": 2},
    {"optimizer": "adamw", "weight_decay": 0.1, "schedule": "constant", "head": "sigmoid"},
    {"model": "petnet", "strategy": "head"},
    {"model": "petnet", "strategy": "partial", "stored_views": 0},
    {"model": "petnet", "strategy": "gradual", "optimizer": "adamw"},
]


@pytest.mark.parametrize("values", RESUMED, ids=lambda values: "-".join(str(value) for value in values.values()))
@pytest.mark.parametrize("where", [0.3, 0.8])
def test_a_resumed_training_ends_as_if_it_had_not_been_paused(
    settings: Settings,
    drawn: Dataset,
    small_config: TrainConfig,
    values: dict[str, object],
    where: float,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("core.training.trainer.EVENT_SECONDS", 0.0)  # an event for every step
    config = TrainConfig.model_validate({**small_config.model_dump(), "epochs": 3, **values})
    hardware = in_fp16(monkeypatch, 2.0**30) if config.precision == "fp16" else CPU
    whole = trainer_of(settings, drawn, config, hardware)
    events = list(whole.fit(never))
    places = [place for place, event in enumerate(events) if isinstance(event, BatchDone | EpochDone)]
    cut = places[int(where * len(places))]

    first = trainer_of(settings, drawn, config, hardware)
    for place, _ in enumerate(first.fit(never)):
        if place == cut:
            break
    taken = first.snapshot()
    torch.manual_seed(99)  # another process knows nothing of the numbers that were drawn
    second = trainer_of(settings, drawn, config, hardware)
    torch.manual_seed(77)
    second.restore(taken)
    rest = list(second.fit(never))

    assert metrics([*events[: cut + 1], *rest]) == metrics(events)
    assert [e.best for e in epochs_of([*events[: cut + 1], *rest])] == [e.best for e in epochs_of(events)]
    wanted = whole.network.state_dict()
    assert all(torch.equal(value, wanted[name]) for name, value in second.network.state_dict().items())


def in_fp16(monkeypatch: pytest.MonkeyPatch, first_scale: float = 2.0**16) -> Hardware:
    """Training in fp16, on the processor, whose scale doubles after every third step."""
    monkeypatch.setattr(Hardware, "scaler", lambda _: GradScaler("cpu", init_scale=first_scale, growth_interval=3))
    return dataclasses.replace(CPU, precision="fp16")


def test_gradients_are_scaled_in_fp16_only() -> None:
    assert dataclasses.replace(CPU, precision="fp16").scaler().is_enabled()
    assert not dataclasses.replace(CPU, precision="bf16").scaler().is_enabled()
    assert not CPU.scaler().is_enabled()


def test_a_training_in_fp16_clips_what_the_gradients_are_without_their_scale(
    settings: Settings, drawn: Dataset, small_config: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = small_config.model_copy(update={"gradient_clip": 1e-3, "optimizer": "sgd", "schedule": "constant"})
    exact = trainer_of(settings, drawn, config)
    before = copy.deepcopy(exact.network.state_dict())
    list(exact.fit(never))
    half = trainer_of(settings, drawn, config, in_fp16(monkeypatch))
    list(half.fit(never))
    for name in (key for key in before if key.startswith("head.") and key.endswith("weight")):
        moved, expected = (item.network.state_dict()[name] - before[name] for item in (half, exact))
        assert torch.allclose(moved, expected, atol=0.2 * float(expected.abs().max()))


def test_a_step_whose_gradients_overflow_is_left_out_and_the_next_ones_are_made_with_half_the_scale(
    settings: Settings, drawn: Dataset, small_config: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.training.trainer.EVENT_SECONDS", 0.0)
    trainer = trainer_of(settings, drawn, small_config, in_fp16(monkeypatch, 2.0**60))
    before = copy.deepcopy(dict(trainer.network.named_parameters()))
    training = trainer.fit(never)
    first = next(event for event in training if isinstance(event, BatchDone))
    assert all(torch.equal(before[key], value) for key, value in trainer.network.named_parameters())
    assert first.images_seen > 0
    taken = trainer.snapshot()
    assert taken.schedule_step == 0
    assert taken.tensors["scaler.scale"] == 2.0**59
    events = list(training)
    assert trainer.snapshot().tensors["scaler.scale"] < 2.0**59
    assert epochs_of(events)[-1].images_seen == small_config.epochs * len(drawn.rows_of("train"))


def test_gradients_that_are_infinite_without_a_scale_end_as_diverged(
    settings: Settings, drawn: Dataset, small_config: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = trainer_of(settings, drawn, small_config.model_copy(update={"epochs": 30}), in_fp16(monkeypatch, 4.0))
    parameter = next(item for item in trainer.network.head.parameters() if item.requires_grad)
    parameter.register_hook(lambda gradient: gradient * math.inf)
    with pytest.raises(DivergedError, match="or the precision fp32"):
        list(trainer.fit(never))
    assert all(bool(torch.isfinite(value).all()) for value in trainer.network.parameters())


def test_a_snapshot_holds_nothing_that_is_frozen(settings: Settings, drawn: Dataset, small_config: TrainConfig) -> None:
    values = {**small_config.model_dump(), "model": "petnet", "strategy": "partial", "freeze_point": "stage3"}
    trainer = trainer_of(settings, drawn, TrainConfig.model_validate(values))
    for event in trainer.fit(never):
        if isinstance(event, BatchDone):
            break
    names = [name for name in trainer.snapshot().tensors if name.startswith("network.")]
    blocks = {name.split(".")[2] for name in names if name.startswith("network.blocks.")}
    assert blocks == {"stage4", "top"}
    assert any(name.startswith("network.head.") for name in names)
