"""The cost of a run: known figures add up, unknown ones stay unknown, ratios read naturally."""

import dataclasses
from typing import Any

import pytest

from core.coach.run_cost import Cost, add_up, estimate_energy, format_large, format_ratio
from core.config.events import Described, Measured
from core.config.train_config import TrainConfig
from core.runs.history import RunHistory
from core.runs.run import RunResult, RunState
from core.settings import Settings
from tests.support.curve_facts import epoch

CPU = {"device": "cpu", "threads": 2}


def history(stages: list[dict[str, Any]], trainable: int, reused: list[str], epochs: list[Any]) -> RunHistory:
    found = RunHistory(epochs=epochs)
    found.described = Described(1100, stages[-1]["trainable"], stages, CPU, {"train": 100, "val": 20}, [], "none")
    found.measured = Measured({"training": 4.0}, reused, 1000, trainable, 5_000_000, 4_400)
    return found


def of_stage(number: int, stage: str, images: int) -> Any:
    return epoch(number, 0.5, 0.5, 0.8, 0.8, stage=stage, images_seen=images)


HEAD = [{"name": "head", "freeze_point": "top", "epochs": 2, "trainable": 10}]
EPOCHS = [of_stage(1, "head", 100), of_stage(2, "head", 200)]


def test_a_frozen_part_runs_forward_once_for_each_view_and_never_back(settings: Settings) -> None:
    config = TrainConfig(dataset="pets", model="petnet", epochs=2)
    cost = add_up(settings, "head", config, history(HEAD, 10, [], EPOCHS))
    assert cost.training_multiply_adds == 200 * 3 * 10 + 100 * 990  # one stored view of each of 100 pictures
    fresh = config.model_copy(update={"stored_views": 0})
    cost = add_up(settings, "head", fresh, history(HEAD, 10, [], EPOCHS))
    assert cost.training_multiply_adds == 200 * 3 * 10 + 200 * 990


def test_a_frozen_part_that_was_reused_is_counted_all_the_same(settings: Settings) -> None:
    config = TrainConfig(dataset="pets", model="petnet", epochs=2)
    cost = add_up(settings, "head", config, history(HEAD, 10, ["frozen part"], EPOCHS))
    assert cost.training_multiply_adds == 200 * 3 * 10 + 100 * 990
    assert cost.reused == ("frozen part",)


def test_trainable_parts_run_forward_once_and_back_at_twice_the_cost(settings: Settings) -> None:
    config = TrainConfig(dataset="pets", model="scratch_cnn", strategy="scratch", epochs=2)
    stages = [{"name": "scratch", "freeze_point": None, "epochs": 2, "trainable": 1100}]
    epochs = [of_stage(1, "scratch", 100), of_stage(2, "scratch", 200)]
    cost = add_up(settings, "scratch", config, history(stages, 1000, [], epochs))
    assert cost.training_multiply_adds == 200 * 3 * 1000


def test_each_stage_of_a_gradual_training_counts_what_is_trained_in_it(settings: Settings) -> None:
    config = TrainConfig(dataset="pets", model="petnet", strategy="gradual", epochs=3)
    stages = [
        {"name": "head first", "freeze_point": "top", "epochs": 1, "trainable": 10},
        {"name": "unfrozen", "freeze_point": None, "epochs": 2, "trainable": 1100},
    ]
    epochs = [of_stage(1, "head first", 100), of_stage(2, "unfrozen", 200), of_stage(3, "unfrozen", 300)]
    cost = add_up(settings, "gradual", config, history(stages, 1000, [], epochs))
    assert cost.training_multiply_adds == (100 * 3 * 10 + 100 * 990) + 200 * 3 * 1000


def test_what_an_older_run_did_not_record_is_unknown_and_never_zero(settings: Settings) -> None:
    old = RunHistory(epochs=EPOCHS)
    cost = add_up(settings, "old", TrainConfig(dataset="pets", model="petnet"), old)
    unknown = ("parameters", "trainable", "multiply_adds", "training_multiply_adds", "peak_memory_bytes",
               "weights_bytes", "energy")  # fmt: skip
    assert all(getattr(cost, name) is None for name in unknown)
    assert cost.seconds == 2.0  # of its last epoch, since its result is not there
    assert format_large(cost.multiply_adds) == "not measured"
    empty = add_up(settings, "empty", TrainConfig(dataset="pets", model="petnet"), RunHistory())
    assert empty.seconds is None
    assert format_ratio(empty, cost) == ""


def test_the_seconds_are_those_of_the_whole_run_once_it_has_ended(settings: Settings) -> None:
    result = RunResult(RunState.FINISHED, "Finished.", 0.0, 12.5)
    cost = add_up(settings, "a", TrainConfig(dataset="p", model="petnet"), history(HEAD, 10, [], EPOCHS), result)
    assert cost.seconds == 12.5


def test_reused_parts_count_as_when_they_were_computed(settings: Settings) -> None:
    result = RunResult(RunState.FINISHED, "Finished.", 0.0, 1.5)
    found = history(HEAD, 10, ["frozen part", "testing"], EPOCHS)
    assert found.measured is not None
    found.measured = dataclasses.replace(found.measured, seconds={"frozen part": 12.9, "training": 0.6, "testing": 2.9})
    cost = add_up(settings, "a", TrainConfig(dataset="p", model="petnet"), found, result)
    assert cost.seconds == pytest.approx(1.5 + 12.9 + 2.9), "never less than its parts"
    assert cost.energy is not None
    assert cost.energy.watt_hours == pytest.approx(cost.seconds * cost.energy.watts / 3600)


def test_energy_has_one_digit_and_names_its_assumption(settings: Settings) -> None:
    energy = estimate_energy(settings, 80.0, CPU)
    assert energy is not None
    assert energy.watts == 16
    assert energy.text() == "about 0.4 Wh"
    assert "8 W for each of 2 processor threads" in energy.source
    single = estimate_energy(settings, 80.0, {**CPU, "threads": 1})
    assert single is not None
    assert "8 W for one processor thread" in single.source
    measured = estimate_energy(dataclasses.replace(settings, watts=100), 3600.0, CPU)
    assert measured is not None
    assert measured.watt_hours == 100
    assert "TUNEMYPETS_WATTS" in measured.source
    assert estimate_energy(settings, None, CPU) is None
    assert estimate_energy(settings, 1.0, {"device": "mps"}) is None


@pytest.mark.parametrize(
    ("watt_hours", "text"),
    [(0.0096, "0.01 Wh"), (0.96, "1 Wh"), (9.6, "10 Wh"), (0.00034, "0.0003 Wh"), (1234.0, "1,000 Wh")],
)
def test_energy_never_pretends_precision(settings: Settings, watt_hours: float, text: str) -> None:
    energy = estimate_energy(dataclasses.replace(settings, watts=1), watt_hours * 3600, CPU)
    assert energy is not None
    assert energy.text() == f"about {text}"


def cost(name: str, seconds: float, trainable: int) -> Cost:
    return Cost(name, seconds, {}, (), 1000, trainable, None, None, None, None, None, None)


@pytest.mark.parametrize(
    ("seconds", "trainable", "words"),
    [
        (
            10.0,
            2_500,
            "result in a sixth of the time (all parts counted) and trained 40 times fewer parameters",
        ),
        (
            60.0,
            100_000,
            "got its result in about the same time (all parts counted) and trained about as many parameters",
        ),
        (
            150.0,
            200_000,
            "result in 2.5 times the time (all parts counted) and trained 2 times more parameters",
        ),
        (1.5, 100, "got its result in 2.5 % of the time (all parts counted) and trained 1,000 times fewer parameters"),
        (45.0, 100_000, "got its result in three quarters of the time (all parts counted)"),
    ],
)
def test_ratios_read_naturally(seconds: float, trainable: int, words: str) -> None:
    sentence = format_ratio(cost("scratch", 60.0, 100_000), cost("transfer", seconds, trainable))
    assert sentence.startswith("Compared with scratch, transfer got its result ")
    assert words in sentence


def test_large_numbers_are_written_in_words() -> None:
    assert format_large(314_000_000) == "314 million"
    assert format_large(5_700_000_000_000) == "5.7 trillion"
    assert format_large(2_562) == "2,562"
