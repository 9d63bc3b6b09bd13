"""Arrays on disk: the right rows, from several threads, after deletion; damage is noticed when they are opened."""

import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from core.stores.array_cache import ArrayFile


@pytest.fixture
def values() -> np.ndarray:  # type: ignore[type-arg]
    return np.random.default_rng(0).normal(size=(50, 3, 4)).astype(np.float32)


@pytest.fixture
def path(values: np.ndarray, tmp_path: Path) -> Path:  # type: ignore[type-arg]
    np.save(tmp_path / "values.npy", values)
    return tmp_path / "values.npy"


def test_rows_are_read_in_any_order_and_again(path: Path, values: np.ndarray) -> None:  # type: ignore[type-arg]
    with ArrayFile(path) as found:
        assert (found.shape, found.dtype, len(found)) == (values.shape, values.dtype, 50)
        places = np.array([49, 0, 7, 7])
        assert np.array_equal(found.take(places), values[places])
        assert found.take(places[:0]).shape == (0, 3, 4)
        assert np.array_equal(np.asarray(found), values)


@pytest.mark.parametrize("has_preadv", [True, False])
def test_threads_read_at_the_same_time(
    path: Path,
    values: np.ndarray,  # type: ignore[type-arg]
    has_preadv: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if not has_preadv:
        monkeypatch.delattr("os.preadv", raising=False)  # as on Windows
    places = [np.random.default_rng(seed).permutation(50) for seed in range(40)]
    with ArrayFile(path) as found, ThreadPoolExecutor(8) as pool:
        for chosen, rows in zip(places, pool.map(found.take, places), strict=True):
            assert np.array_equal(rows, values[chosen])


def test_a_deleted_file_stays_readable(path: Path, values: np.ndarray) -> None:  # type: ignore[type-arg]
    with ArrayFile(path) as found:
        path.unlink()
        assert np.array_equal(found.take(np.array([3])), values[[3]])


@pytest.mark.parametrize("kept", [0, 5, 100, 700])
def test_a_cut_off_file_is_refused(path: Path, kept: int) -> None:
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises((ValueError, EOFError)):
        ArrayFile(path)


def test_a_pickle_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "values.npy"
    np.save(path, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match="damaged"):
        ArrayFile(path)
    path.write_bytes(pickle.dumps([1]))
    with pytest.raises(ValueError, match="magic"):
        ArrayFile(path)
