"""What is measured on this machine: kept, used again, and never a change to the network."""

import copy
import errno
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from core.config.stages import TOLERANCE, choose_precision, describe_network, plan_stages
from core.config.train_config import TrainConfig
from core.datasets.dataset import Dataset
from core.errors import ConfigError
from core.estimates import benchmark, timing
from core.estimates.benchmark import choose_hardware, measure
from core.settings import Settings
from core.steps import Stopped, StopSignal, run_step
from core.stores import measurements
from core.stores.hardware import Hardware, autocast, number_formats
from core.stores.measurements import Measurements
from core.stores.pixels import Pixels
from models.network import Network, build

FAST_AND_CLOSE = {"input": 0.3, "prefix_fp32": 10.0, "prefix_bf16": 4.0, "prefix_error": 0.03}
CPU = torch.device("cpu")


def config_of(**changes: Any) -> TrainConfig:
    return TrainConfig.model_validate({"dataset": "drawn", "model": "petnet", "strategy": "head", **changes})


def decide(settings: Settings, config: TrainConfig, earlier: dict[str, Any] | None = None) -> Hardware:
    stages = plan_stages(config, config.entry())
    network = build("petnet", 2, seed=0)
    return run_step(choose_hardware(settings, config, network, stages, pixels(), StopSignal(), earlier))


def pixels() -> Pixels:
    side = config_of().entry().preprocessing.resize_px
    return np.random.default_rng(0).integers(0, 256, (4, side, side, 3), dtype=np.uint8)


def measured(monkeypatch: pytest.MonkeyPatch, figures: dict[str, float]) -> list[int]:
    """Let the measurement find these figures; the list grows with every one."""
    calls: list[int] = []

    def fake(*_: Any) -> Iterator[dict[str, float]]:
        calls.append(1)
        yield dict(figures)

    monkeypatch.setattr(benchmark, "measure", fake)
    monkeypatch.setattr(measurements.OtherPrograms, "taken", lambda *_: 0.0)
    return calls


@pytest.mark.parametrize(
    ("strategy", "figures"),
    [
        ("head", {"input", "prefix_fp32", "prefix_bf16", "prefix_bytes", "prefix_error"}),
        ("partial", {"input", "prefix_fp32", "prefix_bf16", "prefix_bytes", "prefix_error", "step_fp32", "step_bf16"}),
        ("gradual", {"input", "prefix_fp32", "prefix_bf16", "prefix_bytes", "prefix_error", "step_fp32", "step_bf16"}),
        ("full", {"input", "step_fp32", "step_bf16"}),
    ],
)
@pytest.mark.parametrize("native", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["emulated", "native"])
def test_what_a_strategy_computes_is_measured_and_nothing_is_changed(
    native: bool, strategy: str, figures: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(benchmark, "number_formats", lambda _: ("fp32", "bf16") if native else ("fp32",))
    if not native:  # what is emulated is not measured, and nothing is compared with it
        figures = {name for name in figures if not name.endswith(("_bf16", "_error"))}
    config = config_of(strategy=strategy)
    network = build("petnet", 2, seed=0)
    before, random = copy.deepcopy(network.state_dict()), torch.get_rng_state()
    found: dict[str, float] = {}
    for part in measure(network, config, plan_stages(config, config.entry()), CPU, pixels(), StopSignal(), 600.0):
        found.update(part)
    assert set(found) == figures
    assert all(value >= 0 for value in found.values())
    assert network.freeze_point is None
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())
    assert torch.equal(random, torch.get_rng_state())


def test_bf16_that_is_faster_and_close_is_chosen_for_the_frozen_part(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured(monkeypatch, FAST_AND_CLOSE)
    found = decide(settings, config_of())
    assert (found.prefix_precision, found.precision) == ("bf16", "fp32")
    assert "10 ms a picture in fp32, 4 ms in bf16, which differs by 3.0 %" in found.prefix_reason


@pytest.mark.parametrize("change", [{"prefix_bf16": 9.9}, {"prefix_error": 2 * TOLERANCE}])
def test_bf16_that_is_no_faster_or_not_close_is_refused(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, change: dict[str, float]
) -> None:
    measured(monkeypatch, {**FAST_AND_CLOSE, **change})
    assert decide(settings, config_of()).prefix_precision == "fp32"


def test_it_is_measured_once_for_each_thing_that_matters(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = measured(monkeypatch, FAST_AND_CLOSE)
    first = decide(settings, config_of())
    assert decide(settings, config_of(seed=7, learning_rate=0.1, epochs=9)) == first
    assert len(calls) == 1
    decide(settings, config_of(strategy="partial"))
    decide(settings, config_of(model="mobilenet_v2"))
    assert len(calls) == 3


@pytest.mark.parametrize("content", ["", "{", "[1, 2]", "{}"])
def test_a_damaged_file_of_measurements_is_replaced(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, content: str
) -> None:
    settings.cache_dir.mkdir(parents=True)
    (settings.cache_dir / "measurements.json").write_text(content)
    calls = measured(monkeypatch, FAST_AND_CLOSE)
    decide(settings, config_of())
    decide(settings, config_of())
    assert len(calls) == 1


def test_a_full_disk_costs_only_the_memory(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, value: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    measured(monkeypatch, FAST_AND_CLOSE)
    monkeypatch.setattr(measurements, "write_json", full)
    assert decide(settings, config_of()).prefix_precision == "bf16"


@pytest.mark.parametrize("stopped", [False, True])
def test_what_is_measured_ahead_is_kept_unless_a_run_has_started(
    settings: Settings, drawn: Dataset, monkeypatch: pytest.MonkeyPatch, stopped: bool
) -> None:
    measured(monkeypatch, FAST_AND_CLOSE)
    config = config_of()
    with pytest.raises(Stopped) if stopped else nullcontext():
        run_step(benchmark.measure_ahead(settings, config, drawn, StopSignal(lambda: stopped)))
    kept = Measurements(settings).find(describe_network(config, plan_stages(config, config.entry())))
    assert (kept is None) is stopped


def test_a_number_format_that_was_chosen_is_not_measured(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = measured(monkeypatch, FAST_AND_CLOSE)
    found = decide(settings, config_of(precision="bf16"))
    assert (found.precision, found.prefix_precision) == ("bf16", "bf16")
    assert not calls


def test_a_resumed_run_keeps_its_number_formats(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = measured(monkeypatch, FAST_AND_CLOSE)
    found = decide(settings, config_of(), {"precision": "bf16", "prefix_precision": "fp32"})
    assert (found.precision, found.prefix_precision) == ("bf16", "fp32")
    assert not calls


def test_progress_is_reported_during_the_benchmark(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benchmark, "number_formats", lambda _: ("fp32",))
    config = config_of()
    network: Network = build("petnet", 2, seed=0)
    stages = plan_stages(config, config.entry())
    progress = list(choose_hardware(settings, config, network, stages, pixels(), StopSignal()))
    assert [(item.done, item.total) for item in progress] == [(0, 2), (1, 2), (2, 2)]


def test_the_newest_figures_of_any_machine_with_as_many_threads_are_found(settings: Settings) -> None:
    known = Measurements(settings)
    here = {"name": "here", "threads": settings.threads}
    known.keep({"model": "a"}, here, {"step": 1.0})
    known.keep({"model": "a"}, {**here, "name": "there"}, {"step": 2.0})
    assert known.keep({"model": "a"}, here, {"step": 9.0}) == {"step": 1.0}  # the first decides
    known.keep({"model": "a"}, {**here, "threads": settings.threads + 1}, {"step": 3.0})
    assert known.find({"model": "a"}) == {"step": 2.0}
    assert known.find({"model": "a"}, here) == {"step": 1.0}
    assert known.find({"model": "b"}) is None


def test_a_format_that_would_be_emulated_is_neither_measured_nor_chosen(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: False, raising=False)
    assert number_formats(CPU) == ("fp32",)
    measured(monkeypatch, {"input": 0.3, "prefix_fp32": 10.0, "prefix_bytes": 5120.0})
    found = decide(settings, config_of())
    assert (found.prefix_precision, found.prefix_reason) == ("fp32", "this processor would have to emulate bf16")
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: True, raising=False)
    assert number_formats(CPU) == ("fp32", "bf16")
    # a build of torch without that library lacks the question too
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: pytest.fail("asked"), raising=False)
    assert number_formats(CPU) == ("fp32",)


@pytest.mark.parametrize("strategy", ["head", "full"])
def test_measuring_ends_in_the_middle_of_a_network_when_its_time_is_over(
    strategy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0.0]
    for module in (benchmark, timing):
        monkeypatch.setattr(module, "perf_counter", lambda: clock[0])
    config = config_of(strategy=strategy)
    network = build("petnet", 2, seed=1)
    passed: list[object] = []

    def take_long(*_: object) -> None:
        passed.append(1)
        clock[0] += 0.3

    layers = [layer for layer in network.blocks.modules() if isinstance(layer, torch.nn.Conv2d)]
    for layer in layers:
        layer.register_forward_pre_hook(take_long)
    found: dict[str, float] = {}
    for part in measure(network, config, plan_stages(config, config.entry()), CPU, pixels(), StopSignal(), 1.0):
        found.update(part)
    assert len(passed) == 4 < len(layers)
    assert found.keys() - {"input"} == {"prefix_unmeasured" if strategy == "head" else "step_unmeasured"}
    assert choose_precision(found, "prefix" if strategy == "head" else "step", "auto")[0] == "fp32"


def test_a_machine_that_leaves_no_time_is_not_measured_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]

    def late() -> float:
        clock[0] += 0.5  # whatever is done takes half a second
        return clock[0]

    for module in (benchmark, timing):
        monkeypatch.setattr(module, "perf_counter", late)
    monkeypatch.setattr(timing, "process_time", lambda: 0.0)  # and hardly computes
    monkeypatch.setattr(benchmark.copy, "deepcopy", lambda _: pytest.fail("the network was copied"))
    config = config_of(strategy="partial")
    network = build("petnet", 2, seed=0)
    found: dict[str, float] = {}
    for part in measure(network, config, plan_stages(config, config.entry()), CPU, pixels(), StopSignal(), 5.0):
        found.update(part)
    assert found.keys() == {"input", "prefix_unmeasured", "step_unmeasured"}
    assert measurements.is_doubtful(found)


def test_a_step_that_would_take_too_long_is_estimated_from_its_forward_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(benchmark, "BACKWARD_COST", 1e6)  # so long that it never begins
    config = config_of(strategy="full")
    network = build("petnet", 2, seed=0)
    found: dict[str, float] = {}
    for part in measure(network, config, plan_stages(config, config.entry()), CPU, pixels(), StopSignal(), 60.0):
        found.update(part)
    assert found["step_fp32"] > 1e6 * 0.01
    assert found["step_unmeasured"]


def test_a_stop_request_ends_the_measuring_between_two_layers(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timing, "ASK_SECONDS", 0.0)
    monkeypatch.setattr(benchmark, "MEASURING_SECONDS", 600.0)  # however busy the machine is
    network = build("petnet", 2, seed=0)
    passed: list[object] = []
    for block in network.blocks.values():
        block.register_forward_pre_hook(lambda *_: passed.append(1))
    config = config_of(strategy="full")
    signal = StopSignal(lambda: len(passed) == 2)
    with pytest.raises(Stopped):
        run_step(choose_hardware(settings, config, network, plan_stages(config, config.entry()), pixels(), signal))
    assert len(passed) == 2
    assert Measurements(settings).find(describe_network(config, plan_stages(config, config.entry()))) is None


def test_figures_taken_beside_other_programs_hold_for_a_while_and_are_taken_again(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = [1.0]
    calls = measured(monkeypatch, FAST_AND_CLOSE)
    monkeypatch.setattr(measurements.OtherPrograms, "taken", lambda *_: others[0])
    assert "beside other programs" in decide(settings, config_of()).prefix_reason
    decide(settings, config_of())
    assert len(calls) == 1
    monkeypatch.setattr(measurements, "DOUBT_SECONDS", 0.0)
    others[0] = 0.1
    assert "beside other programs" not in decide(settings, config_of()).prefix_reason
    decide(settings, config_of())
    assert len(calls) == 2


def test_what_other_programs_compute_is_counted_and_what_this_one_does_is_not() -> None:
    others, started = measurements.OtherPrograms(), time.perf_counter()
    while time.perf_counter() - started < 0.3:
        pass
    alone = others.cores()
    others = measurements.OtherPrograms()
    subprocess.run([sys.executable, "-c", "import time\nwhile time.process_time() < 0.5: pass"], check=True)
    assert others.cores() > 0.2
    assert alone < (os.cpu_count() or 1)


def test_figures_for_which_a_busier_machine_left_no_time_do_not_replace_older_ones(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    known, what, here = Measurements(settings), {"model": "petnet"}, {"threads": settings.threads}
    busy = {**FAST_AND_CLOSE, "others": 1.0}
    known.keep(what, here, busy)
    monkeypatch.setattr(measurements, "DOUBT_SECONDS", 0.0)
    assert known.keep(what, here, {"input": 40.0, "prefix_unmeasured": 1.0, "others": 1.9}) == busy
    assert known.find(what) == busy
    quiet = {**FAST_AND_CLOSE, "prefix_fp32": 8.0}
    assert known.keep(what, here, quiet) == known.find(what) == quiet


@pytest.mark.parametrize(("threads", "taken"), [(4, 1.5), (3, 0.5), (1, 0.0)])
def test_other_programs_on_cores_that_a_training_leaves_free_take_nothing_from_it(
    monkeypatch: pytest.MonkeyPatch, threads: int, taken: float
) -> None:
    monkeypatch.setattr(measurements.OtherPrograms, "cores", lambda _: 1.5)
    monkeypatch.setattr(measurements.psutil, "cpu_count", lambda: 4)
    assert measurements.OtherPrograms().taken(threads) == taken


def test_a_gpu_without_bf16_is_measured_in_fp16(monkeypatch: pytest.MonkeyPatch) -> None:
    cuda = torch.device("cuda")
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: False)
    assert number_formats(cuda) == ("fp32", "fp16")
    with autocast(CPU, "fp16"):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.float16
    figures = {"prefix_fp32": 10.0, "prefix_fp16": 4.0, "prefix_error": 0.001, "step_fp32": 9.0, "step_fp16": 3.0}
    assert choose_precision(figures, "step", "auto") == (
        "fp16", "measured on this machine: 9 ms a picture in fp32, 3 ms in fp16",
    )  # fmt: skip
    assert choose_precision(figures, "prefix", "auto")[0] == "fp16"
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **_: True)
    assert number_formats(cuda) == ("fp32", "bf16")


def test_fp16_without_a_gpu_is_refused_with_a_sentence_that_names_the_field(settings: Settings) -> None:
    with pytest.raises(ConfigError, match="The precision fp16 needs an NVIDIA GPU") as caught:
        decide(settings, config_of(precision="fp16"))
    assert set(caught.value.problems) == {"precision"}
