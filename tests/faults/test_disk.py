"""A disk that fills up: trainings pause, what was saved stays good, and all goes on when there is space again."""

import os
import re
import shutil
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from core.batches.batch_job import run_batch
from core.batches.batch_rows import read_rows
from core.batches.batch_store import BatchStore
from core.config.train_config import TrainConfig
from core.datasets.dataset_store import DatasetStore
from core.datasets.downloads.origin import import_from
from core.datasets.drawn_sample import draw_sample
from core.datasets.splits import SplitPlan
from core.errors import DatasetError, QuotaError
from core.jobs.import_jobs import ImportJobs, ImportRequest
from core.quotas import FULL, free_bytes, is_disk_full
from core.runs.attempts import read_attempts
from core.runs.run import Run, RunState
from core.runs.run_store import RunStore
from core.scheduling.run_queue import read_queue
from core.settings import PROJECT_ROOT, Settings
from tests.faults.test_crashes import assert_saved_is_good, reach
from tests.support.desk import Desk, figures, start_eagerly
from tests.support.drawn_dataset import import_drawn
from tests.support.environment import skip_or_fail
from tests.support.processes import end_processes, wait_for
from tests.support.small_hub import serve_dataset
from tests.support.web_server import serve

pytestmark = pytest.mark.slow

MB = 2**20
DISK = 24 * MB


@dataclass
class Disk:
    """A small disk of its own."""

    folder: Path

    def fill(self, left: int = 0) -> None:
        """Write until so many bytes are left."""
        size = shutil.disk_usage(self.folder).free - left
        with (self.folder / "ballast").open("ab") as file, suppress(OSError):
            file.write(bytes(max(0, size)))
        with (self.folder / "ballast").open("ab", buffering=0) as file, suppress(OSError):
            while not left and file.write(bytes(512)):
                pass

    def empty(self) -> None:
        (self.folder / "ballast").unlink()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """A disk in memory, which only somebody who may mount can have."""
    folder = tmp_path / "disk"
    folder.mkdir()
    options = ["-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(folder)]
    done = subprocess.run(["mount", *options], capture_output=True, check=False) if shutil.which("mount") else None
    if done is None or done.returncode:
        skip_or_fail("This test wants a small disk of its own: run it as root, on Linux.")
    yield Disk(folder)
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def small_desk(disk: Disk, small_config: TrainConfig, forked: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    """A scheduler whose data root lies on the small disk."""
    monkeypatch.setenv("TUNEMYPETS_HOME", str(disk.folder / "workspace"))
    monkeypatch.setenv("TUNEMYPETS_MIN_FREE_MB", "1")
    monkeypatch.setenv("TUNEMYPETS_THREADS", "1")
    monkeypatch.setattr("core.jobs.workers.preloader.start_module", start_eagerly)
    settings = Settings.from_environment()
    import_drawn(settings)
    desk = Desk(settings, small_config)
    yield desk
    desk.dispatcher.close()
    end_processes(settings.home)


def log_of(run: Run) -> str:
    return (run.folder / "worker.log").read_text()


@pytest.mark.parametrize("place", ["preparing", "training", "finishing"])
def test_a_training_waits_for_space_and_then_ends_as_if_nothing_had_happened(
    small_desk: Desk, disk: Disk, place: str
) -> None:
    desk = small_desk
    run = desk.queue(note=f"{place} until go")
    reach(desk, run, place)
    shutil.rmtree(desk.settings.cache_dir, ignore_errors=True)
    disk.fill()
    os.utime(run.folder / "config.json", (1, 1))  # go on: it needs no space to say so
    filled = time.time()
    desk.until(lambda: run.lock_path.stat().st_mtime > filled + 0.5)  # a sign of life; its log takes nothing, too
    assert run.state() is RunState.RUNNING
    assert is_disk_full(desk.settings)
    assert_saved_is_good(run)
    with pytest.raises(QuotaError, match="The disk is too full: 0 MB are free and 1 MB are needed"):
        desk.queue()
    for _ in range(20):
        desk.dispatcher.step()
    assert run.state() is RunState.RUNNING
    disk.empty()
    desk.finish(run)
    assert read_attempts(run.folder).automatic == 0
    assert figures(run) == figures(desk.finish(desk.queue()))
    assert "ended: finished" in log_of(run)


def test_nothing_starts_on_a_full_disk_and_the_queue_says_why(small_desk: Desk, disk: Disk) -> None:
    desk = small_desk
    run = desk.queue()
    disk.fill(left=MB // 2)
    for _ in range(5):
        desk.dispatcher.step()
    assert run.state() is RunState.QUEUED
    assert read_queue(desk.settings).held == "disk"
    disk.empty()
    desk.finish(run)


def test_what_people_ask_for_on_a_full_disk_is_answered_with_a_sentence_or_done(small_desk: Desk, disk: Disk) -> None:
    desk = small_desk
    done, waiting, running = desk.finish(desk.queue()), desk.queue(), desk.queue(note="training")
    desk.store.request_stop(waiting.id)
    reach(desk, running, "training")
    disk.fill()
    with pytest.raises(QuotaError) as said:
        desk.store.rename(done.id, "another title")
    assert str(said.value) == FULL
    assert done.meta().title is None
    desk.store.request_stop(running.id)
    wait_for(lambda: running.state() is not RunState.RUNNING, 10)
    for _ in range(5):
        desk.dispatcher.step()  # it must survive this
    desk.store.delete(done.id)  # gives space back
    assert free_bytes(desk.settings) > 0
    disk.empty()
    desk.until(lambda: running.state() is RunState.STOPPED, 10)
    result = running.result()
    assert result is not None
    assert result.text.startswith("Stopped after")


def test_an_import_on_a_full_disk_is_refused_or_says_so_and_leaves_nothing(small_desk: Desk, disk: Disk) -> None:
    settings, jobs = small_desk.settings, ImportJobs(small_desk.settings)
    disk.fill(left=MB // 2)
    with pytest.raises(QuotaError, match="The disk is too full"):
        jobs.start(ImportRequest(None, "mine", "60/20/20", 0))
    disk.empty()
    disk.fill(left=MB + MB // 4)
    before = sorted(settings.datasets_dir.rglob("*"))
    job = jobs.start(ImportRequest(None, "mine", "60/20/20", 0))
    wait_for(lambda: jobs.status(job).state != "running")
    status = jobs.status(job)
    assert status.state == "failed"
    assert re.fullmatch(
        r"The pictures .*need about \d+\.\d+ MB, and \d+\.\d+ MB are free: make room\."
        r"|The disk is full and nothing was saved: free some space and import again\.",
        status.text,
    )
    assert sorted(settings.datasets_dir.rglob("*")) == before
    assert DatasetStore(settings).ids() == ["drawn"]


def test_a_download_that_fills_the_disk_ends_with_a_sentence_and_gives_the_space_back(
    small_desk: Desk, disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = small_desk.settings
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serve() as web:
        web.seconds = 0.01
        serve_dataset(web, "ada/pets", {"pets.zip": bytes(4 * MB)}, monkeypatch)
        steps = import_from(settings, "hf://ada/pets", name="pets", plan=SplitPlan.parse("60/20/20"), seed=0)
        while not list(settings.imports_dir.glob("downloads/*/*.part")):
            next(steps)
        disk.fill()
        with pytest.raises(DatasetError, match=r"^The disk is full, so pets\.zip was not downloaded"):
            list(steps)
        assert list(settings.imports_dir.rglob("*.part")) == []
        disk.empty()
        disk.fill(left=6 * MB)
        steps = import_from(settings, "hf://ada/pets", name="pets", plan=SplitPlan.parse("60/20/20"), seed=0)
        with pytest.raises(QuotaError, match="The disk is too full: 6 MB are free and 9 MB are needed"):
            list(steps)


def test_a_limit_on_the_size_of_files_is_told_in_one_sentence(small_desk: Desk) -> None:
    desk = small_desk
    whole = desk.finish(desk.queue())
    shutil.rmtree(desk.settings.cache_dir)
    run = desk.queue()
    code = textwrap.dedent(
        """
        import resource, sys
        from pathlib import Path
        from core.jobs.workers.worker import take
        resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))
        sys.exit(take(Path(sys.argv[1])))
        """
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(run.folder)],
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    result = run.result()
    assert result is not None
    assert result.state is RunState.FAILED
    assert result.text == ("A file reached this system's size limit: raise the limit (`ulimit -f`) and train again.")
    assert str(desk.settings.home) not in result.text
    assert figures(desk.finish(desk.queue())) == figures(whole)


def test_a_batch_keeps_its_rows_on_a_full_disk_and_resumes(
    raced: Settings, disk: Disk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = disk.folder / "workspace"
    shutil.copytree(raced.home, home)
    monkeypatch.setenv("TUNEMYPETS_HOME", str(home))
    monkeypatch.setenv("TUNEMYPETS_MIN_FREE_MB", "1")
    monkeypatch.setattr(BatchStore, "_launch", lambda *_: None)
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    (_, data), *_ = draw_sample(count_per_class=1, size_px=64)
    for number in range(60):
        (pictures / f"{number:02d}{'x' * 200}.jpg").write_bytes(data)
    store = BatchStore(Settings.from_environment())
    batch = store.start(RunStore(store.settings).all()[0].id, pictures)
    disk.fill(left=8 * 2**10)  # two pages: part of the table
    run_batch(store.settings, batch)
    disk.empty()
    assert batch.status().state in ("failed", "interrupted")
    assert len(list(read_rows(batch.rows_path))) < 60
    store.resume(batch)
    run_batch(store.settings, batch)
    assert batch.status().state == "finished"
    assert len({row.file for row in read_rows(batch.rows_path)}) == 60
