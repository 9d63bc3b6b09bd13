"""Workers that are forked: like fresh processes in everything but the time they take to start."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from core.config.train_config import TrainConfig
from core.datasets.dataset import Dataset
from core.jobs.launchers import NICENESS, start_module
from core.jobs.workers.preloader import POSSIBLE
from core.locks import is_held
from core.runs.run import Run, RunState
from core.runs.run_store import RunStore
from core.scheduling import worker_processes
from core.scheduling.scheduler import ensure_scheduler, lock_path, serve
from core.scheduling.worker_processes import MAX_PRELOADERS
from core.settings import PROJECT_ROOT, Settings
from core.storage import read_json
from tests.core.scheduling.test_scheduler import stop_all
from tests.support.processes import processes_of, wait_for

pytestmark = [
    pytest.mark.slow,
    pytest.mark.real_processes,
    pytest.mark.skipif(not POSSIBLE, reason="There is no preloader on this system: nothing to test."),
]

# a training without torch, which writes down what it sees of its process and then waits to be stopped
LIGHT_SESSION = """
import json, os, random, time
from pathlib import Path
import numpy as np
from core.config.events import PhaseStarted

def resumable(config, dataset, folder):
    return None

def train(config, dataset, settings, folder, signal, resume=None, deadline=None, **more):
    print("written by", os.getpid())
    own = Path("/proc/self")
    facts = {
        "cwd": os.getcwd(), "session": os.getsid(0), "parent": os.getppid(), "nice": os.nice(0),
        "environment": dict(os.environ), "threads": len(list((own / "task").iterdir())),
        "files": {path.name: os.readlink(path) for path in (own / "fd").iterdir() if path.exists()},
        "random": random.random(), "numpy": np.random.random(),
    }
    (folder / "facts.json").write_text(json.dumps(facts))
    yield PhaseStarted("preparing", "Preparing")
    while True:
        signal.check()
        time.sleep(0.02)
"""
WITH_A_THREAD = "import threading, time\nthreading.Thread(target=time.sleep, args=(99,), daemon=True).start()\n"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the program that trains without torch; every process of this test runs it."""
    copy = tmp_path / "project"
    shutil.copytree(PROJECT_ROOT / "core", copy / "core", ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "models").symlink_to(PROJECT_ROOT / "models")
    (copy / "core" / "training" / "session.py").write_text(LIGHT_SESSION)
    (copy / "core" / "training" / "evaluation.py").write_text("")
    monkeypatch.setattr("core.jobs.launchers.PROJECT_ROOT", copy)
    return copy


@pytest.fixture
def queue(drawn: Dataset, small_config: TrainConfig, settings: Settings, ended_processes: None) -> Callable[[], Run]:
    """Queues a run that trains until it is stopped."""
    return lambda: RunStore(settings).create(small_config.model_copy(update={"epochs": 1000}))


def began(run: Run) -> bool:
    return run.history().phase is not None


def process_of(run: Run) -> psutil.Process:
    return psutil.Process(read_json(run.folder / "started.json")["pid"])


def facts_of(run: Run) -> dict[str, Any]:
    facts = read_json(run.folder / "facts.json")
    assert isinstance(facts, dict)
    return facts


def preloaders(settings: Settings) -> list[psutil.Process]:
    return [item for item in processes_of(settings.home, "core.jobs.workers.preloader") if item.name() != "jobs.worker"]


def test_a_forked_worker_trains_like_a_fresh_one_to_the_last_digit(
    monkeypatch: pytest.MonkeyPatch,
    settings: Settings,
    drawn: Dataset,
    small_config: TrainConfig,
    ended_processes: None,
) -> None:
    fresh, forked, again = (RunStore(settings).create(small_config) for _ in range(3))
    worker = start_module(
        settings,
        "core.jobs.workers.worker",
        [str(fresh.folder)],
        fresh.folder / "worker.log",
        threads=settings.threads,
    )
    assert worker.wait(60) == 0
    monkeypatch.setattr(worker_processes, "start_module", lambda *_, **__: pytest.fail("not forked"))
    serve(settings, idle_seconds=0.5)
    losses = [[(epoch.train_loss, epoch.val_loss) for epoch in run.history().epochs] for run in (fresh, forked, again)]
    assert len(losses[0]) == 2
    assert losses[0] == losses[1] == losses[2]
    tables = [(run.folder / "predictions.csv").read_bytes() for run in (fresh, forked, again)]
    assert tables[0] == tables[1] == tables[2]
    assert "ended: finished" in (forked.folder / "worker.log").read_text()


def test_two_forked_workers_are_like_two_fresh_processes(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, project: Path, queue: Callable[[], Run]
) -> None:
    monkeypatch.setenv("TUNEMYPETS_WORKERS", "2")
    runs = [queue(), queue()]
    ensure_scheduler(settings)
    wait_for(lambda: all(map(began, runs)))
    (preloader,) = preloaders(settings)
    facts = [facts_of(run) for run in runs]
    for run, seen in zip(runs, facts, strict=True):
        pid = process_of(run).pid
        assert (seen["parent"], seen["session"], seen["cwd"]) == (preloader.pid, pid, str(project))
        assert seen["threads"] == 2  # itself, and the one that watches for the stop
        assert seen["nice"] == max(NICENESS, os.nice(0))
        assert seen["environment"]["OMP_NUM_THREADS"] == str(Settings.from_environment().threads)
        assert "MALLOC_TRIM_THRESHOLD_" in seen["environment"]
        assert seen["environment"]["TUNEMYPETS_HOME"] == str(settings.home)
        log = str(run.folder / "worker.log")
        held = {name: target for name, target in seen["files"].items() if not target.startswith("/proc/")}
        assert {held.pop(name) for name in "012"} == {os.devnull, log}
        assert set(held.values()) == {str(run.lock_path)}
        assert f"written by {pid}\n" in Path(log).read_text()
    assert facts[0]["random"] != facts[1]["random"]
    assert facts[0]["numpy"] != facts[1]["numpy"]
    stop_all(settings, runs)
    wait_for(lambda: preloader.children() == [], 5)  # no zombies either


def test_a_killed_preloader_harms_no_run_and_gets_a_successor(
    settings: Settings, project: Path, queue: Callable[[], Run]
) -> None:
    running, behind = queue(), queue()
    ensure_scheduler(settings)
    wait_for(lambda: began(running))
    (first,) = preloaders(settings)
    first.kill()
    wait_for(lambda: not preloaders(settings))
    time.sleep(1)  # four looks of the scheduler
    assert running.state() is RunState.RUNNING
    assert behind.state() is RunState.QUEUED
    stop_all(settings, [running])
    wait_for(lambda: began(behind))
    (second,) = preloaders(settings)
    assert facts_of(behind)["parent"] == second.pid != first.pid
    stop_all(settings, [behind])


def test_a_preloader_killed_before_it_could_fork_loses_no_run(
    settings: Settings, project: Path, queue: Callable[[], Run]
) -> None:
    session = project / "core" / "training" / "session.py"
    session.write_text(f"import time\ntime.sleep(3)\n{LIGHT_SESSION}")
    run = queue()
    ensure_scheduler(settings)
    wait_for(lambda: len(preloaders(settings)) == 1)
    (first,) = preloaders(settings)
    time.sleep(0.5)  # two looks of the scheduler: by now it asked for the worker
    first.kill()
    wait_for(lambda: began(run))
    assert (run.folder / "worker.log").read_text().count("written by") == 1
    stop_all(settings, [run])


def test_a_preloader_ends_with_its_scheduler_and_the_run_continues(
    settings: Settings, project: Path, queue: Callable[[], Run]
) -> None:
    run = queue()
    ensure_scheduler(settings)
    wait_for(lambda: began(run))
    (living,) = processes_of(settings.home, "core.scheduling.scheduler")
    living.kill()
    wait_for(lambda: not preloaders(settings), 10)
    assert not is_held(lock_path(settings))
    assert run.state() is RunState.RUNNING
    assert process_of(run).is_running()
    stop_all(settings, [run])


def test_a_worker_that_dies_before_it_begins_fails_its_run_with_its_sentence(
    monkeypatch: pytest.MonkeyPatch, settings: Settings, project: Path, queue: Callable[[], Run]
) -> None:
    monkeypatch.setenv("TUNEMYPETS_DEVICE", "abacus")  # the worker's settings are refused
    run = queue()
    serve(settings, idle_seconds=0.5)
    result = run.result()
    assert result is not None
    assert result.state is RunState.FAILED
    assert result.text.endswith("see worker.log.")
    log = (run.folder / "worker.log").read_text()
    assert log.count("Traceback") == 1
    assert "become_worker" in log


def test_where_forking_is_not_safe_workers_start_afresh(
    settings: Settings, project: Path, queue: Callable[[], Run]
) -> None:
    session = project / "core" / "training" / "session.py"
    session.write_text(WITH_A_THREAD + LIGHT_SESSION)
    run = queue()
    ensure_scheduler(settings)
    wait_for(lambda: began(run))
    (living,) = processes_of(settings.home, "core.scheduling.scheduler")
    assert facts_of(run)["parent"] == living.pid
    assert (settings.logs_dir / "preloader.log").read_text().count("RuntimeError:") == MAX_PRELOADERS
    stop_all(settings, [run])


def test_changed_code_is_not_hidden_by_what_was_loaded(
    settings: Settings, project: Path, queue: Callable[[], Run]
) -> None:
    before, after = queue(), queue()
    ensure_scheduler(settings)
    wait_for(lambda: began(before))
    session = project / "core" / "training" / "session.py"
    session.write_text(LIGHT_SESSION.replace("written by", "now written by"))
    stop_all(settings, [before])
    wait_for(lambda: began(after))
    assert "now written by" in (after.folder / "worker.log").read_text()
    assert facts_of(after)["parent"] == preloaders(settings)[0].pid
    stop_all(settings, [after])


@pytest.mark.parametrize(
    ("starter", "seconds"), [(os.getppid(), 4.0), (-1, 0.5), (None, 0.5)], ids=["lives", "gone", "unknown"]
)
def test_an_idle_scheduler_stays_longer_for_a_starter_that_lives(
    settings: Settings, project: Path, starter: int | None, seconds: float
) -> None:
    settings.home.mkdir(parents=True)
    started = time.monotonic()
    serve(settings, idle_seconds=0.5, warm_seconds=4.0, starter=starter)
    assert seconds <= time.monotonic() - started < seconds + 2
    assert preloaders(settings) == []


def test_the_imports_do_not_ask_the_graphics_driver() -> None:
    # once asked, it refuses every child of a fork, which would then train on the processor without a word
    code = (
        "import sys, torch\n"
        "refuse = lambda *_: sys.exit('the driver was asked')\n"
        "torch._C._cuda_getDeviceCount = torch._C._cuda_init = refuse\n"
        "import core.training.session\n"
        "print('imported', flush=True)\n"
        "torch.cuda.is_available()\n"
        "assert not torch.backends.cuda.is_built(), 'this test cannot notice anything'\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT_ROOT, capture_output=True, text=True, check=False)
    assert done.stdout == "imported\n"
    assert done.returncode == 0 or "the driver was asked" in done.stderr, done.stderr
