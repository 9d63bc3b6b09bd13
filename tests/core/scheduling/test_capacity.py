"""How many trainings go on at the same time."""

import dataclasses
import os
from pathlib import Path

import pytest

from core.config.train_config import TrainConfig
from core.scheduling.capacity import count_shares, fit_to_machine, gpu_memory_mib, memory_needed
from core.settings import Settings


@pytest.fixture
def gpu_tool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tool called nvidia-smi that prints what this file holds."""
    answer = tmp_path / "answer"
    tool = tmp_path / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\ncat {answer}\n", encoding="utf-8")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    return answer


def test_a_chosen_number_is_kept(settings: Settings) -> None:
    chosen = dataclasses.replace(settings, workers=7, threads=3)
    assert fit_to_machine(chosen) == chosen


def test_without_a_gpu_there_is_one(settings: Settings) -> None:
    fitted = fit_to_machine(dataclasses.replace(settings, device="cpu", threads=8))
    assert (fitted.workers, fitted.threads) == (1, 8)


@pytest.mark.skipif(os.name != "posix", reason="A shell script stands for the tool: this wants POSIX.")
@pytest.mark.parametrize(
    ("answer", "cores", "workers"),
    [("24564\n", 16, 4), ("12288\n", 16, 2), ("8192\n2048\n", 16, 1), ("143771\n", 4, 2)],
)
def test_a_gpu_gives_as_many_as_its_memory_and_the_processor_carry(
    settings: Settings, gpu_tool: Path, monkeypatch: pytest.MonkeyPatch, answer: str, cores: int, workers: int
) -> None:
    gpu_tool.write_text(answer, encoding="utf-8")
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    fitted = fit_to_machine(dataclasses.replace(settings, workers=None, threads=cores))
    assert (fitted.workers, fitted.threads) == (workers, cores // workers)


@pytest.mark.skipif(os.name != "posix", reason="A shell script stands for the tool: this wants POSIX.")
@pytest.mark.parametrize("answer", ["", "No devices were found\n", "[N/A]\n"])
def test_without_a_gpu_in_the_tools_answer_there_is_one(settings: Settings, gpu_tool: Path, answer: str) -> None:
    gpu_tool.write_text(answer, encoding="utf-8")
    assert gpu_memory_mib() == 0
    assert fit_to_machine(settings).workers == 1


def test_arms_share_the_threads_of_a_processor_unless_a_number_of_workers_was_chosen(settings: Settings) -> None:
    assert count_shares(dataclasses.replace(settings, device="cpu", threads=8, workers=None)) == 8
    assert count_shares(dataclasses.replace(settings, device="cpu", threads=8, workers=1)) == 1
    assert count_shares(dataclasses.replace(settings, device="cuda", threads=8, workers=None)) == 1


@pytest.mark.skipif(os.name != "posix", reason="A shell script stands for the tool: this wants POSIX.")
def test_arms_on_a_gpu_take_workers_of_their_own(settings: Settings, gpu_tool: Path) -> None:
    gpu_tool.write_text("24564\n", encoding="utf-8")
    assert count_shares(dataclasses.replace(settings, device="auto", threads=8, workers=None)) == 1


def test_two_trainings_of_a_large_network_do_not_fit_beside_each_other_on_a_small_laptop() -> None:
    vgg = TrainConfig(dataset="pets", model="vgg16", strategy="full", batch_size=32)
    small = TrainConfig(dataset="pets", model="scratch_cnn", strategy="scratch", batch_size=16)
    head = TrainConfig(dataset="pets", model="petnet", strategy="head")
    assert memory_needed(vgg) > 4e9
    assert memory_needed(small) + memory_needed(head) < 2e9
