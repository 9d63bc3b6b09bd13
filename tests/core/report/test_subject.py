"""The subject of a report is read once, and every section is made from it alone."""

import dataclasses
import inspect
import shutil
from importlib import import_module
from typing import get_type_hints

import pytest

from core.config.race_plan import RacePlan
from core.datasets.dataset import Dataset
from core.report.builder import assemble, build_report
from core.report.subject import Subject, read_subject
from core.runs.run import Run
from core.runs.run_store import Arm, RunStore
from core.settings import PROJECT_ROOT, Settings
from tests.support.finished_runs import add_points, configure, finish, start_race

SECTIONS = sorted(path.stem for path in (PROJECT_ROOT / "core" / "report").glob("*_section.py"))
READING = ("config", "meta", "result", "state", "records", "history", "predictions", "validation_predictions")


@pytest.mark.parametrize("name", SECTIONS)
def test_every_section_takes_the_subject_and_nothing_else_that_is_read(name: str):
    module = import_module(f"core.report.{name}")
    made = [
        found
        for found in vars(module).values()
        if inspect.isfunction(found) and found.__module__ == module.__name__ and not found.__name__.startswith("_")
    ]
    sections = [found for found in made if next(iter(get_type_hints(found).values()), None) is Subject]
    assert sections
    for found in sections:
        assert all(hint in (Subject, bool) for key, hint in get_type_hints(found).items() if key != "return"), found


def test_no_section_reads_a_run_again(settings: Settings, drawn: Dataset, monkeypatch: pytest.MonkeyPatch):
    race_id, runs = start_race(settings, drawn)
    for run in runs:
        finish(run, drawn, 0.9 if run.meta().arm == "head" else 0.5)
    before = build_report(settings, [race_id], images=False)

    subject = read_subject(settings, [race_id])

    def refuse(self: Run) -> None:
        raise AssertionError("a section reads a run")

    for name in READING:
        monkeypatch.setattr(Run, name, refuse)
    shutil.rmtree(settings.home / "runs")
    shutil.rmtree(drawn.folder)
    after = assemble(subject, images=False)
    assert dataclasses.replace(after, made=before.made) == before
    assert after.readings
    assert after.costs


def test_no_section_reads_a_learning_curve_again(settings: Settings, drawn: Dataset):
    plan = RacePlan("curve", ("scratch", "head"), (0, 1), "epochs", 3, (1, 5))
    arms = [(name, configure("drawn", name)) for name in plan.arms]
    race_id, runs = RunStore(settings).create_race(plan, [Arm(*arm) for arm in arms])
    for run in runs:
        add_points(run, drawn, plan.sizes, plan.seeds)
    before = build_report(settings, [race_id], images=False)
    subject = read_subject(settings, [race_id])
    shutil.rmtree(settings.home / "runs")
    assert dataclasses.replace(assemble(subject, images=False), made=before.made) == before


def test_a_changed_dataset_is_left_out_with_a_note(settings: Settings, drawn: Dataset):
    race_id, runs = start_race(settings, drawn, seeds=(0,))
    for run in runs:
        finish(run, drawn)
        text = (run.folder / "meta.json").read_text(encoding="utf-8")
        (run.folder / "meta.json").write_text(text.replace(drawn.fingerprint, "0" * 64), encoding="utf-8")

    report = build_report(settings, [race_id])

    assert "The dataset drawn has changed since: its pictures are left out." in report.notes
    assert report.dataset.pictures == {"train": 24, "val": 8, "test": 8}, "as the runs recorded them"
    assert report.groups is not None
    assert all(picture.image is None for group in report.groups.groups for picture in group.pictures)
