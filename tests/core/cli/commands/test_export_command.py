"""`python -m core export` as a person calls it."""

import json
import zipfile
from pathlib import Path

import pytest

from core.cli.main import main
from core.export import exports
from core.runs.run_store import RunStore
from core.settings import Settings
from tests.support.processes import end_processes
from tests.support.refusals import refused


@pytest.fixture
def run_id(raced: Settings, ended_processes: None) -> str:
    return RunStore(raced).all()[0].id


@pytest.mark.slow
def test_a_run_is_exported_and_described(run_id: str, raced: Settings, tmp_path: Path, capsys) -> None:
    target = tmp_path / "my network.zip"

    assert main(["export", run_id, "--format", "pytorch", "--output", str(target), "--json"]) == 0

    value = json.loads(capsys.readouterr().out)
    assert (value["file"], value["bytes"]) == (str(target), target.stat().st_size)
    check = value["check"]
    assert check["same_class"] + check["too_close_to_call"] == check["images"] > 0
    assert check["largest_difference"] <= 1e-3
    assert check["difference_interval"][0] <= 0 <= check["difference_interval"][1]
    assert value["ms_per_picture"] > 0
    assert {Path(name).name for name in zipfile.ZipFile(target).namelist()} == {
        "model.safetensors", "model.pt2", "config.json", "labels.txt", "predict.py", "README.md",
        "not_sure.py", "not_sure.npz",
    }  # fmt: skip
    end_processes(raced.home)
    (tmp_path / "again.zip").touch()
    words = ["export", run_id, "--format", "pytorch", "--output", str(tmp_path / "again.zip")]
    assert "again.zip exists already" in refused(capsys, *words)
    assert main([*words, "--force"]) == 0
    assert "Same class as the run on" in capsys.readouterr().out
    assert (tmp_path / "again.zip").read_bytes() == target.read_bytes()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--format", "exe", "--output", "a.zip"], "Format 'exe' is unknown: choose one of phone, pytorch, onnx"),
        (["--format", "onnx", "--output", "a.pt"], "a.pt cannot be ONNX: let its name end in .zip or .onnx."),
        (["--format", "pytorch", "--output", "."], ". is a folder: name a file in it, such as network.zip."),
        (["--format", "pytorch", "--output", "none/a.zip"], "The folder of a.zip does not exist: make it first."),
    ],
)
def test_a_mistake_gets_a_sentence(
    run_id: str, words: list[str], said: str, tmp_path: Path, monkeypatch, capsys
) -> None:
    monkeypatch.chdir(tmp_path)
    assert said in refused(capsys, "export", run_id, *words)


def test_a_failed_export_says_why(run_id: str, raced: Settings, tmp_path: Path, monkeypatch, capsys) -> None:
    run = RunStore(raced).get(run_id)
    kind = exports.get_format("pytorch")

    def start(*_: object) -> None:
        exports.files_of(run, kind).progress.write_text('{"problem": "The disk is full: free some."}', encoding="utf-8")

    monkeypatch.setattr(exports, "start_export", start)
    (run.folder / "exports").mkdir()
    said = refused(capsys, "export", run_id, "--format", "pytorch", "--output", str(tmp_path / "a.zip"))
    assert said == "The disk is full: free some.\n"
    assert not (tmp_path / "a.zip").exists()
