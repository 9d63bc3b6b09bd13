"""A run's state is derived from its folder and from a lock that a living process holds."""

import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from core.config import events
from core.config.events import EpochDone, Message, to_record
from core.config.train_config import TrainConfig
from core.datasets.dataset import Dataset
from core.errors import RunError
from core.locks import is_held
from core.runs.run import Run, RunMeta, RunState
from core.runs.run_store import RunStore
from core.runs.summary import summarise
from core.settings import Settings
from core.statistics.predictions import write_predictions
from core.storage import write_json
from tests.support.tested_runs import predict

HOLDER = (
    "import sys, time; from filelock import FileLock; lock = FileLock(sys.argv[1]); lock.acquire();"
    " print('held', flush=True); time.sleep(120)"
)
EPOCH = EpochDone(1, "all", 0.7, 0.5, 0.6, 0.75, 1e-3, 0.1, 0.1, 24, 240.0, True)


@contextmanager
def held(path: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """A process of its own that holds the lock at `path`."""
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        try:
            yield process
        finally:
            process.kill()


def write_events(run: Run, *lines: bytes) -> None:
    (run.folder / "events.jsonl").write_bytes(b"".join(lines))


def line_of(event: EpochDone | Message | events.Tested) -> bytes:
    return json.dumps({"time": 1.0, **to_record(event)}).encode() + b"\n"


@pytest.fixture
def run(settings: Settings, small_config: TrainConfig) -> Run:
    """A queued run, whose dataset is never opened."""
    folder = settings.runs_dir / "20260101-000000-abcdef"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(small_config.model_dump_json())
    meta = RunMeta(1.0, "local", None, None, "drawn for a test", "0123", ("cat", "dog"))
    write_json(folder / "meta.json", dataclasses.asdict(meta))
    return Run(folder)


def test_a_created_run_is_queued_and_complete(settings: Settings, drawn: Dataset, small_config: TrainConfig) -> None:
    run = RunStore(settings).create(small_config)
    assert run.state() is RunState.QUEUED
    assert run.config() == small_config
    assert run.meta().classes == drawn.classes
    assert run.meta().dataset_fingerprint == drawn.fingerprint
    assert run.result() is None
    assert not run.has_weights


def test_a_run_is_running_while_its_worker_lives_and_interrupted_when_it_was_killed(run: Run) -> None:
    write_json(run.folder / "started.json", {"pid": 1, "time": 0.0})
    with held(run.lock_path) as process:
        assert run.state() is RunState.RUNNING
        process.kill()
        process.wait()
        assert run.lock_path.exists()
        assert run.state() is RunState.INTERRUPTED


def test_a_start_marker_without_a_lock_is_interrupted_whatever_its_process_id_is(run: Run) -> None:

    write_json(run.folder / "started.json", {"pid": os.getpid(), "time": 0.0})
    assert run.state() is RunState.INTERRUPTED


def test_a_lock_before_the_start_marker_is_still_queued(run: Run) -> None:
    with held(run.lock_path):
        assert run.state() is RunState.QUEUED


def test_only_queued_and_running_are_active() -> None:
    assert [state for state in RunState if state.active] == [RunState.QUEUED, RunState.RUNNING]


def test_a_lock_file_alone_is_not_held(tmp_path: Path) -> None:
    path = tmp_path / "left.lock"
    assert not is_held(path)
    path.touch()
    assert not is_held(path)


def test_asking_for_a_lock_at_the_same_time_never_looks_like_holding_it(tmp_path: Path) -> None:
    path = tmp_path / "asked.lock"
    path.touch()
    with ThreadPoolExecutor(16) as pool:
        assert not any(pool.map(lambda _: is_held(path), range(5000)))
    with held(path), ThreadPoolExecutor(16) as pool:
        assert all(pool.map(lambda _: is_held(path), range(500)))


@pytest.mark.parametrize("state", [RunState.FINISHED, RunState.STOPPED, RunState.FAILED])
def test_a_result_decides_the_state_even_while_the_worker_is_leaving(run: Run, state: RunState) -> None:
    write_json(run.folder / "started.json", {"pid": 1, "time": 0.0})
    run.write_result(state, "A sentence.", 1.5)
    assert run.state() is state
    with held(run.lock_path):
        assert run.state() is state
    result = run.result()
    assert result is not None
    assert (result.state, result.text, result.seconds) == (state, "A sentence.", 1.5)


def test_a_result_sums_up_the_events(run: Run) -> None:
    tested = events.Tested("test", 6, 8, 0.75, 0.6, 1, 0.2)
    write_events(run, line_of(EPOCH), line_of(tested))
    run.write_result(RunState.FINISHED, "Finished.", 2.0)
    result = run.result()
    assert result is not None
    assert result.epochs_done == 1
    assert result.best_val_accuracy == 0.75
    assert result.tested == tested


@pytest.mark.parametrize(
    "damage",
    [b"", b"{", b"[]", b"{}", b"null", b"\xff\xfe\x00", b'{"state": "dancing", "text": "", "ended": 1}'],
)
def test_a_damaged_result_reads_as_failed_with_a_sentence(run: Run, damage: bytes) -> None:
    (run.folder / "result.json").write_bytes(damage)
    result = run.result()
    assert run.state() is RunState.FAILED
    assert result is not None
    assert "damaged" in result.text
    assert result.text.endswith(".")
    assert summarise(run).state is RunState.FAILED


def test_damaged_event_lines_are_passed_over(run: Run) -> None:
    message = Message("info", "hello")
    write_events(
        run,
        line_of(EPOCH),
        b'{"kind": "epoch", "epo' + line_of(message),  # a writer died here, another went on
        b"\xff\xff\n",
        b"17\n",
        b"\n",
        b'{"kind": "from a later version", "x": 1, "time": 2}\n',
        b'{"kind": "epoch", "epoch": 2, "time": 2}\n',
        line_of(message),
        line_of(EPOCH)[:40],  # still being written
    )
    history = run.history()
    assert history.epochs == [EPOCH]
    assert [item for _, item in history.messages] == [message]
    assert history.best == EPOCH


def test_a_run_without_events_has_an_empty_history(run: Run) -> None:
    history = run.history()
    assert history.epochs == []
    assert history.best is None


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b"\xff", b'{"dataset": "drawn", "epochs": 0}'])
def test_a_damaged_configuration_names_the_run(run: Run, damage: bytes) -> None:
    (run.folder / "config.json").write_bytes(damage)
    with pytest.raises(RunError, match=run.id):
        run.config()


@pytest.mark.parametrize("damage", [b"", b"[]", b'{"created": 1}'])
def test_a_damaged_meta_file_names_the_run(run: Run, damage: bytes) -> None:
    (run.folder / "meta.json").write_bytes(damage)
    with pytest.raises(RunError, match=run.id):
        run.meta()


def test_predictions_are_read_again_only_when_they_have_changed(run: Run, drawn: Dataset) -> None:
    table = predict(drawn, "test", 0.5)
    write_predictions(run.folder / "predictions.csv", table)
    first = run.predictions()
    assert Run(run.folder).predictions() is first
    write_predictions(run.folder / "predictions.csv", predict(drawn, "test", 0.5, seed=1))
    assert run.predictions().probabilities.tolist() != first.probabilities.tolist()


def test_predictions_before_the_evaluation_are_refused_with_a_sentence(run: Run) -> None:
    with pytest.raises(RunError, match="no test result yet"):
        run.predictions()
