"""One process, one run: killed, stopped, diverged, too late, or one too many."""

import shutil
import subprocess
import time
from typing import Any

import psutil
import pytest

from core.cli.commands.training_commands import evaluate_run
from core.config.events import BatchDone, Event, Measured
from core.config.events import Tested as Evaluated  # pytest takes classes called Test… for tests
from core.config.train_config import TrainConfig
from core.datasets.dataset import Dataset
from core.datasets.dataset_store import DatasetStore
from core.datasets.drawn_sample import draw_sample
from core.datasets.importing import import_dataset
from core.datasets.sources.source import MemorySource
from core.datasets.splits import SplitPlan
from core.errors import RunError
from core.estimates.costs import SEARCHING, TRAINING, VALIDATION
from core.jobs.launchers import start_module
from core.jobs.workers.held_run import HeldRun
from core.jobs.workers.worker import Worker
from core.runs.run import Run, RunState
from core.runs.run_store import RunStore
from core.settings import Settings
from core.storage import read_json
from tests.support.processes import wait_for

OBEYED_SECONDS = 4.0  # two are promised; a busy machine gets as many again


def create(settings: Settings, config: TrainConfig, **changes: Any) -> Run:
    return RunStore(settings).create(TrainConfig.model_validate({**config.model_dump(), **changes}))


def start(settings: Settings, run: Run) -> "subprocess.Popen[bytes]":
    return start_module(
        settings, "core.jobs.workers.worker", [str(run.folder)], run.folder / "worker.log", threads=settings.threads
    )


def kill(run: Run) -> None:
    psutil.Process(read_json(run.folder / "started.json")["pid"]).kill()


def stop_and_time(settings: Settings, run: Run, worker: "subprocess.Popen[bytes]") -> float:
    """Seconds from the request until the run has ended and its process is gone."""
    asked = time.monotonic()
    RunStore(settings).request_stop(run.id)
    worker.wait(30)
    seconds = time.monotonic() - asked
    assert run.state() is RunState.STOPPED
    return seconds


def text_of(run: Run) -> str:
    result = run.result()
    assert result is not None
    return result.text


@pytest.mark.slow
def test_a_killed_worker_leaves_an_interrupted_run_whose_weights_can_be_evaluated(
    settings: Settings, drawn: Dataset, small_config: TrainConfig, ended_processes: None
) -> None:
    from core.checkpoints.checkpoint import load_network

    waiting = create(settings, small_config)
    run = create(settings, small_config, epochs=1000)
    worker = start(settings, run)
    wait_for(lambda: len(run.history().epochs) >= 2 and run.has_weights)
    assert run.state() is RunState.RUNNING
    kill(run)
    worker.wait(10)
    assert run.state() is RunState.INTERRUPTED
    assert run.result() is None
    assert waiting.state() is RunState.QUEUED

    _, checkpoint = load_network(run.checkpoints, "best")
    assert checkpoint.classes == drawn.classes
    again = start(settings, run)
    assert again.wait(60) == 0
    assert run.state() is RunState.INTERRUPTED  # a run is never taken twice

    outcome = evaluate_run.callback(settings, run.id)
    assert outcome.value["test_images"] == len(drawn.rows_of("test"))
    assert run.predictions().n == len(drawn.rows_of("test"))
    assert run.validation_predictions().n == len(drawn.rows_of("val"))
    assert run.state() is RunState.INTERRUPTED
    tested = run.history().tested
    assert tested is not None
    assert tested.epoch == checkpoint.epoch
    with pytest.raises(RunError, match="evaluated already"):
        evaluate_run.callback(settings, run.id)
    with pytest.raises(RunError, match="was evaluated after it was interrupted: train it again"):
        RunStore(settings).resume(run.id)


@pytest.mark.real_processes
def test_a_stop_while_torch_loads_is_obeyed_in_time(
    settings: Settings, drawn: Dataset, small_config: TrainConfig, ended_processes: None
) -> None:
    run = create(settings, small_config, epochs=1000)
    worker = start(settings, run)
    wait_for(lambda: (run.folder / "started.json").exists())
    assert stop_and_time(settings, run, worker) < OBEYED_SECONDS
    assert text_of(run) == "Stopped before the first epoch was complete."
    with pytest.raises(RunError):
        evaluate_run.callback(settings, run.id)


def test_a_stop_in_training_is_obeyed_in_time_and_keeps_the_best_weights(
    settings: Settings, drawn: Dataset, small_config: TrainConfig, ended_processes: None
) -> None:
    from core.checkpoints.checkpoint import load_network

    run = create(settings, small_config, epochs=1000)
    worker = start(settings, run)
    wait_for(lambda: len(run.history().epochs) >= 1)
    assert stop_and_time(settings, run, worker) < OBEYED_SECONDS
    assert "best weights so far were kept" in text_of(run)
    _, checkpoint = load_network(run.checkpoints, "best")
    best = run.history().best
    assert best is not None
    assert (checkpoint.epoch, checkpoint.val_accuracy) == (best.epoch, best.val_accuracy)
    assert list(run.folder.rglob("*.tmp")) == []
    with pytest.raises(RunError, match="already stopped"):
        RunStore(settings).request_stop(run.id)


def test_a_stop_in_a_very_long_step_is_obeyed_in_time(
    settings: Settings, drawn: Dataset, small_config: TrainConfig, ended_processes: None
) -> None:
    run = create(settings, small_config, filters=(64, 512, 512), kernel_size=7, image_size=256)
    worker = start(settings, run)
    wait_for(lambda: (phase := run.history().phase) is not None and phase.phase == "training")
    time.sleep(1)  # into the step
    assert stop_and_time(settings, run, worker) < OBEYED_SECONDS
    assert run.history().batches == [], "the step was not long enough to show anything"
    assert text_of(run) == "Stopped before the first epoch was complete."


def test_a_diverging_training_fails_with_a_remedy_and_finite_weights(
    settings: Settings, drawn: Dataset, small_config: TrainConfig, ended_processes: None
) -> None:
    import torch

    from core.checkpoints.checkpoint import load_network

    run = create(
        settings,
        small_config,
        learning_rate=1e6,
        optimizer="sgd",
        gradient_clip=0,
        batch_norm=False,
        schedule="constant",
        epochs=50,
    )
    worker = start(settings, run)
    assert worker.wait(60) == 0
    assert run.state() is RunState.FAILED
    assert "choose a learning rate below" in text_of(run)
    network, _ = load_network(run.checkpoints, "best")
    assert all(bool(torch.isfinite(value).all()) for value in network.state_dict().values())


def test_a_dataset_that_is_gone_or_changed_fails_the_run_with_a_sentence(
    settings: Settings, drawn: Dataset, small_config: TrainConfig, ended_processes: None
) -> None:
    gone, changed = create(settings, small_config), create(settings, small_config)
    DatasetStore(settings).delete("drawn")
    assert start(settings, gone).wait(60) == 0
    assert gone.state() is RunState.FAILED
    assert "There is no dataset 'drawn'" in text_of(gone)

    source = MemorySource("other", list(draw_sample(count_per_class=12, seed=5, size_px=64)), drawn=True)
    list(import_dataset(settings, source, name="drawn", plan=SplitPlan.parse("60/20/20"), seed=0))
    assert start(settings, changed).wait(60) == 0
    assert changed.state() is RunState.FAILED
    assert "start a new run" in text_of(changed)
    assert not changed.has_weights


def test_the_second_of_two_workers_does_nothing(
    settings: Settings, drawn: Dataset, small_config: TrainConfig, ended_processes: None
) -> None:
    run = create(settings, small_config, epochs=3)
    workers = [start(settings, run), start(settings, run)]
    assert [worker.wait(90) for worker in workers].count(0) >= 1
    assert run.state() is RunState.FINISHED
    history = run.history()
    assert [epoch.epoch for epoch in history.epochs] == [1, 2, 3]
    assert [record["kind"] for record in run.records()].count("tested") == 1
    assert read_json(run.folder / "started.json")["pid"] in [worker.pid for worker in workers]
    tested = history.tested
    assert tested is not None
    assert tested.accuracy == run.predictions().accuracy


def test_damaged_images_or_a_damaged_configuration_still_end_in_a_state(
    settings: Settings, drawn: Dataset, small_config: TrainConfig, ended_processes: None
) -> None:
    damaged, emptied = create(settings, small_config), create(settings, small_config)
    (damaged.folder / "config.json").write_text("{")
    assert start(settings, damaged).wait(60) == 0
    assert damaged.state() is RunState.FAILED
    assert damaged.id in text_of(damaged)

    for row in drawn.rows:
        shutil.copyfile(__file__, drawn.image_path(row))
    assert start(settings, emptied).wait(60) == 0
    assert emptied.state() is RunState.FAILED
    assert text_of(emptied).endswith(".")
    assert "unexpectedly" not in text_of(emptied)


class _Crash(BaseException):
    """What ends a process from outside, as far as a test within it can say."""


def crash(monkeypatch: pytest.MonkeyPatch, settings: Settings, run: Run, epoch: int) -> None:
    """Let the run's worker die when it has logged this epoch, as soon as a snapshot is there."""
    append = HeldRun.append

    def dies(self: HeldRun, event: Event) -> None:
        append(self, event)
        if (
            isinstance(event, BatchDone)
            and event.epoch > epoch
            and (self.run.checkpoints / "last.safetensors").exists()
        ):
            raise _Crash

    with monkeypatch.context() as patch:
        patch.setattr(HeldRun, "append", dies)
        with pytest.raises(_Crash):
            Worker(settings, run).work()


@pytest.fixture
def snapshots_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the training aside after every event."""
    monkeypatch.setattr("core.checkpoints.snapshot.LEAST_SECONDS", 0.0)
    monkeypatch.setattr("core.checkpoints.snapshot.SHARE", 0)


def metrics_of(run: Run) -> list[tuple[Any, ...]]:
    history = run.history()
    assert history.tested is not None
    found: list[tuple[Any, ...]] = [
        (e.epoch, e.train_loss, e.train_accuracy, e.val_loss, e.val_accuracy, e.best) for e in history.epochs
    ]
    return [*found, (history.tested.correct, history.tested.loss, history.tested.epoch)]


@pytest.mark.parametrize("find_rate", [False, True])
def test_an_interrupted_run_resumes_and_ends_like_an_uninterrupted_one(
    settings: Settings,
    drawn: Dataset,
    small_config: TrainConfig,
    snapshots_at_once: None,
    monkeypatch: pytest.MonkeyPatch,
    find_rate: bool,
) -> None:
    whole = create(settings, small_config, epochs=6, find_rate=find_rate)
    assert Worker(settings, whole).work() is RunState.FINISHED
    assert not (whole.checkpoints / "last.safetensors").exists()

    run = create(settings, small_config, epochs=6, find_rate=find_rate)
    crash(monkeypatch, settings, run, epoch=3)
    assert run.state() is RunState.INTERRUPTED
    with pytest.raises(RunError, match="is finished: only an interrupted run"):
        RunStore(settings).resume(whole.id)
    assert (run.checkpoints / "last.safetensors").exists()

    RunStore(settings).resume(run.id)
    assert run.state() is RunState.QUEUED
    assert Worker(settings, run).work() is RunState.FINISHED
    assert metrics_of(run) == metrics_of(whole)
    assert (run.history().rate is not None) is find_rate
    assert sum(record["kind"] == "rate" for record in run.records()) == find_rate  # the search is not made again
    assert any("Resumed after epoch" in item.text for _, item in run.history().messages)
    measured = run.history().measured
    assert measured is not None
    assert [record["kind"] for record in run.records()].count("measured") == 1
    last = run.history().epochs[-1].seconds
    assert sum(measured.seconds[part] for part in (SEARCHING, TRAINING, VALIDATION)) == pytest.approx(last, abs=0.5)
    assert (measured.seconds[SEARCHING] > 0) is find_rate
    assert (run.folder / "validation.csv").read_bytes() == (whole.folder / "validation.csv").read_bytes()
    assert not (run.checkpoints / "last.safetensors").exists()


@pytest.mark.parametrize("strategy", ["head", "gradual"])
def test_a_run_with_scaled_features_resumes_with_the_scale_of_its_snapshot(
    settings: Settings,
    drawn: Dataset,
    large_features: None,
    snapshots_at_once: None,
    monkeypatch: pytest.MonkeyPatch,
    strategy: str,
) -> None:
    config = TrainConfig(dataset="drawn", model="petnet", strategy=strategy, epochs=6, precision="fp32")
    monkeypatch.setattr("core.training.trainer.EVENT_SECONDS", 0.0)
    whole, run = create(settings, config), create(settings, config)
    assert Worker(settings, whole).work() is RunState.FINISHED
    crash(monkeypatch, settings, run, epoch=3)
    RunStore(settings).resume(run.id)
    monkeypatch.setattr("core.training.preparation.measure_scale", lambda *_: pytest.fail("it was measured again"))
    assert Worker(settings, run).work() is RunState.FINISHED
    assert metrics_of(run) == metrics_of(whole)
    for name in ("best.safetensors", "best.json"):
        assert (run.checkpoints / name).read_bytes() == (whole.checkpoints / name).read_bytes()


def test_a_run_without_a_usable_snapshot_starts_again(
    settings: Settings,
    drawn: Dataset,
    small_config: TrainConfig,
    snapshots_at_once: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = create(settings, small_config, epochs=4)
    crash(monkeypatch, settings, run, epoch=1)
    path = run.checkpoints / "last.safetensors"
    path.write_bytes(path.read_bytes()[:100])
    RunStore(settings).resume(run.id)
    assert Worker(settings, run).work() is RunState.FINISHED
    assert [epoch.epoch for epoch in run.history().epochs] == [1, 2, 3, 4]


def test_a_run_that_died_between_its_test_and_the_event_of_it_does_not_test_again(
    settings: Settings,
    drawn: Dataset,
    small_config: TrainConfig,
    snapshots_at_once: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = create(settings, small_config)
    append = HeldRun.append

    def dies(self: HeldRun, event: Event) -> None:
        if isinstance(event, Evaluated):
            raise _Crash
        append(self, event)

    with monkeypatch.context() as patch:
        patch.setattr(HeldRun, "append", dies)
        with pytest.raises(_Crash):
            Worker(settings, run).work()
    before = (run.folder / "predictions.csv").read_bytes()
    RunStore(settings).resume(run.id)
    assert Worker(settings, run).work() is RunState.FINISHED
    tested = run.history().tested
    assert tested is not None
    assert tested.correct == round(tested.accuracy * tested.images)
    assert (run.folder / "predictions.csv").read_bytes() == before


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), RuntimeError("out of shared memory")])
def test_what_fails_after_the_test_fails_no_run(
    settings: Settings, drawn: Dataset, small_config: TrainConfig, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    run = create(settings, small_config)
    append = HeldRun.append

    def fails(self: HeldRun, event: Event) -> None:
        if isinstance(event, Measured):
            raise error
        append(self, event)

    monkeypatch.setattr(HeldRun, "append", fails)
    assert Worker(settings, run).work() is RunState.FINISHED
    result = run.result()
    assert result is not None
    assert result.tested is not None
    assert run.predictions().n == result.tested.images
    assert run.history().measured is None


def test_a_budget_of_images_is_resumed_by_another_process(
    settings: Settings,
    drawn: Dataset,
    small_config: TrainConfig,
    snapshots_at_once: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    whole, run = (create(settings, small_config, epochs=50, max_images=100) for _ in range(2))
    assert Worker(settings, whole).work() is RunState.FINISHED
    crash(monkeypatch, settings, run, epoch=2)
    RunStore(settings).resume(run.id)
    assert Worker(settings, run).work() is RunState.FINISHED
    assert metrics_of(run) == metrics_of(whole)
    assert run.history().epochs[-1].images_seen == 100


def test_evaluating_an_interrupted_run_predicts_its_validation_images_too(
    settings: Settings,
    drawn: Dataset,
    small_config: TrainConfig,
    snapshots_at_once: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = create(settings, small_config, epochs=6)
    crash(monkeypatch, settings, run, epoch=2)
    with pytest.raises(RunError, match="has no test result yet"):
        run.validation_predictions()
    assert Worker(settings, run).work(evaluate_only=True) is RunState.INTERRUPTED
    assert run.validation_predictions().n == len(drawn.rows_of("val"))
    assert run.history().measured is None  # what its training took was not put down
