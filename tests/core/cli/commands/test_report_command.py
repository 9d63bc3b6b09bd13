"""`python -m core report` as a person calls it."""

import json
from pathlib import Path

import pytest

from core.cli.main import main
from core.datasets.dataset import Dataset
from core.settings import Settings
from tests.support.finished_runs import finish, start_race
from tests.support.refusals import refused


@pytest.fixture
def race_id(settings: Settings, drawn: Dataset) -> str:
    found, runs = start_race(settings, drawn, seeds=(0,))
    for run in runs:
        finish(run, drawn)
    return found


@pytest.mark.parametrize(
    ("name", "option", "begins"),
    [
        ("a.html", [], "<!doctype html>"),
        ("a.json", [], "{"),
        ("a.csv", ["--format", "json"], "{"),
        ("report", [], "<!doctype html>"),
        ("a.txt", ["--format", "json"], "{"),
    ],
)
def test_the_ending_or_the_option_decides_the_format(race_id, tmp_path: Path, capsys, name, option, begins):
    target = tmp_path / name

    assert main(["report", race_id, "--output", str(target), "--json", *option]) == 0

    value = json.loads(capsys.readouterr().out)
    assert target.read_text(encoding="utf-8").startswith(begins)
    assert value["bytes"] == target.stat().st_size
    assert value["kind"] == "race"


def test_a_report_as_csv_is_refused_with_the_formats_there_are(race_id, tmp_path: Path, capsys):
    target = tmp_path / "a.CSV"
    assert "HTML or JSON: name it a.html or a.json." in refused(capsys, "report", race_id, "--output", str(target))
    assert main(["report", race_id, "--output", str(target), "--format", "csv"]) == 2
    assert "html, json" in capsys.readouterr().err.replace("'", "")
    assert not target.exists()


def test_a_file_that_is_there_is_only_replaced_when_forced(race_id, tmp_path: Path, capsys):
    target = tmp_path / "report.html"
    target.write_text("mine", encoding="utf-8")

    assert "--force" in refused(capsys, "report", race_id, "--output", str(target))
    assert target.read_text(encoding="utf-8") == "mine"
    assert main(["report", race_id, "--output", str(target), "--force"]) == 0
    assert target.read_text(encoding="utf-8") != "mine"
    assert list(tmp_path.glob(".report*")) == []


def test_what_cannot_be_written_is_one_sentence(race_id, tmp_path: Path, capsys):
    assert "is a folder" in refused(capsys, "report", race_id, "--output", str(tmp_path))
    assert "make it first" in refused(capsys, "report", race_id, "--output", str(tmp_path / "no" / "report.html"))
    assert "too long" in refused(capsys, "report", race_id, "--output", str(tmp_path / f"{'x' * 250}.html"))
    assert "'race-gone'" in refused(capsys, "report", "race-gone", "--output", str(tmp_path / "report.html"))
    assert "two to six runs" in refused(capsys, "report", run_of(race_id), "--output", str(tmp_path / "report.html"))
    assert not (tmp_path / "report.html").exists()


def run_of(race_id: str) -> str:
    from core.runs.run_store import RunStore

    return RunStore(Settings.from_environment()).race(race_id)[0].id
