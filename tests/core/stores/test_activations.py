"""The activation store: right, shared, found again, rebuilt when damaged, bounded."""

import dataclasses
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from core.config.events import Message, Progress
from core.config.stages import plan_stages
from core.config.train_config import TrainConfig
from core.datasets.dataset import Dataset
from core.errors import RunError
from core.settings import Settings
from core.steps import Stopped, StopSignal, run_step
from core.stores import activations as activation_store
from core.stores.activations import Activations, Prefix, open_activations
from core.stores.array_cache import make_room
from core.stores.augmentation import Augmentation, centre_crop, normalise, to_channels_first
from core.stores.hardware import Hardware
from core.stores.pixels import open_files, open_store
from core.stores.training_data import SplitData, TrainingData
from core.training.feeds import ActivationFeed, Feed, PixelFeed, open_feed
from models.catalog import CATALOG
from models.network import Network, build

CPU = Hardware(torch.device("cpu"), "test", 1, "fp32", "test")
ENTRY = CATALOG["petnet"]
AUGMENTATION = Augmentation(crop=True, flip=True, colour=False, strength=0.5)


never = StopSignal()


@pytest.fixture
def data(settings: Settings, drawn: Dataset) -> TrainingData:
    store = run_step(open_store(settings, drawn, ENTRY.preprocessing, never))
    return TrainingData(store, SplitData.of(drawn, "train"), SplitData.of(drawn, "val"), ENTRY.preprocessing)


def network_at(point: str, seed: int = 0) -> Network:
    network = build("petnet", 2, seed=seed)
    network.freeze(point)
    return network


def activations(settings: Settings, data: TrainingData, network: Network, view: int = 0) -> Activations:
    prefix = Prefix(network, data.preprocessing, CPU)
    return run_step(open_activations(settings, prefix, data.store, data.train.indices, AUGMENTATION, view, never))


def files(settings: Settings) -> list[Path]:
    return sorted((settings.cache_dir / "activations").glob("*.npy"))


@pytest.mark.parametrize(("point", "tolerance"), [("top", 0.0), ("stage3", 2e-3)])
def test_the_plain_view_holds_the_prefix_output_of_each_image(
    settings: Settings, data: TrainingData, point: str, tolerance: float
) -> None:
    network = network_at(point)
    found = activations(settings, data, network)
    places = np.array([3, 0, 7])
    pixels = to_channels_first(data.store.take(data.train.indices[places]))
    batch = normalise(centre_crop(pixels, data.preprocessing), data.preprocessing, CPU.device)
    wanted = network.eval().frozen_prefix(batch)
    taken = found.take(places)
    assert taken.shape == wanted.shape
    assert taken.dtype == torch.float32
    scale = float(wanted.abs().max())
    assert float((taken - wanted).abs().max()) <= max(tolerance, 1e-5) * scale


def test_it_is_computed_once_for_equal_prefixes(
    settings: Settings, data: TrainingData, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = activations(settings, data, network_at("top"))
    monkeypatch.setattr(Prefix, "__call__", lambda *_: pytest.fail("the prefix was evaluated again"))
    again = activations(settings, data, network_at("top"))
    assert np.array_equal(first.values, again.values)


@pytest.mark.parametrize("what", ["weights", "freeze point", "view", "precision", "pictures"])
def test_anything_that_decides_the_output_leads_to_another_file(
    settings: Settings, data: TrainingData, what: str
) -> None:
    activations(settings, data, network_at("top"))
    hardware = dataclasses.replace(CPU, prefix_precision="bf16") if what == "precision" else CPU
    network = network_at("stage4" if what == "freeze point" else "top", seed=1 if what == "weights" else 0)
    chosen = data.val if what == "pictures" else data.train
    prefix = Prefix(network, data.preprocessing, hardware)
    view = 1 if what == "view" else 0
    run_step(open_activations(settings, prefix, data.store, chosen.indices, AUGMENTATION, view, never))
    assert len(files(settings)) == 2


def test_random_views_differ_from_each_other_and_from_the_plain_one(settings: Settings, data: TrainingData) -> None:
    network = network_at("top")
    views = [activations(settings, data, network, view).values.take(np.arange(5)) for view in range(3)]
    for one, other in ((0, 1), (1, 2), (0, 2)):
        assert not np.allclose(views[one], views[other])


@pytest.mark.parametrize("kept", [0, 10, 200])
def test_a_damaged_file_is_computed_again(settings: Settings, data: TrainingData, kept: int) -> None:
    wanted = activations(settings, data, network_at("top")).values.take(np.arange(5))
    (path,) = files(settings)
    path.write_bytes(path.read_bytes()[:kept])
    assert np.array_equal(activations(settings, data, network_at("top")).values.take(np.arange(5)), wanted)


def test_a_stop_leaves_nothing_behind(settings: Settings, data: TrainingData) -> None:
    asked = iter([False, True, True, True])
    prefix = Prefix(network_at("top"), data.preprocessing, CPU)
    indices = np.concatenate([data.train.indices, data.train.indices, data.train.indices])
    signal = StopSignal(lambda: next(asked))
    with pytest.raises(Stopped):
        run_step(open_activations(settings, prefix, data.store, indices, AUGMENTATION, 0, signal))
    assert not [path for path in (settings.cache_dir / "activations").iterdir() if path.suffix != ".lock"]


@pytest.mark.parametrize("view", [0, 1])
def test_many_images_are_in_several_files_and_read_as_one(
    settings: Settings, data: TrainingData, view: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = activations(settings, data, network_at("top"), view)
    monkeypatch.setattr(activation_store, "SEGMENT", 16)
    parts = activations(settings, data, network_at("top"), view)
    assert len(files(settings)) == 1 + 2  # 24 images
    places = np.array([20, 3, 23, 0, 15, 16])
    assert torch.equal(parts.take(places), whole.take(places))
    assert np.array_equal(np.asarray(parts.values), np.asarray(whole.values))
    assert (parts.values.shape, parts.reused) == (whole.values.shape, False)
    again = activations(settings, data, network_at("top"), view)
    assert (again.name, again.seconds, again.reused) == (parts.name, parts.seconds, True)


def test_a_stop_keeps_the_files_that_are_whole(
    settings: Settings, data: TrainingData, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(activation_store, "SEGMENT", 16)
    prefix = Prefix(network_at("top"), data.preprocessing, CPU)
    step = open_activations(settings, prefix, data.store, data.train.indices, AUGMENTATION, 0, never)
    first = next(step)
    assert (first.done, first.total) == (16, 24)
    next(step)
    step.close()
    assert len(files(settings)) == 1
    evaluated: list[int] = []
    plain = Prefix.__call__
    monkeypatch.setattr(Prefix, "__call__", lambda self, images: evaluated.append(len(images)) or plain(self, images))
    activations(settings, data, network_at("top"))
    assert evaluated == [8]  # of 24


def config_of(strategy: str, **values: object) -> TrainConfig:
    return TrainConfig.model_validate(
        {"dataset": "drawn", "model": "petnet", "strategy": strategy, "epochs": 2, **values}
    )


def feed_of(settings: Settings, data: TrainingData, config: TrainConfig) -> tuple[Feed, list[Message]]:
    network = build("petnet", 2, seed=0)
    (stage, *_) = plan_stages(config, config.entry())
    before: list[Progress | Message] = []
    feed = run_step(open_feed(settings, stage, network, data, config, CPU, never), before.append)
    return feed, [item for item in before if isinstance(item, Message)]


@pytest.mark.parametrize(
    ("config", "kind"),
    [
        (config_of("head"), ActivationFeed),
        (config_of("partial"), ActivationFeed),
        (config_of("gradual"), ActivationFeed),
        (config_of("full"), PixelFeed),
        (config_of("head", stored_views=0), PixelFeed),
    ],
)
def test_only_a_frozen_prefix_is_stored(
    settings: Settings, data: TrainingData, config: TrainConfig, kind: type[Feed]
) -> None:
    feed, _ = feed_of(settings, data, config)
    assert isinstance(feed, kind)


def test_without_augmentation_one_view_is_enough(settings: Settings, data: TrainingData) -> None:
    feed, _ = feed_of(settings, data, config_of("head", augment_crop=False, augment_flip=False, stored_views=5))
    assert isinstance(feed, ActivationFeed)
    assert len(feed.train) == 1


def test_activations_that_are_too_large_are_computed_in_every_epoch_with_a_message(
    settings: Settings, data: TrainingData
) -> None:
    small = dataclasses.replace(settings, cache_bytes=50_000)
    feed, messages = feed_of(small, data, config_of("head"))
    assert isinstance(feed, PixelFeed)
    assert "TUNEMYPETS_CACHE_MB): they are computed again in every epoch." in messages[0].text


def test_pixels_that_are_not_stored_are_never_computed_with_in_every_epoch(
    settings: Settings, drawn: Dataset, data: TrainingData
) -> None:
    files = dataclasses.replace(data, store=open_files(settings, drawn, ENTRY.preprocessing))
    with pytest.raises(RunError, match="set TUNEMYPETS_CACHE_MB to 1, or train on fewer pictures"):
        feed_of(dataclasses.replace(settings, cache_bytes=50_000), files, config_of("head"))


@pytest.mark.parametrize("views", [1, 4])
def test_a_training_is_the_same_whether_its_activations_fit_the_cache_or_not(
    settings: Settings, data: TrainingData, views: int
) -> None:
    config, network = config_of("head", stored_views=views), build("petnet", 2, seed=0)
    network.freeze("top")
    network.eval()
    small = dataclasses.replace(settings, cache_bytes=50_000)
    places = np.array([5, 0, 9, 3])
    (stored, _), (slow, _) = feed_of(settings, data, config), feed_of(small, data, config)
    assert isinstance(slow, PixelFeed)
    for epoch in (1, 2):
        stored.start_epoch(epoch)
        slow.start_epoch(epoch)
        there, here = stored.train_logits(network, places), slow.train_logits(network, places)
        assert torch.allclose(there, here, atol=1e-4)
        assert slow.views is not None
        assert bool(slow.views.flips.any()) == (views > 1)


def test_a_full_disk_makes_a_training_slower_and_not_impossible(
    settings: Settings, data: TrainingData, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("core.stores.activations.atomic_open", full)
    feed, messages = feed_of(settings, data, config_of("head"))
    assert isinstance(feed, PixelFeed)
    assert "could not be stored (No space left on device): they are computed again" in messages[0].text


def test_every_epoch_chooses_its_views_from_the_seed(settings: Settings, data: TrainingData) -> None:
    network = build("petnet", 2, seed=0)
    network.freeze("top")
    places = np.arange(len(data.train))

    def logits(seed: int, epoch: int) -> torch.Tensor:
        feed, _ = feed_of(settings, data, config_of("head", stored_views=3, seed=seed))
        feed.start_epoch(epoch)
        with torch.no_grad():
            return feed.train_logits(network, places)

    assert torch.equal(logits(0, 1), logits(0, 1))
    assert not torch.equal(logits(0, 1), logits(0, 2))
    assert not torch.equal(logits(0, 1), logits(1, 1))


@pytest.fixture
def cached(settings: Settings) -> list[Path]:
    """Three cached files of 1,000 bytes, the first used longest ago."""
    folder = settings.cache_dir / "pixels"
    folder.mkdir(parents=True)
    paths = [folder / f"{name}.npy" for name in "abc"]
    for age, path in zip((300, 200, 100), paths, strict=True):
        path.write_bytes(bytes(1000))
        os.utime(path, (path.stat().st_mtime - age,) * 2)
    return paths


def test_what_was_not_used_for_longest_makes_room(settings: Settings, cached: list[Path]) -> None:
    small = dataclasses.replace(settings, cache_bytes=3500)
    make_room(small, 400, keep=Path("new.npy"))
    assert [path.exists() for path in cached] == [True, True, True]
    make_room(small, 1400, keep=Path("new.npy"))
    assert [path.exists() for path in cached] == [False, True, True]
    make_room(small, 9000, keep=cached[1])
    assert [path.exists() for path in cached] == [False, True, False]


def test_a_file_that_is_being_written_is_not_removed(settings: Settings, cached: list[Path]) -> None:
    from filelock import FileLock

    with FileLock(cached[0].with_suffix(".lock")):
        make_room(dataclasses.replace(settings, cache_bytes=10), 0, keep=Path("new.npy"))
    assert [path.exists() for path in cached] == [True, False, False]
