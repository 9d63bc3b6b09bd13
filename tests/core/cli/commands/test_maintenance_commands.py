"""`python -m core fsck`, `export-room` and `import-room`: what a person or a script sees."""

import dataclasses
import json
from pathlib import Path

import pytest

from core.cli.main import main
from core.runs.run import RunState
from core.runs.run_store import RunStore
from core.settings import Settings
from tests.core.maintenance.conftest import full, full_template  # noqa: F401 (fixtures)


def test_the_exit_status_shows_whether_there_are_problems(full: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fsck"]) == 0
    assert capsys.readouterr().out == "No problems found.\n"
    run = next(run for run in RunStore(full).all() if run.state() is RunState.FINISHED)
    (run.folder / "predictions.csv").write_text("", encoding="utf-8")
    assert main(["fsck", "--json"]) == 1
    shown = capsys.readouterr()
    value = json.loads(shown.out)
    assert value["clean"] is False
    (finding,) = value["findings"]
    assert finding["kind"] == "damaged"
    assert finding["thing"] == f"runs/{run.id}/predictions.csv"
    assert finding["repair"] == f"moves runs/{run.id} to set-aside"
    assert "--repair" in shown.err
    assert str(full.home) not in shown.out + shown.err
    assert main(["fsck", "--repair", "--json"]) == 0
    value = json.loads(capsys.readouterr().out)
    assert [item["thing"] for item in value["repaired"]] == [finding["thing"]]
    assert not run.folder.exists()


def test_a_room_is_carried(
    full: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "room.zip"
    assert main(["export-room", str(file), "--runs", "finished", "--json"]) == 0
    packed = json.loads(capsys.readouterr().out)
    assert (packed["datasets"], len(packed["runs"]), packed["bytes"]) == (["drawn"], 3, file.stat().st_size)
    assert main(["export-room", str(file)]) == 1
    assert "there already" in capsys.readouterr().err
    elsewhere = dataclasses.replace(full, home=tmp_path / "elsewhere")
    monkeypatch.setenv("TUNEMYPETS_HOME", str(elsewhere.home))
    assert main(["import-room", str(file), "--json"]) == 0
    taken = json.loads(capsys.readouterr().out)
    assert (len(taken["taken"]), taken["there_already"], taken["refused"]) == (4, [], {})
    assert main(["import-room", str(file)]) == 0
    assert "4 were here already" in capsys.readouterr().out
    assert main(["import-room", str(tmp_path / "nowhere.zip")]) == 1
    (sentence,) = capsys.readouterr().err.splitlines()
    assert "nowhere.zip" in sentence
    assert str(tmp_path) not in sentence
