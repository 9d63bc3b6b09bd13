"""The pixel store: decoded once, shared, rebuilt when damaged."""

from pathlib import Path

import numpy as np
import pytest

from core.config.events import Progress
from core.datasets.dataset import Dataset
from core.datasets.pictures.decoder import Limits
from core.errors import DatasetError
from core.settings import Settings
from core.steps import Stopped, StopSignal, run_step
from core.stores.pixels import PixelStore, open_files, open_store, square_pixels
from models.catalog import Preprocessing

SPEC = Preprocessing(resize_px=36, crop_px=32)


def opened(settings: Settings, dataset: Dataset) -> tuple[PixelStore, list[Progress]]:
    progress: list[Progress] = []
    return run_step(open_store(settings, dataset, SPEC, StopSignal()), progress.append), progress


def store_file(settings: Settings) -> Path:
    return next((settings.cache_dir / "pixels").glob("*.npy"))


def test_it_holds_what_prediction_sees_of_the_same_file(settings: Settings, drawn: Dataset) -> None:
    store, _ = opened(settings, drawn)
    limits = Limits.from_settings(settings)
    for row in drawn.rows[::7]:
        expected = square_pixels(drawn.image_path(row).read_bytes(), row.name, limits, SPEC)
        assert np.array_equal(store.take(np.array([row.index]))[0], expected)


def test_the_second_run_decodes_nothing(settings: Settings, drawn: Dataset) -> None:
    _, first = opened(settings, drawn)
    _, second = opened(settings, drawn)
    assert first[-1].done == len(drawn.rows)
    assert second == []


@pytest.mark.parametrize("damage", ["cut", "noise", "empty", "gone"])
def test_a_damaged_store_is_built_again(settings: Settings, drawn: Dataset, damage: str) -> None:
    before = np.array(opened(settings, drawn)[0].pixels)
    path = store_file(settings)
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:5000])
    elif damage == "noise":
        path.write_bytes(b"noise" * 100)
    elif damage == "empty":
        path.write_bytes(b"")
    else:
        path.unlink()
    assert np.array_equal(opened(settings, drawn)[0].pixels, before)


def test_a_stop_while_building_leaves_nothing_half(settings: Settings, drawn: Dataset) -> None:
    answers = iter([False, True, True, True])
    with pytest.raises(Stopped):
        run_step(open_store(settings, drawn, SPEC, StopSignal(lambda: next(answers))))
    assert not [path for path in (settings.cache_dir / "pixels").iterdir() if path.suffix in (".npy", ".tmp")]


def test_an_image_damaged_after_import_is_named(settings: Settings, drawn: Dataset) -> None:
    row = drawn.rows[3]
    drawn.image_path(row).write_bytes(b"broken")
    with pytest.raises(
        DatasetError,
        match=f"The picture {row.name} of dataset drawn was changed after its import: import the dataset again.",
    ):
        opened(settings, drawn)


def test_files_that_are_decoded_at_each_look_give_the_pixels_of_a_store(settings: Settings, drawn: Dataset) -> None:
    places = np.array([7, 0, 3])
    looked_at = open_files(settings, drawn, SPEC)
    assert np.array_equal(looked_at.take(places), opened(settings, drawn)[0].take(places))
    assert looked_at.name == store_file(settings).stem
