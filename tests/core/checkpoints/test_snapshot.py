"""Snapshots on disk: whole or absent, written in the background, seldom."""

import time
from pathlib import Path

import pytest
import torch

from core.checkpoints import snapshot
from core.checkpoints.snapshot import Position, Snapshot, SnapshotWriter, load_snapshot, read_facts, write_snapshot
from core.config.train_config import TrainConfig
from core.errors import RunError
from core.runs.run_files import SNAPSHOT


def taken() -> Snapshot:
    position = Position(stage=1, epoch=2, step=3, loss=0.1 + 0.2, best_accuracy=2 / 3, seconds=1.5)
    return Snapshot(position, {"network.head.linear.weight": torch.randn(2, 3)}, (1e-4, 1 / 3), 17)


def facts(config: TrainConfig) -> dict[str, object]:
    return {
        "config": config.model_dump(mode="json"),
        "fingerprint": "abc",
        "events_bytes": 120,
        "hardware": {"precision": "fp32"},
    }


def test_a_snapshot_comes_back_to_the_last_digit(tmp_path: Path, small_config: TrainConfig) -> None:
    before = taken()
    write_snapshot(tmp_path, before, facts(small_config))
    known = read_facts(tmp_path)
    assert known is not None
    assert (known.config, known.fingerprint, known.events_bytes) == (small_config, "abc", 120)
    assert known.feature_scale == 1.0, "a snapshot of an earlier version, which scaled nothing"
    after = load_snapshot(tmp_path, known)
    assert (after.position, after.rates, after.schedule_step) == (before.position, before.rates, before.schedule_step)
    assert all(torch.equal(value, before.tensors[name]) for name, value in after.tensors.items())


def test_there_may_be_none(tmp_path: Path) -> None:
    assert read_facts(tmp_path) is None


@pytest.mark.parametrize("kept", [0, 4, 50, -1])
def test_a_damaged_snapshot_is_refused_with_a_sentence(tmp_path: Path, small_config: TrainConfig, kept: int) -> None:
    write_snapshot(tmp_path, taken(), facts(small_config))
    path = tmp_path / SNAPSHOT
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(RunError, match=r"last\.safetensors of this run is damaged"):
        read_facts(tmp_path)


def test_the_writer_waits_until_a_snapshot_has_paid_for_itself(
    tmp_path: Path, small_config: TrainConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot, "LEAST_SECONDS", 0.0)
    writer = SnapshotWriter(tmp_path)
    assert writer.due()
    writer.write(taken(), facts(small_config), seconds_taken=100.0)
    writer.finish(remove=False)
    assert not writer.due()
    assert writer._due - time.monotonic() > 100 * snapshot.SHARE - 60
    assert (tmp_path / SNAPSHOT).exists()
    writer.finish(remove=True)
    assert not (tmp_path / SNAPSHOT).exists()


def test_a_disk_that_takes_nothing_leaves_the_last_snapshot(
    tmp_path: Path, small_config: TrainConfig, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    write_snapshot(tmp_path, taken(), facts(small_config))
    before = (tmp_path / SNAPSHOT).read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("core.checkpoints.snapshot.write_snapshot", full)
    writer = SnapshotWriter(tmp_path)
    writer.write(taken(), facts(small_config), seconds_taken=0.0)
    writer.finish(remove=False)
    assert (tmp_path / SNAPSHOT).read_bytes() == before
    assert "the one before stays" in caplog.text
