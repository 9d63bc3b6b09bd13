"""What ends a training: pictures, seconds, or its epochs, whichever comes first."""

import itertools
import math

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor

from core.config.events import BatchDone, EpochDone, Event, Message, SamplesPredicted
from core.config.stages import plan_stages, share_out
from core.config.train_config import TrainConfig, parse_config
from core.datasets.dataset import Dataset
from core.errors import ConfigError
from core.formatting import format_duration
from core.settings import Settings
from core.steps import Stopped, StopSignal
from core.stores.activations import Activations
from core.training.feeds import Feed
from core.training.trainer import Trainer
from models.network import Network
from tests.core.training.test_trainer import CPU, epochs_of, metrics, never, trainer_of

IMAGES = 24  # of the training split
STEP, LOOK = 1.0, 0.5  # seconds of a step, and of a batch of validation pictures


@pytest.fixture(autouse=True)
def every_step_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.training.trainer.EVENT_SECONDS", 0.0)


class Time:
    """A clock that stands still unless somebody works."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


class SlowFeed:
    """A feed that takes its time: a second a step, half a second a batch of validation."""

    def __init__(self, feed: Feed, time: Time) -> None:
        self._feed, self._time = feed, time
        self.evaluation_batch = feed.evaluation_batch
        self.seen: list[int] = []

    @property
    def stored(self) -> list[Activations]:
        return self._feed.stored

    def start_epoch(self, epoch: int) -> None:
        self._feed.start_epoch(epoch)

    def train_logits(self, network: Network, places: npt.NDArray[np.int64]) -> Tensor:
        self._time.seconds += STEP
        self.seen += [int(place) for place in places]
        return self._feed.train_logits(network, places)

    def val_logits(self, network: Network, chosen: slice) -> Tensor:
        self._time.seconds += LOOK
        return self._feed.val_logits(network, chosen)


def config_of(small_config: TrainConfig, **values: object) -> TrainConfig:
    return TrainConfig.model_validate({**small_config.model_dump(), **values})


def slowed(settings: Settings, dataset: Dataset, config: TrainConfig, *charges: float) -> tuple[Trainer, Time]:
    """A training whose time is that of `SlowFeed`."""
    plain = trainer_of(settings, dataset, config)
    time = Time()
    feeds = [SlowFeed(feed, time) for feed in plain.feeds]
    made = Trainer(plain.network, plain.data, config, plain.stages, feeds, CPU, charges=charges, now=time)
    torch.manual_seed(config.seed)
    return made, time


def messages(events: list[Event]) -> str:
    return " ".join(event.text for event in events if isinstance(event, Message))


def batches_of(events: list[Event]) -> list[BatchDone]:
    return [event for event in events if isinstance(event, BatchDone)]


@pytest.mark.parametrize("model", ["scratch_cnn", "petnet"])
def test_exactly_so_many_images_are_seen(
    settings: Settings, drawn: Dataset, small_config: TrainConfig, model: str
) -> None:
    strategy = "head" if model == "petnet" else "scratch"
    for budget in (1, 7, 8, 24, 25, 33, 47, 48, 1000):
        config = config_of(small_config, model=model, strategy=strategy, max_images=budget, epochs=2)
        trainer, _ = slowed(settings, drawn, config)
        events = list(trainer.fit(never))
        seen = [place for feed in trainer.feeds for place in feed.seen]  # type: ignore[attr-defined]
        wanted = min(budget, 2 * IMAGES)
        assert len(seen) == wanted
        assert epochs_of(events)[-1].images_seen == batches_of(events)[-1].images_seen == wanted
        assert len(set(seen[:IMAGES])) == min(wanted, IMAGES)  # no picture twice within an epoch
        assert [epoch.epoch for epoch in epochs_of(events)] == list(range(1, math.ceil(wanted / IMAGES) + 1))
        assert [event.epoch for event in events if isinstance(event, SamplesPredicted)][-1] == epochs_of(events)[
            -1
        ].epoch
        assert ("pictures of the budget were seen" in messages(events)) == (budget <= 48)
        assert ("give it more epochs" in messages(events)) == (budget == 1000)


def test_the_rest_of_an_epoch_is_validated_and_may_be_the_best(
    settings: Settings, drawn: Dataset, small_config: TrainConfig
) -> None:
    config = config_of(small_config, max_images=IMAGES + 10, epochs=9)
    events = list(trainer_of(settings, drawn, config).fit(never))
    whole, part = epochs_of(events)
    assert (whole.images_seen, part.images_seen) == (IMAGES, IMAGES + 10)
    better = (part.val_accuracy, -part.val_loss) > (whole.val_accuracy, -whole.val_loss)
    assert part.best == better
    assert [batch.steps for batch in batches_of(events)] == [3, 3, 3, 2, 2]
    assert max(batch.progress for batch in batches_of(events)) <= 1


def test_a_budget_of_all_epochs_changes_no_digit(settings: Settings, drawn: Dataset, small_config: TrainConfig) -> None:
    plain = list(trainer_of(settings, drawn, small_config).fit(never))
    budget = config_of(small_config, max_images=2 * IMAGES)
    assert metrics(list(trainer_of(settings, drawn, budget).fit(never))) == metrics(plain)


def test_the_schedule_ends_where_the_training_ends_and_not_with_its_epochs(
    settings: Settings, drawn: Dataset, small_config: TrainConfig
) -> None:
    budgets: tuple[dict[str, float], ...] = ({"max_images": 120}, {"max_seconds": 24})
    for schedule, budget in itertools.product(("cosine", "one-cycle"), budgets):
        config = config_of(small_config, epochs=500, schedule=schedule, learning_rate=0.01, **budget)
        trainer, _ = slowed(settings, drawn, config)
        rates = [batch.learning_rate for batch in batches_of(list(trainer.fit(never)))]
        assert max(rates) > 0.009
        assert rates[-1] < 0.001
        falling = rates[rates.index(max(rates)) :]
        assert falling == sorted(falling, reverse=True)


def test_the_first_of_two_stages_has_the_same_share_of_images_as_of_epochs(small_config: TrainConfig) -> None:
    def shares(**values: object) -> list[tuple[int, int]]:
        config = config_of(small_config, model="petnet", strategy="gradual", **values)
        return [(item.images, item.epochs) for item in share_out(config, plan_stages(config, config.entry()), 100)]

    assert shares(epochs=6) == [(200, 2), (400, 4)]
    assert shares(epochs=6, max_images=300) == [(100, 1), (200, 2)]
    assert shares(epochs=10, head_epochs=4, max_images=250) == [(100, 1), (150, 2)]
    assert shares(epochs=6, max_images=10_000) == [(200, 2), (400, 4)]
    assert shares(epochs=900, max_images=2) == [(1, 1), (1, 1)]


def test_both_stages_of_gradual_keep_to_their_share_and_nothing_frozen_moves(
    settings: Settings, drawn: Dataset, small_config: TrainConfig
) -> None:
    config = config_of(
        small_config, model="petnet", strategy="gradual", freeze_point="stage3", epochs=6, max_images=45,
        optimizer="adamw", weight_decay=0.1,
    )  # fmt: skip
    trainer, _ = slowed(settings, drawn, config)
    before = {name: value.clone() for name, value in trainer.network.state_dict().items()}
    done = epochs_of(list(trainer.fit(never)))
    assert [(epoch.stage, epoch.images_seen) for epoch in done] == [
        ("head first", 15), ("unfrozen", 39), ("unfrozen", 45)
    ]  # fmt: skip
    after = trainer.network.state_dict()
    moved = {name.split(".")[1] for name in after if not torch.equal(after[name], before[name])}
    assert moved == {"stage4", "top", "linear"}


RESUMED = [
    {"schedule": "one-cycle", "dropout": 0.5},
    {"model": "petnet", "strategy": "gradual", "optimizer": "adamw", "epochs": 4},
    {"model": "petnet", "strategy": "head", "patience": 5},
]


@pytest.mark.parametrize("values", RESUMED, ids=["scratch", "gradual", "head"])
def test_a_budget_of_images_resumes_as_if_it_had_not_been_paused(
    settings: Settings, drawn: Dataset, small_config: TrainConfig, values: dict[str, object]
) -> None:
    config = config_of(small_config, **{"epochs": 9, "max_images": 61, **values})
    whole = trainer_of(settings, drawn, config)
    events = list(whole.fit(never))
    places = [place for place, event in enumerate(events) if isinstance(event, BatchDone | EpochDone)]
    for where in (0.2, 0.5, 0.95):
        cut = places[int(where * len(places))]
        first = trainer_of(settings, drawn, config)
        for place, _ in enumerate(first.fit(never)):
            if place == cut:
                break
        taken = first.snapshot()
        second = trainer_of(settings, drawn, config)
        torch.manual_seed(77)
        second.restore(taken)
        rest = list(second.fit(never))
        assert metrics([*events[: cut + 1], *rest]) == metrics(events)
        assert second.position.images_seen == 61
        wanted = whole.network.state_dict()
        assert all(torch.equal(value, wanted[name]) for name, value in second.network.state_dict().items())


def test_a_budget_of_seconds_is_met_but_for_a_step_and_a_validation(
    settings: Settings, drawn: Dataset, small_config: TrainConfig
) -> None:
    for budget, charge in itertools.product((5.0, 12.0, 20.0, 31.0), (0.0, 3.25)):
        _meet_seconds(settings, drawn, small_config, budget, charge)


def _meet_seconds(settings: Settings, drawn: Dataset, small_config: TrainConfig, budget: float, charge: float) -> None:
    trainer, time = slowed(settings, drawn, config_of(small_config, epochs=1000, max_seconds=budget), charge)
    started = time()
    events = list(trainer.fit(never))
    passed = time() - started
    looking = LOOK * math.ceil(len(trainer.data.val) / trainer.feeds[0].evaluation_batch)
    assert budget <= passed + charge <= budget + STEP + looking
    last = epochs_of(events)[-1]
    assert last.seconds == pytest.approx(passed + charge)
    assert f"the {budget:g} s were used" in messages(events)
    assert f"went {format_duration(passed + charge - budget)} over" in messages(events)
    told = [batch.progress for batch in batches_of(events)]
    assert told == sorted(told)
    assert told[-1] > 0.85
    for batch in batches_of(events):
        assert batch.eta_seconds is not None
        assert batch.eta_seconds <= max(0.0, budget - batch.seconds) + 1e-6
    assert trainer.position.validating == pytest.approx(looking * len(epochs_of(events)))


def test_epochs_may_end_before_the_seconds_do_and_that_is_said(
    settings: Settings, drawn: Dataset, small_config: TrainConfig
) -> None:
    config = config_of(small_config, max_seconds=500, learning_rate=0.01)
    events = list(slowed(settings, drawn, config)[0].fit(never))
    assert [epoch.epoch for epoch in epochs_of(events)] == [1, 2]
    assert "Ended after 2 epochs, before its 500 s were used: give it more epochs" in messages(events)
    assert batches_of(events)[-1].learning_rate < 0.001  # the schedule ends with the epochs, then


def test_a_frozen_part_that_eats_the_budget_leaves_a_step_and_a_validation(
    settings: Settings, drawn: Dataset, small_config: TrainConfig
) -> None:
    config = config_of(small_config, epochs=9, max_seconds=10)
    trainer, _ = slowed(settings, drawn, config, 70.0)
    events = list(trainer.fit(never))
    (only,) = epochs_of(events)
    assert only.images_seen == 8
    assert "1 min 10 s were used of the 10 s that were given until here" in messages(events)
    assert f"went {format_duration(STEP + LOOK)} over" in messages(events)


def test_each_stage_of_gradual_has_its_share_of_the_seconds_and_is_charged_its_own(
    settings: Settings, drawn: Dataset, small_config: TrainConfig
) -> None:
    config = config_of(small_config, model="petnet", strategy="gradual", epochs=900, max_seconds=30)
    trainer, _ = slowed(settings, drawn, config, 4.0, 6.0)
    done = epochs_of(list(trainer.fit(never)))
    first = [epoch for epoch in done if epoch.stage == "head first"][-1]
    begin = next(epoch for epoch in done if epoch.stage == "unfrozen")
    assert 10 <= first.seconds <= 10 + STEP + LOOK
    assert begin.seconds > first.seconds + 6
    assert 30 <= done[-1].seconds <= 30 + STEP + LOOK


def test_the_clock_of_a_paused_training_stands_still(
    settings: Settings, drawn: Dataset, small_config: TrainConfig
) -> None:
    config = config_of(small_config, epochs=900, max_seconds=20, schedule="cosine", learning_rate=0.01)
    first, time = slowed(settings, drawn, config, 2.0)
    seconds = 0.0
    for event in first.fit(never):
        if isinstance(event, BatchDone):
            seconds = event.seconds
        if seconds > 9:
            break
    taken = first.snapshot()
    time.seconds += 5000
    second, _ = slowed(settings, drawn, config, 99.0)  # its frozen part is charged already
    second.restore(taken)
    events = list(second.fit(never))
    assert batches_of(events)[0].seconds == pytest.approx(seconds + STEP)
    assert 20 <= epochs_of(events)[-1].seconds <= 20 + STEP + LOOK
    assert batches_of(events)[-1].learning_rate < batches_of(events)[0].learning_rate < 0.01


def test_patience_ends_a_training_before_its_budget(
    settings: Settings, drawn: Dataset, small_config: TrainConfig
) -> None:
    for budget in ({"max_seconds": 10_000}, {"max_images": 50 * IMAGES}):
        config = config_of(small_config, patience=2, epochs=50, learning_rate=1e-8, **budget)
        events = list(slowed(settings, drawn, config)[0].fit(never))
        assert len(epochs_of(events)) <= 5
        assert "Stopped early" in messages(events)


def test_two_budgets_at_once_are_refused(small_config: TrainConfig) -> None:
    values = small_config.model_dump()
    with pytest.raises(ConfigError, match="max_images and max_seconds are two ways to end a training") as caught:
        parse_config({**values, "max_images": 100, "max_seconds": 60})
    assert set(caught.value.problems) == {"max_seconds"}
    with pytest.raises(ConfigError, match="at least 2 pictures to see"):
        parse_config({**values, "model": "petnet", "strategy": "gradual", "max_images": 1})
    many = config_of(small_config, model="petnet", strategy="head", epochs=1000)
    assert many.views == 4
    for field in ("max_images", "max_seconds"):
        assert many.model_copy(update={field: 60}).views == 1
        with pytest.raises(ConfigError, match=field):
            parse_config({**values, field: 0})


def test_a_batch_of_one_image_leaves_batch_norm_alone(
    settings: Settings, drawn: Dataset, small_config: TrainConfig
) -> None:
    deep = config_of(small_config, filters=(4, 4, 4, 4, 4), max_images=IMAGES + 1)  # 1 x 1 px before the dense layer
    events = list(trainer_of(settings, drawn, deep).fit(never))
    assert epochs_of(events)[-1].images_seen == IMAGES + 1


def test_a_stop_ends_a_training_with_a_budget(settings: Settings, drawn: Dataset, small_config: TrainConfig) -> None:
    asked = iter([False] * 4 + [True] * 100)
    config = config_of(small_config, epochs=900, max_seconds=1000)
    trainer, _ = slowed(settings, drawn, config)
    events: list[Event] = []
    with pytest.raises(Stopped):
        events.extend(trainer.fit(StopSignal(lambda: next(asked))))
    assert len(epochs_of(events)) <= 1
    assert "were used" not in messages(events)


def test_the_time_left_is_shown_from_a_tenth_of_the_steady_steps_and_exact_at_a_steady_pace(
    settings: Settings, drawn: Dataset, small_config: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.training.trainer.EVENT_SECONDS", 0.0)  # an event for every step
    trainer, time = slowed(settings, drawn, config_of(small_config, epochs=12))
    shown = [
        (event.progress, event.eta_seconds, time()) for event in trainer.fit(never) if isinstance(event, BatchDone)
    ]
    end = time()
    assert all(seconds is None for progress, seconds, _ in shown if progress < 0.1)
    known = [(seconds, moment) for progress, seconds, moment in shown if progress > 0.13 and seconds is not None]
    assert len(known) > len(shown) / 2
    for seconds, moment in known:
        assert seconds >= 0
        assert seconds == pytest.approx(end - moment, rel=0.35, abs=STEP + LOOK)


@pytest.mark.parametrize("deadline", [20.0, 45.0])
def test_a_training_ends_early_enough_to_be_evaluated_before_its_deadline(
    settings: Settings, drawn: Dataset, small_config: TrainConfig, deadline: float
) -> None:
    config = config_of(small_config, epochs=1000, max_seconds=1000)
    plain, time = slowed(settings, drawn, config)
    evaluated, started = 2 * len(plain.data.val), time()
    trainer = Trainer(
        plain.network, plain.data, config, plain.stages, plain.feeds, CPU,
        evaluated=evaluated, seconds_left=lambda: started + deadline - time(), now=time,
    )  # fmt: skip
    events = list(trainer.fit(never))
    last = epochs_of(events)[-1]
    evaluation = trainer.position.validating / (last.epoch * len(plain.data.val)) * evaluated
    assert 0.4 * deadline < time() - started <= deadline - evaluation
    assert batches_of(events)[-1].epoch == last.epoch
    assert "so that it is evaluated before its deadline" in messages(events)
