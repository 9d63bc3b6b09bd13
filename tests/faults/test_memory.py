"""Memory that runs out: one sentence, half the batch offered, and no blind second attempt."""

import os
import secrets
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from core.jobs.watchdog import memory_kills
from core.runs.attempts import Attempts, read_attempts, write_attempts
from core.runs.failures import MEMORY, halved, memory_sentence, remedy
from core.runs.run import Run, RunState
from core.scheduling import run_endings
from core.settings import PROJECT_ROOT, Settings
from core.storage import read_json, write_json
from tests.faults.test_crashes import reach
from tests.support.desk import Desk, desk, files  # noqa: F401
from tests.support.environment import skip_or_fail
from tests.support.processes import wait_for

pytestmark = [pytest.mark.slow, pytest.mark.real_processes]  # those that tests fork know nothing of memory that ran out

MB = 2**20
GROUPS = Path("/sys/fs/cgroup")
HUNGRY = (
    "import os\nfound = []\nwhile True:\n    found.append(os.urandom(2**20))\n"  # the page is written, so it counts
)


@pytest.fixture(autouse=True)
def no_memory_kills() -> None:
    """These tests are about them."""


@pytest.fixture
def memory_group() -> Iterator[Path]:
    """A control group whose processes may use hardly any memory; needs a system that lets this test make one."""
    name = f"tunemypets-{secrets.token_hex(4)}"
    for parent, limit in ((GROUPS / "memory", "memory.limit_in_bytes"), (GROUPS, "memory.max")):
        folder = parent / name
        try:
            folder.mkdir()
        except OSError:
            continue
        if (folder / limit).exists():
            break
        folder.rmdir()
    else:
        skip_or_fail("This test wants a memory control group: run it as root, where /sys/fs/cgroup can be written.")
    yield folder
    wait_for(lambda: not (folder / "cgroup.procs").read_text().split(), 10)
    folder.rmdir()


def limit(group: Path, process_id: int, more_bytes: int) -> None:
    """Let a process have so much memory more than the group counts now; what it had before is not counted."""
    (group / "cgroup.procs").write_text(str(process_id))
    for name in ("memory.limit_in_bytes", "memory.max"):
        with suppress(FileNotFoundError):
            with (group / name).open("r+") as file:
                file.write(str(more_bytes))
            return


def assert_told(run: Run) -> None:
    result = run.result()
    assert result is not None
    assert (result.state, result.cause) == (RunState.FAILED, MEMORY)
    assert result.text == (
        "This machine ran out of memory: train again with half the batch size (4 instead of 8 pictures per step), "
        "or with a smaller network."
    )
    smaller = remedy(run.config(), result)
    assert smaller is not None
    assert smaller.batch_size == 4
    assert {**smaller.model_dump(), "batch_size": 8} == run.config().model_dump()


@pytest.mark.parametrize("told", ["by its parent", "by no one"])
def test_a_worker_that_the_system_ended_for_memory_is_not_tried_again(
    desk: Desk, memory_group: Path, told: str
) -> None:
    run = desk.queue(note="hungry")
    process = reach(desk, run, "training")
    before = memory_kills()
    limit(memory_group, process.pid, 8 * MB)
    if told == "by no one":
        desk.dispatcher.close()  # the scheduler and its preloader have gone; the next one adopts the run
    (run.folder / "eat").touch()
    wait_for(lambda: memory_kills() > before, 30)
    wait_for(lambda: not process.is_running() or process.status() == "zombie", 10)
    if told == "by no one":
        desk.dispatcher = type(desk.dispatcher)(desk.settings)
    desk.until(lambda: run.state() is not RunState.RUNNING and run.result() is not None, 20)
    assert_told(run)
    assert read_attempts(run.folder).automatic == 0
    for _ in range(10):
        desk.dispatcher.step()
    assert run.state() is RunState.FAILED
    assert "checkpoints/last.safetensors" not in files(run)
    smaller = remedy(run.config(), run.result())
    assert smaller is not None
    desk.finish(desk.store.create(smaller.model_copy(update={"note": ""})))


def test_a_worker_that_somebody_killed_is_tried_again(desk: Desk) -> None:
    run = desk.queue(note="training")
    process = reach(desk, run, "training")
    assert read_json(run.folder / "started.json")["memory_kills"] == memory_kills()
    process.kill()
    desk.finish(run)
    assert read_attempts(run.folder).automatic == 1


def test_another_process_that_the_system_ends_for_memory_costs_no_run(desk: Desk, memory_group: Path) -> None:
    run = desk.queue(note="training")
    reach(desk, run, "training")
    before = memory_kills()
    other = subprocess.Popen([sys.executable, "-c", f"import time\ntime.sleep(1)\n{HUNGRY}"])
    limit(memory_group, other.pid, 20 * MB)
    assert other.wait(30) == -9
    assert memory_kills() > before
    desk.until(lambda: True)
    assert run.state() is RunState.RUNNING
    desk.store.request_stop(run.id)
    desk.until(lambda: run.state() is RunState.STOPPED)


def test_a_run_that_was_interrupted_long_before_is_not_blamed_for_it(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = desk.queue(note="training")
    facts = {"pid": 0, "born": 0.0, "time": 0.0, "memory_kills": 3}
    write_json(run.folder / "started.json", facts)
    write_attempts(run.folder, Attempts(2))
    monkeypatch.setattr(run_endings, "memory_kills", lambda: 3)
    desk.dispatcher.step()  # this scheduler has seen it, and lets it lie
    assert run.state() is RunState.INTERRUPTED

    monkeypatch.setattr(run_endings, "memory_kills", lambda: 4)  # later, and another process
    desk.dispatcher.close()
    desk.dispatcher = type(desk.dispatcher)(desk.settings)
    desk.dispatcher.step()
    assert run.state() is RunState.INTERRUPTED
    assert run.result() is None


def test_a_limit_on_the_address_space_says_the_same_sentence(settings: Settings, desk: Desk) -> None:
    run = desk.queue()
    code = textwrap.dedent(
        """
        import resource, sys
        from pathlib import Path
        from core.jobs.workers.preloader import preload
        from core.jobs.workers.worker import take
        preload()  # as for every worker: an import that runs out of memory fails with any message
        import torch
        torch.set_num_threads(1)
        used = int(next(l for l in open("/proc/self/status") if l.startswith("VmSize")).split()[1]) * 1024
        most = used + 160 * 2**20  # the first layer of a step writes 134 MB
        resource.setrlimit(resource.RLIMIT_AS, (most, most))
        sys.exit(take(Path(sys.argv[1])))
        """
    )
    big = desk.queue(filters=(64, 512, 512), image_size=256)
    done = subprocess.run(
        [sys.executable, "-c", code, str(big.folder)],
        cwd=PROJECT_ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert_told(big)
    assert "Traceback" in done.stderr  # in the log, where it belongs
    desk.finish(run)


def test_the_smallest_batch_has_no_half(desk: Desk) -> None:
    tiny = desk.config.model_copy(update={"batch_size": 3})
    assert halved(tiny) is None
    assert memory_sentence(tiny) == "This machine ran out of memory: choose a smaller network."
