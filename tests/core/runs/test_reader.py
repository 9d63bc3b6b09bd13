"""Reading runs cheaply gives what reading whole files would give."""

import json
from pathlib import Path

import pytest

from core.config.events import BatchDone, to_record
from core.config.train_config import TrainConfig
from core.datasets.dataset import Dataset
from core.runs.history import EventLogReader
from core.runs.reader import RunReader
from core.runs.run import Run, RunState
from core.runs.run_store import RunStore
from core.settings import Settings


def batch(step: int) -> bytes:
    event = BatchDone(1, step, 100, step * 8, 0.5, 0.5, 0.1, 10.0, 1.0, None, 0.5)
    return json.dumps({"time": float(step), **to_record(event)}).encode() + b"\n"


def steps(log: EventLogReader) -> list[int]:
    return [event.step for event in log.read().batches]


def append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


def test_only_the_new_part_of_a_log_is_read_and_a_line_that_is_being_written_waits(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    log = EventLogReader(path)
    assert steps(log) == []
    append(path, batch(1) + batch(2)[:20])
    assert steps(log) == [1]
    append(path, batch(2)[20:] + batch(3))
    assert steps(log) == [1, 2, 3]
    assert steps(log) == [1, 2, 3]


def test_a_log_that_was_cut_back_and_continued_is_read_again(tmp_path: Path) -> None:
    """As a resumed run does: what came after its last checkpoint is logged again."""
    path = tmp_path / "events.jsonl"
    log = EventLogReader(path)
    append(path, b"".join(batch(step) for step in (1, 2, 3)))
    assert steps(log) == [1, 2, 3]
    path.write_bytes(b"".join(batch(step) for step in (1, 20, 30, 40, 50)))  # longer than before
    assert steps(log) == [1, 20, 30, 40, 50]
    path.write_bytes(batch(1))
    assert steps(log) == [1]
    path.unlink()
    assert steps(log) == []


def test_a_damaged_line_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(batch(1) + b"{broken\n[]\n" + batch(2))
    assert steps(EventLogReader(path)) == [1, 2]


def test_a_reader_can_change_its_lists_without_harm_to_the_next(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(batch(1))
    log = EventLogReader(path)
    log.read().batches.clear()
    assert steps(log) == [1]


@pytest.fixture
def store(settings: Settings, drawn: Dataset) -> RunStore:
    return RunStore(settings)


def test_cheap_summaries_are_those_of_the_store_whatever_happened_in_between(
    store: RunStore, settings: Settings, small_config: TrainConfig
) -> None:
    runs = [store.create(small_config.model_copy(update={"note": str(place)})) for place in range(4)]
    reader = RunReader(settings)
    assert reader.summaries() == store.summaries()
    append(runs[0].folder / "events.jsonl", batch(1))
    runs[1].write_result(RunState.FAILED, "It failed.", 1.0)
    store.delete(runs[1].id)
    runs[2].write_result(RunState.STOPPED, "Stopped.", 1.0)
    assert reader.summaries() == store.summaries()
    runs[2].write_result(RunState.FINISHED, "Evaluated later.", 2.0)  # as evaluating a stopped run does
    assert reader.summaries() == store.summaries()
    assert [item.text for item in reader.summaries()] == ["", "Evaluated later.", ""]


def test_a_finished_run_is_not_opened_again(
    store: RunStore, settings: Settings, small_config: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = store.create(small_config)
    run.write_result(RunState.FINISHED, "Finished.", 1.0)
    reader = RunReader(settings)
    first = reader.summaries()
    opened: list[str] = []
    for name in ("config", "meta", "result", "history"):
        monkeypatch.setattr(Run, name, lambda _, name=name: opened.append(name))
    assert reader.summaries() == first
    assert opened == []
