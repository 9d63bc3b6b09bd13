"""What a run cost: the same for whoever filled the stores and for whoever found them full."""

import dataclasses
import json
import re
from pathlib import Path

import pytest
import torchvision

from core.config.events import BatchDone, EpochDone, Event, Measured, Message
from core.config.train_config import TrainConfig
from core.datasets.dataset import Dataset
from core.estimates import costs
from core.estimates.costs import (
    DECODING,
    FROZEN,
    PARTS,
    SEARCHING,
    TESTING,
    TRAINING,
    VALIDATION,
    count_multiply_adds,
    peak_memory_bytes,
)
from core.formatting import format_rough_duration
from core.settings import Settings
from core.steps import StopSignal
from core.training.session import train
from models.network import build
from models.torchvision_entries import TORCHVISION_ENTRIES

never = StopSignal()


def head(**values: object) -> TrainConfig:
    return TrainConfig.model_validate(
        {"dataset": "drawn", "model": "petnet", "strategy": "head", "epochs": 2, "precision": "fp32", **values}
    )


def trained(settings: Settings, dataset: Dataset, config: TrainConfig, folder: Path) -> list[Event]:
    folder.mkdir()
    return list(train(config, dataset, settings, folder, never))


def measured_of(events: list[Event]) -> Measured:
    (measured,) = [event for event in events if isinstance(event, Measured)]
    assert events[-1] is measured
    return measured


def notes(settings: Settings) -> list[Path]:
    return sorted((settings.cache_dir / "activations").glob("*.json"))


def note(path: Path, **changes: object) -> None:
    """Change what is noted beside stored activations; None takes it out."""
    values = {**json.loads(path.read_text(encoding="utf-8")), **changes}
    path.write_text(json.dumps({key: value for key, value in values.items() if value is not None}), encoding="utf-8")


def test_a_head_that_finds_its_activations_is_charged_what_they_took(
    settings: Settings, drawn: Dataset, tmp_path: Path
) -> None:
    first = measured_of(trained(settings, drawn, head(), tmp_path / "first"))
    assert first.reused == []
    assert first.seconds[FROZEN] > 0
    for path in notes(settings):
        note(path, seconds=100.0)  # as if a slow machine had computed them
    for path in (settings.cache_dir / "pixels").glob("*.json"):
        path.write_text('{"seconds": 7.5}', encoding="utf-8")

    events = trained(settings, drawn, head(), tmp_path / "second")
    second = measured_of(events)
    assert second.seconds[FROZEN] == 200.0  # training and validation pictures; the test has its own
    assert second.seconds[DECODING] == 7.5
    assert 100.0 <= second.seconds[TESTING] < 160.0  # the validation pictures were paid for: they are in fp32 already
    assert second.reused == [DECODING, FROZEN, TESTING]
    told = [event.seconds for event in events if isinstance(event, BatchDone | EpochDone)]
    assert min(told) > 200.0
    assert max(told) == pytest.approx(200.0 + second.seconds[TRAINING] + second.seconds[VALIDATION], abs=5.0)
    left = [event.eta_seconds for event in events if isinstance(event, BatchDone)]
    assert left[-1] is not None
    assert all(seconds is None or seconds < 100 for seconds in left)


def test_the_first_run_is_charged_the_recorded_figure_exactly(
    settings: Settings, drawn: Dataset, tmp_path: Path
) -> None:
    first = measured_of(trained(settings, drawn, head(), tmp_path / "first"))
    second = measured_of(trained(settings, drawn, head(), tmp_path / "second"))
    assert first.seconds[FROZEN] == second.seconds[FROZEN]
    assert first.seconds[DECODING] == second.seconds[DECODING]


def test_a_full_store_gives_no_time_to_a_budget_of_seconds(settings: Settings, drawn: Dataset, tmp_path: Path) -> None:
    trained(settings, drawn, head(), tmp_path / "first")
    for path in notes(settings):
        note(path, seconds=40.0)
    events = trained(settings, drawn, head(max_seconds=60, epochs=1000), tmp_path / "second")
    done = [event for event in events if isinstance(event, EpochDone)]
    assert len(done) == 1  # 80 s of a frozen part in 60 s
    text = " ".join(event.text for event in events if isinstance(event, Message))
    assert re.search(r"1 min 2\d s were used of the 60 s that were given until here", text)
    assert done[0].seconds > 80


def test_gradual_pays_once_for_what_both_stages_share(settings: Settings, drawn: Dataset, tmp_path: Path) -> None:
    measured = measured_of(trained(settings, drawn, head(strategy="gradual", freeze_point="top"), tmp_path / "run"))
    recorded = [json.loads(path.read_text(encoding="utf-8"))["seconds"] for path in notes(settings)]
    assert measured.seconds[FROZEN] == pytest.approx(sum(recorded), abs=0.002)


@pytest.mark.parametrize("known", [False, True])
def test_older_activations_are_charged_an_estimate_or_nothing_and_that_is_said(
    settings: Settings, drawn: Dataset, tmp_path: Path, known: bool
) -> None:
    config = head(precision="fp32")
    trained(settings, drawn, config, tmp_path / "first")
    for path in notes(settings):
        note(path, seconds=None)
    if known:
        from tests.core.estimates.test_estimate import know

        know(settings, config)  # 20 ms a picture, and what goes with it
    events = trained(settings, drawn, config, tmp_path / "second")
    text = " ".join(event.text for event in events if isinstance(event, Message))
    images = len(drawn.rows_of("train")) + len(drawn.rows_of("val"))
    wanted = 21.3 * images / 1000 if known else 0.0
    assert measured_of(events).seconds[FROZEN] == pytest.approx(wanted, abs=0.001)
    counted = f"about {format_rough_duration(wanted)} are counted" if known else "nothing is counted"
    assert f"did not note its time: {counted} for {images} pictures." in text


def test_the_search_for_a_rate_is_training_too(settings: Settings, drawn: Dataset, tmp_path: Path) -> None:
    config = TrainConfig.model_validate({**head().model_dump(), "find_rate": True, "max_seconds": 600})
    events = trained(settings, drawn, config, tmp_path / "run")
    searched = measured_of(events).seconds[SEARCHING]
    assert searched > 0
    first = next(event for event in events if isinstance(event, BatchDone | EpochDone))
    assert first.seconds > searched


def test_every_part_is_reported_and_explained(
    settings: Settings, drawn: Dataset, small_config: TrainConfig, tmp_path: Path
) -> None:
    measured = measured_of(trained(settings, drawn, small_config, tmp_path / "run"))
    assert list(measured.seconds) == list(PARTS)
    for part in (DECODING, TRAINING, VALIDATION, TESTING):
        assert measured.seconds[part] > 0
    assert measured.seconds[FROZEN] == measured.seconds[SEARCHING] == 0
    assert measured.weights_bytes == (tmp_path / "run" / "checkpoints" / "best.safetensors").stat().st_size
    assert 10e6 < measured.peak_memory_bytes < 1e12
    assert measured.multiply_adds == measured.multiply_adds_learning > 0


def test_a_figure_that_cannot_be_computed_fails_no_run(
    settings: Settings, drawn: Dataset, small_config: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> tuple[int, int]:
        raise RuntimeError("no such operator")

    monkeypatch.setattr("core.training.session.count_multiply_adds", broken)
    assert measured_of(trained(settings, drawn, small_config, tmp_path / "run")).multiply_adds == 0


def test_the_peak_of_memory_only_grows_and_includes_a_large_array() -> None:
    before = peak_memory_bytes()
    held = bytearray(b"x" * 80_000_000)
    during = peak_memory_bytes()
    del held
    assert 0 < before <= during
    # Linux counts resident pages on each core, and adds them up only now and then
    assert during == pytest.approx(peak_memory_bytes(), abs=2**20)


def test_the_multiply_adds_are_those_that_torchvision_publishes() -> None:
    for entry in TORCHVISION_ENTRIES:
        name = entry.name
        network = build(name, 1000, seed=0)
        counted, learning = count_multiply_adds(network, entry.preprocessing.crop_px)
        published = {weights.meta["_ops"] for weights in torchvision.models.get_model_weights(name)}
        # torchvision's SqueezeNet classifies every place of the last map before it takes the mean, and this one after
        theirs = counted / 1e9 + (13 * 13 - 1) * 512 * 1000 / 1e9 if name == "squeezenet1_0" else counted / 1e9
        assert any(abs(theirs - figure) < 0.001 for figure in published), (name, counted)
        assert learning == counted
        network.freeze(entry.blocks[-1].name)
        assert count_multiply_adds(network, entry.preprocessing.crop_px) == (counted, entry.feature_width * 1000)


def test_counting_moves_nothing_and_knows_what_is_frozen() -> None:
    network = build("petnet", 2, seed=0)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    network.train()
    whole, _ = count_multiply_adds(network, 128)
    network.freeze("stage2")
    total, learning = count_multiply_adds(network, 128)
    assert total == whole > learning > 0
    assert network.training
    assert all(bool((value == before[name]).all()) for name, value in network.state_dict().items())


def test_the_costs_before_a_pause_are_counted_too() -> None:
    first = costs.Costs(reused={FROZEN}, peak_memory_bytes=10**15)
    first.seconds[SEARCHING] = 3.0
    second = costs.Costs(reused={DECODING, FROZEN})
    second.restore(json.loads(json.dumps(first.to_json())))
    measured = second.measured((2, 1), Path("nowhere"))
    assert (measured.seconds[SEARCHING], measured.reused, measured.peak_memory_bytes) == (3.0, [FROZEN], 10**15)
    third = costs.Costs(reused={DECODING})
    third.restore({})  # an earlier version wrote nothing
    assert third.reused == {DECODING}
    assert dataclasses.asdict(measured)["weights_bytes"] == 0
