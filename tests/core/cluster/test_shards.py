"""Shards of pictures without Ray: workers answer in this process, in any order, late, or never."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from core.cluster import shards as shards_module
from core.cluster.lending import shares_pictures
from core.cluster.shards import Evaluated, Shard, Shards, evaluate_shard
from core.config.train_config import TrainConfig
from core.datasets.dataset import Dataset
from core.errors import ClusterError, DatasetError
from core.settings import Settings
from core.steps import Stopped, StopSignal, run_step
from core.stores.activations import BATCH, Prefix, open_activations
from core.stores.augmentation import Augmentation
from core.stores.hardware import Hardware
from core.stores.pixels import PixelStore, open_files, open_store
from models.catalog import CATALOG
from models.network import build

CPU = Hardware(torch.device("cpu"), "test", 1, "fp32", "test")
SPEC = CATALOG["petnet"].preprocessing
AUGMENTATION = Augmentation(crop=True, flip=True, colour=True, strength=0.5)

never = StopSignal()


class LostError(Exception):
    """What Ray raises of a worker that has ended."""


class NearRay:
    """As much of Ray as shards need; what is lent answers one call at each look, the newest first."""

    exceptions = SimpleNamespace(RayError=LostError, RayTaskError=type("RayTaskError", (Exception,), {}))

    def __init__(self) -> None:
        self.calls: list[tuple[int, Callable[[], Evaluated]]] = []
        self.ahead: list[int] = []  # shards on their way, at each look

    def get_runtime_context(self) -> Any:
        return SimpleNamespace(get_node_id=lambda: "here")

    def nodes(self) -> list[dict[str, Any]]:
        return [{"NodeID": "here", "Resources": {"object_store_memory": 1e9}}]

    def put(self, value: Any) -> Any:
        return value

    def wait(self, refs: list[int], num_returns: int, timeout: float) -> tuple[list[int], list[int]]:
        del num_returns
        self.ahead.append(len(refs))
        return ([refs[-1]], refs[:-1]) if timeout else ([], refs)

    def get(self, ref: int) -> Evaluated:
        return self.calls[ref][1]()


class NearWorker:
    """A worker in this process, as Ray's handle of it.

    Args:
        lives: how many shards it answers before it ends.
    """

    def __init__(self, ray: NearRay, lives: float = np.inf) -> None:
        self.evaluated = 0
        self._ray, self._lives = ray, lives
        self.hold = SimpleNamespace(remote=self._hold)
        self.evaluate = SimpleNamespace(remote=self._evaluate)

    def _hold(self, prefix: Prefix) -> None:
        self._prefix = prefix

    def _evaluate(self, shard: Shard) -> int:
        def answer() -> Evaluated:
            if self.evaluated >= self._lives:
                raise LostError
            self.evaluated += 1
            return evaluate_shard(self._prefix, shard, 1)

        self._ray.calls.append((len(shard.pictures), answer))
        return len(self._ray.calls) - 1


@pytest.fixture
def ray(monkeypatch: pytest.MonkeyPatch) -> NearRay:
    near = NearRay()
    monkeypatch.setitem(__import__("sys").modules, "ray", near)
    monkeypatch.setattr(shards_module, "LOOK_SECONDS", 0.001)
    return near


@pytest.fixture
def prefix() -> Prefix:
    network = build("petnet", 2, seed=0)
    network.freeze("top")
    return Prefix(network, SPEC, CPU)


@pytest.fixture
def elsewhere(settings: Settings, drawn: Dataset, tmp_path: Path) -> tuple[Settings, PixelStore]:
    """Another data root, whose activations are computed elsewhere."""
    other = dataclasses.replace(settings, home=tmp_path / "other")
    return other, open_files(other, drawn, SPEC)


def fill(settings: Settings, prefix: Prefix, store: PixelStore, view: int = 0, signal: StopSignal = never) -> bytes:
    """The activations of all pictures, as a file."""
    indices = np.arange(len(store.positions))[::-1].copy()
    found = run_step(open_activations(settings, prefix, store, indices, AUGMENTATION, view, signal))
    return (settings.cache_dir / "activations" / f"{found.name}.npy").read_bytes()


@pytest.mark.parametrize(("view", "takes_part"), [(0, False), (2, True)])
def test_shards_make_the_file_of_home_whatever_is_lost(
    settings: Settings,
    drawn: Dataset,
    prefix: Prefix,
    elsewhere: tuple[Settings, PixelStore],
    ray: NearRay,
    view: int,
    takes_part: bool,
) -> None:
    wanted = fill(settings, prefix, run_step(open_store(settings, drawn, SPEC, never)), view)
    shards = Shards("cpu", threads=int(takes_part))
    workers = {"a": NearWorker(ray), "b": NearWorker(ray, lives=0)}
    shards.lend(workers)
    other, store = elsewhere
    assert fill(other, prefix, dataclasses.replace(store, elsewhere=shards), view) == wanted
    assert shards.lost() == ["b"]
    assert shards.lost() == []
    assert shards.left == 0
    assert workers["a"].evaluated > 0


def test_no_more_than_the_limit_is_on_its_way(
    prefix: Prefix, elsewhere: tuple[Settings, PixelStore], ray: NearRay, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, store = elsewhere
    shards = Shards("cpu")
    shards.lend({name: NearWorker(ray) for name in "abcdef"})
    fill(settings, prefix, dataclasses.replace(store, elsewhere=shards))
    assert max(ray.ahead) > 1
    monkeypatch.setattr(shards_module, "AHEAD_BYTES", 1)
    ray.ahead.clear()
    fill(settings, prefix, dataclasses.replace(store, elsewhere=shards), view=1)
    assert max(ray.ahead) == 1
    assert {count for count, _ in ray.calls} <= {BATCH, len(store.positions) % BATCH}


def test_pictures_with_which_three_workers_end_are_given_up(
    prefix: Prefix, elsewhere: tuple[Settings, PixelStore], ray: NearRay
) -> None:
    settings, store = elsewhere
    shards = Shards("cpu")
    shards.lend({name: NearWorker(ray, lives=0) for name in "abcd"})
    with pytest.raises(ClusterError, match="3 machines of the cluster ended"):
        fill(settings, prefix, dataclasses.replace(store, elsewhere=shards))


def test_a_picture_that_was_changed_is_named(
    prefix: Prefix, elsewhere: tuple[Settings, PixelStore], ray: NearRay, drawn: Dataset
) -> None:
    row = drawn.rows[5]
    drawn.image_path(row).write_bytes(b"broken")
    settings, store = elsewhere
    shards = Shards("cpu")
    shards.lend({"a": NearWorker(ray)})
    with pytest.raises(DatasetError, match=f"The picture {row.name} of dataset drawn was changed"):
        fill(settings, prefix, dataclasses.replace(store, elsewhere=shards))


def test_a_stop_is_obeyed_while_no_worker_is_free(
    prefix: Prefix, elsewhere: tuple[Settings, PixelStore], ray: NearRay
) -> None:
    settings, store = elsewhere
    asked = iter([False] * 3)
    signal = StopSignal(lambda: next(asked, True))
    with pytest.raises(Stopped):
        fill(settings, prefix, dataclasses.replace(store, elsewhere=Shards("cpu")), signal=signal)
    assert not list((settings.cache_dir / "activations").glob("*.npy"))


def test_a_gpu_elsewhere_gives_activations_of_their_own(
    prefix: Prefix, elsewhere: tuple[Settings, PixelStore], ray: NearRay
) -> None:
    settings, store = elsewhere
    for device in ("cpu", "cuda"):
        shards = Shards(device)
        shards.lend({"a": NearWorker(ray)})
        fill(settings, prefix, dataclasses.replace(store, elsewhere=shards))
    assert len(list((settings.cache_dir / "activations").glob("*.npy"))) == 2


@pytest.mark.parametrize(
    ("least", "values", "shared"),
    [
        (10, {"strategy": "head"}, True),
        (10_000, {"strategy": "head"}, False),
        (10, {"strategy": "partial"}, True),
        (10, {"strategy": "gradual"}, True),
        (10, {"strategy": "full"}, False),
        (10, {"strategy": "head", "stored_views": 0}, False),
    ],
)
def test_many_pictures_of_a_frozen_part_are_shared_out(
    settings: Settings, drawn: Dataset, least: int, values: dict[str, Any], shared: bool
) -> None:
    config = TrainConfig.model_validate({"dataset": "drawn", "model": "petnet", **values})
    assert shares_pictures(dataclasses.replace(settings, shared_images=least), config, drawn) is shared
