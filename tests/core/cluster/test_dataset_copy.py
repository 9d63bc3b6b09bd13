"""Datasets on their way to a node."""

import dataclasses
import os
import shutil
from pathlib import Path

import pytest

from core.cluster import dataset_copy
from core.cluster.dataset_copy import Receiver, drop_old, has_dataset, home_of, pack
from core.datasets.dataset import Dataset
from core.datasets.dataset_store import DatasetStore
from core.settings import Settings


@pytest.fixture
def node(settings: Settings, drawn: Dataset, tmp_path: Path) -> Settings:
    """The settings of a node that gets the drawn pictures."""
    return dataclasses.replace(settings, home=home_of(tmp_path / "node", drawn.fingerprint))


def send(dataset: Dataset, node: Settings) -> int:
    receiver, pieces = Receiver(node, dataset.id), list(pack(dataset))
    for piece in pieces:
        receiver.add(piece.data)
    assert [piece.last for piece in pieces] == [False] * (len(pieces) - 1) + [True]
    receiver.finish()
    return len(pieces)


@pytest.mark.parametrize("piece_bytes", [1, 20_000, 2**25])
def test_what_arrives_is_the_same_dataset(
    drawn: Dataset, node: Settings, piece_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dataset_copy, "PIECE_BYTES", piece_bytes)
    assert not has_dataset(node, drawn.id, drawn.fingerprint)
    pieces = send(drawn, node)
    assert has_dataset(node, drawn.id, drawn.fingerprint)
    assert not has_dataset(node, drawn.id, "another")
    found = DatasetStore(node).get(drawn.id)
    assert found.rows == drawn.rows
    assert all((found.folder / row.path).read_bytes() == (drawn.folder / row.path).read_bytes() for row in drawn.rows)
    assert pieces == {1: len(drawn.rows) + 3, 2**25: 1}.get(piece_bytes, pieces)
    assert [path.name for path in node.datasets_dir.iterdir()] == [drawn.id]


def test_half_a_dataset_is_none(drawn: Dataset, node: Settings) -> None:
    receiver = Receiver(node, drawn.id)
    receiver.add(next(iter(pack(drawn))).data)
    assert not has_dataset(node, drawn.id, drawn.fingerprint)
    assert DatasetStore(node).ids() == []
    send(drawn, node)  # another training brings it meanwhile
    receiver.finish()
    assert has_dataset(node, drawn.id, drawn.fingerprint)
    assert [path.name for path in node.datasets_dir.iterdir()] == [drawn.id]


def test_a_damaged_copy_is_replaced(drawn: Dataset, node: Settings) -> None:
    send(drawn, node)
    (node.datasets_dir / drawn.id / "dataset.json").write_text("{")
    assert not has_dataset(node, drawn.id, drawn.fingerprint)
    send(drawn, node)
    assert has_dataset(node, drawn.id, drawn.fingerprint)


def test_a_copy_that_lacks_a_picture_is_replaced(drawn: Dataset, node: Settings) -> None:
    send(drawn, node)
    (node.datasets_dir / drawn.id / drawn.rows[0].path).unlink()
    assert not has_dataset(node, drawn.id, drawn.fingerprint)
    send(drawn, node)
    assert has_dataset(node, drawn.id, drawn.fingerprint)


def test_a_copy_that_was_removed_meanwhile_is_never_finished(drawn: Dataset, node: Settings) -> None:
    receiver, piece = Receiver(node, drawn.id), next(iter(pack(drawn)))
    receiver.add(piece.data)
    shutil.rmtree(node.home)
    with pytest.raises(FileNotFoundError):
        receiver.add(piece.data)


def test_copies_that_were_given_up_are_removed(drawn: Dataset, node: Settings) -> None:
    Receiver(node, drawn.id).add(next(iter(pack(drawn))).data)
    old = next(node.datasets_dir.iterdir())
    os.utime(old, (0, 0))
    receiver = Receiver(node, drawn.id)
    assert not old.exists()
    Receiver(node, drawn.id)  # a second training that brings it now
    receiver.add(next(iter(pack(drawn))).data)


def test_what_was_used_longest_ago_goes_first_and_what_is_in_use_stays(
    drawn: Dataset, settings: Settings, tmp_path: Path
) -> None:
    del settings
    root = tmp_path / "node"
    for number, days in enumerate((3, 9, 5, 0)):
        home = root / f"home{number}"
        shutil.copytree(drawn.folder, home / "datasets" / drawn.id)
        used = home.stat().st_mtime - days * 24 * 3600 - 60
        os.utime(home, (used, used))
    each = dataset_copy._bytes(root / "home0")
    keep = root / "home3"
    drop_old(root, 4 * each, keep)
    assert len(list(root.iterdir())) == 4
    drop_old(root, 2 * each + 1, keep)
    assert {path.name for path in root.iterdir()} == {"home0", "home3"}
    drop_old(root, 0, root / "home1")
    assert {path.name for path in root.iterdir()} == {"home3"}  # used today
