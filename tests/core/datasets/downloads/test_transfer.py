"""What broken-off downloads leave: kept for a day, then removed, and never while a process is at work there."""

import os
import time
from pathlib import Path

import pytest

from core.datasets.downloads.transfer import (
    KEEP_SECONDS,
    download_folder,
    remove_downloads,
    sweep_downloads,
    verify_downloads,
)
from core.maintenance.check import check
from core.settings import Settings


@pytest.fixture
def broken_off(settings: Settings) -> Path:
    """A download that broke off."""
    with download_folder(settings, "pets", "Pets") as folder:
        (folder / "a").mkdir()
        (folder / "a" / "1.zip.part").write_bytes(b"x")
    return folder


def age(folder: Path, seconds: float) -> None:
    for path in (folder, *folder.rglob("*")):
        os.utime(path, (time.time() - seconds,) * 2)


def test_a_download_that_broke_off_stays_for_a_day(settings: Settings, broken_off: Path) -> None:
    age(broken_off, KEEP_SECONDS - 60)
    sweep_downloads(settings)
    assert broken_off.is_dir()
    assert list(check(settings)) == []
    age(broken_off, KEEP_SECONDS + 60)
    (found,) = check(settings)
    assert "This download broke off more than a day ago." in str(found)
    sweep_downloads(settings)
    assert list(settings.imports_dir.iterdir()) == []


def test_one_that_goes_on_is_left_alone(settings: Settings, broken_off: Path) -> None:
    age(broken_off, 2 * KEEP_SECONDS)
    with download_folder(settings, "pets", "Pets"):
        age(broken_off, 2 * KEEP_SECONDS)
        sweep_downloads(settings)
        remove_downloads(settings, "pets")
        assert list(verify_downloads(broken_off.parent)) == []
        assert (broken_off / "a" / "1.zip.part").exists()
