"""A room arrives elsewhere as it was, whole or not at all."""

import dataclasses
import hashlib
import shutil
import subprocess
import sys
import zipfile
from collections import Counter
from pathlib import Path

import pytest

from core.config.train_config import TrainConfig
from core.datasets.dataset_store import DatasetStore
from core.datasets.drawn_sample import draw_sample
from core.datasets.importing import import_dataset
from core.datasets.sources.source import MemorySource
from core.datasets.splits import SplitPlan
from core.errors import CarryError, QuotaError
from core.jobs.workers.worker import Worker
from core.maintenance.check import check
from core.maintenance.export_archive import export_room
from core.maintenance.import_archive import import_room
from core.maintenance.repair import repair
from core.revisions.corrections import relabel
from core.revisions.revision import revise
from core.runs.run import RunState
from core.runs.run_store import RunStore
from core.settings import PROJECT_ROOT, Settings
from core.steps import run_step
from core.verification import Kind
from tests.core.maintenance.conftest import train_aside


def digests(home: Path) -> dict[str, str]:
    """What datasets and runs hold, without what only counts here."""
    here = {"started.json", "attempts.json", "worker.lock", "worker.log"}
    return {
        path.relative_to(home).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for kind in ("datasets", "runs")
        for path in (home / kind).rglob("*")
        if path.is_file() and path.name not in here
    }


def test_a_room_arrives_as_it_was(full_template: Path, packed: Path, settings: Settings) -> None:
    arrived = import_room(settings, packed)
    assert (len(arrived.taken), arrived.there, arrived.refused) == (6, [], {})
    assert digests(settings.home) == digests(full_template)
    assert list(check(settings)) == []
    there = RunStore(dataclasses.replace(settings, home=full_template))
    for run in RunStore(settings).all():
        before = there.get(run.id).state()
        assert run.state() is (before if before is RunState.FINISHED else RunState.INTERRUPTED)
        if before is RunState.FINISHED:
            assert run.predictions().probabilities.tolist() == there.get(run.id).predictions().probabilities.tolist()
    again = import_room(settings, packed)
    assert (again.taken, len(again.there), again.refused) == ([], 6, {})
    (settings.datasets_dir / "drawn" / "dataset.json").touch()
    DatasetStore(settings).rename("drawn", "Another title")
    assert import_room(settings, packed).refused == {}


def test_nothing_that_arrives_begins_by_itself(packed: Path, settings: Settings) -> None:
    from core.scheduling.dispatcher import Dispatcher

    import_room(settings, packed)
    states = {run.id: run.state() for run in RunStore(settings).all()}
    dispatcher = Dispatcher(settings)
    try:
        for _ in range(3):
            assert dispatcher.step() is False
    finally:
        dispatcher.close()
    assert {run.id: run.state() for run in RunStore(settings).all()} == states
    # and whoever wants to lets them go on
    for run in RunStore(settings).all():
        if run.state() is RunState.INTERRUPTED:
            RunStore(settings).resume(run.id)
            assert Worker(settings, run).work() is RunState.FINISHED
    assert list(check(settings)) == []


def test_only_datasets_and_runs_are_packed(full: Settings, tmp_path: Path) -> None:
    for name in ("predictor.json", "people.json"):
        (full.home / name).write_text('{"key": "SECRET"}', encoding="utf-8")
    (full.home / "people" / "p-1.json").write_text('{"token": "SECRET"}', encoding="utf-8")
    for run in RunStore(full).all():
        (run.folder / "worker.log").write_text("SECRET", encoding="utf-8")
        (run.folder / "later.json").write_text('"SECRET"', encoding="utf-8")
    export_room(full, tmp_path / "room.zip")
    with zipfile.ZipFile(tmp_path / "room.zip") as archive:
        assert archive.testzip() is None
        tops = {name.split("/")[0] for name in archive.namelist()}
        assert tops == {"datasets", "runs", "room.json"}
        for name in archive.namelist():
            assert b"SECRET" not in archive.read(name)
            assert not name.endswith((".lock", ".log", "stop"))
            assert str(full.home).encode() not in archive.read(name)


def test_a_part_of_a_room_is_packed(full: Settings, tmp_path: Path) -> None:
    list(
        import_dataset(
            full, MemorySource("x", list(draw_sample(13, 64))), name="other", plan=SplitPlan.parse("60/20/20"), seed=0
        )
    )
    found = export_room(full, tmp_path / "finished.zip", runs="finished")
    assert (sorted(found.datasets), len(found.runs)) == (["drawn", "other"], 3)
    found = export_room(full, tmp_path / "other.zip", datasets=["other"])
    assert (found.datasets, found.runs) == (["other"], [])
    found = export_room(full, tmp_path / "drawn.zip", datasets=["drawn"])
    assert (found.datasets, len(found.runs)) == (["drawn"], 5)


def test_pictures_that_revisions_share_are_packed_once(full: Settings, tmp_path: Path, settings: Settings) -> None:
    export_room(full, tmp_path / "one.zip", datasets=["drawn"])
    dataset = DatasetStore(full).get("drawn")
    relabel(dataset, [0], "dog" if dataset.classes[dataset.rows[0].label] == "cat" else "cat")
    revision = run_step(revise(full, dataset))
    export_room(full, tmp_path / "both.zip", datasets=["drawn", revision])
    with zipfile.ZipFile(tmp_path / "one.zip") as one, zipfile.ZipFile(tmp_path / "both.zip") as both:
        pictures = [sum("/images/" in name for name in archive.namelist()) for archive in (one, both)]
    assert pictures == [len(dataset.rows)] * 2
    arrived = import_room(dataclasses.replace(settings, home=tmp_path / "there"), tmp_path / "both.zip")
    assert arrived.refused == {}
    assert {f"datasets/{name}" for name in ("drawn", revision)} <= set(arrived.taken)
    there = DatasetStore(dataclasses.replace(settings, home=tmp_path / "there")).get(revision)
    assert there.fingerprint == DatasetStore(full).get(revision).fingerprint
    assert list(check(dataclasses.replace(settings, home=tmp_path / "there"))) == []


def test_a_room_is_packed_while_it_trains(
    full: Settings, small_config: TrainConfig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from core.checkpoints import snapshot

    monkeypatch.setattr(snapshot, "LEAST_SECONDS", 0.0)
    monkeypatch.setattr(snapshot, "SHARE", 0)
    run = RunStore(full).create(small_config.model_copy(update={"epochs": 300, "note": "long"}))
    over = train_aside(full, run)
    archives = []
    while not over.is_set() and len(archives) < 5:
        if run.has_weights:
            archives.append(tmp_path / f"{len(archives)}.zip")
            assert export_room(full, archives[-1]).left_out == {}
    (run.folder / "stop").touch()
    assert over.wait(60)
    for archive in archives:
        elsewhere = dataclasses.replace(full, home=tmp_path / archive.stem)
        assert import_room(elsewhere, archive).refused == {}
        assert RunStore(elsewhere).get(run.id).state() is RunState.INTERRUPTED
        assert list(check(elsewhere)) == []


def test_a_dataset_that_differs_from_the_one_here_is_refused(packed: Path, settings: Settings) -> None:
    list(
        import_dataset(
            settings,
            MemorySource("x", list(draw_sample(13, 64))),
            name="drawn",
            plan=SplitPlan.parse("60/20/20"),
            seed=0,
        )
    )
    before = digests(settings.home)
    arrived = import_room(settings, packed)
    assert arrived.taken == []
    assert len(arrived.refused) == 6  # the runs were trained on the other one
    assert digests(settings.home) == before


def test_a_run_that_differs_stays_as_it_is(full: Settings, packed: Path) -> None:
    run = next(item for item in RunStore(full).all() if item.state() is RunState.QUEUED)
    assert Worker(full, run).work() is RunState.FINISHED
    arrived = import_room(full, packed)
    assert list(arrived.refused) == [f"runs/{run.id}"]
    assert "differs" in arrived.refused[f"runs/{run.id}"]
    assert run.state() is RunState.FINISHED


def test_packing_refuses_what_it_cannot_do(full: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "room.zip"
    target.touch()
    with pytest.raises(CarryError, match="there already"):
        export_room(full, target)
    with pytest.raises(CarryError, match="not there"):
        export_room(full, tmp_path / "nowhere" / "room.zip")
    picture = next((full.datasets_dir / "drawn" / "images").glob("*/*"))
    whole = picture.read_bytes()
    picture.write_bytes(whole[:-1] + b"x")
    with pytest.raises(CarryError, match="fsck"):
        export_room(full, tmp_path / "damaged.zip")
    picture.unlink()
    found = export_room(full, tmp_path / "part.zip")
    assert list(found.left_out) == ["datasets/drawn"]
    picture.write_bytes(whole)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**9, 10**9, 10))  # type: ignore[attr-defined]
    with pytest.raises(CarryError, match="free"):
        export_room(full, tmp_path / "full.zip")
    assert sorted(path.name for path in tmp_path.glob("*.zip")) == ["part.zip", "room.zip"]
    assert not list(tmp_path.glob(".*.tmp"))


def test_a_room_that_does_not_fit_is_refused_before_anything_is_written(packed: Path, settings: Settings) -> None:
    with pytest.raises(QuotaError):
        import_room(dataclasses.replace(settings, min_free_bytes=2**60), packed)
    assert not settings.datasets_dir.exists()


def kill_import(settings: Settings, packed: Path, moment: str) -> set[str]:
    """Import in a process that is killed at the first byte after a moment; the runs that arrived alone of their race.

    Args:
        moment: an expression of `done` and `total` bytes, and of `arrived`, the races of runs that are there.
    """
    code = (
        "import json, os, sys\nfrom pathlib import Path\nfrom core.settings import Settings\n"
        "from core.maintenance import import_archive\n"
        "settings = Settings.from_environment()\n"
        "def races():\n"
        "    return [json.loads(path.read_text())['race'] for path in settings.runs_dir.glob('[!.]*/meta.json')]\n"
        "class Meter(import_archive.Meter):\n"
        "    def add(self, count):\n"
        "        super().add(count)\n"
        "        done, total, arrived = self.done, self.total, list(filter(None, races()))\n"
        f"        if total and {moment}: os.kill(os.getpid(), 9)\n"
        "import_archive.Meter = Meter\n"
        "import_archive.import_room(settings, Path(sys.argv[1]))\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(packed)], cwd=PROJECT_ROOT, check=False)
    assert done.returncode == -9
    runs = RunStore(settings).all()
    assert not any(run.state().active for run in runs)
    arms = Counter(run.meta().race for run in runs)
    return {f"runs/{run.id}" for run in runs if run.meta().race and arms[run.meta().race] == 1}


@pytest.fixture
def late(monkeypatch: pytest.MonkeyPatch) -> None:
    """Checks find what they would after a minute: before, a run that is alone of its race may wait for the others."""
    monkeypatch.setattr("core.maintenance.check.PATIENCE_SECONDS", -1)


def check_that_an_import_completes(settings: Settings, packed: Path) -> None:
    arrived = import_room(settings, packed)
    assert arrived.refused == {}
    assert len(arrived.taken) + len(arrived.there) == 6
    assert list(check(settings)) == []


@pytest.mark.parametrize("part", [0.05, 0.3, 0.6, 0.9])
def test_a_killed_import_leaves_nothing_but_what_repair_removes(
    packed: Path, settings: Settings, late: None, part: float
) -> None:
    alone = kill_import(settings, packed, f"done > {part} * total")
    found = [item for item in check(settings) if item.thing not in alone]
    assert {item.kind for item in found} == {Kind.LEFT_OVER}
    assert all("/." in item.thing for item in found)
    assert {item.thing for item in repair(settings).left} == alone
    check_that_an_import_completes(settings, packed)


def test_a_run_whose_race_was_cut_in_two_by_a_kill_stays_until_the_other_arrives(
    packed: Path, settings: Settings, late: None
) -> None:
    alone = kill_import(settings, packed, "len(arrived) == 1")
    assert len(alone) == 1
    assert {item.thing for item in check(settings) if item.kind is Kind.ORPHANED} == alone
    assert [(item.kind, {item.thing}) for item in repair(settings).left] == [(Kind.ORPHANED, alone)]
    check_that_an_import_completes(settings, packed)
