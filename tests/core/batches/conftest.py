"""A data root with a run, and folders of pictures to predict."""

import io
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from core.batches.batch import Batch, BatchStatus
from core.batches.batch_store import BatchStore
from core.datasets.drawn_sample import draw_sample
from core.runs.run_store import RunStore
from core.settings import Settings
from tests.support.processes import wait_for

CUT_OFF = "cut off.jpg"
LARGE = 64  # pictures of the large folder


@pytest.fixture
def run_id(raced: Settings) -> str:
    return RunStore(raced).all()[0].id


@pytest.fixture
def store(raced: Settings, ended_processes: None) -> BatchStore:
    return BatchStore(raced)


def draw_pictures(count: int, size_px: int = 80) -> list[tuple[str, bytes]]:
    """Drawn pictures in two folders, not quite those that the run was trained on: equal ones are a tie."""
    return list(draw_sample(count_per_class=count // 2, size_px=size_px))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Forty pictures in two folders, two files that are no pictures, and one of a system."""
    root = tmp_path / "pictures"
    files = draw_pictures(40)
    files += [(CUT_OFF, files[0][1][:200]), ("notes.txt", b"not a picture"), (".DS_Store", b"system")]
    for name, data in files:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return root


@pytest.fixture
def slow_picture() -> bytes:
    """A picture that takes about 30 ms to decode."""
    buffer = io.BytesIO()
    Image.effect_noise((1200, 1200), 80).convert("RGB").save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


@pytest.fixture
def large_folder(tmp_path: Path, slow_picture: bytes) -> Path:
    """Pictures that take some seconds, all in one file on the disk."""
    root = tmp_path / "large"
    root.mkdir()
    first = root / "000.png"
    first.write_bytes(slow_picture)
    for number in range(1, LARGE):
        (root / f"{number:03d}.png").hardlink_to(first)
    return root


@pytest.fixture
def end() -> Callable[[Batch], BatchStatus]:
    """Wait until a batch has ended."""

    def wait(batch: Batch) -> BatchStatus:
        wait_for(lambda: batch.status().state != "running")
        return batch.status()

    return wait
